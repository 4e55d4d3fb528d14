//! What is printed, and the exit status.

use std::{
    io::{self, Write},
    process::ExitCode,
};

use serde_json::{Value, json};

use crate::{args::Global, failure::Failure};

/// What a command has to say when it is done.
#[derive(Debug, Default)]
pub(crate) struct Report {
    /// For programs: one object.
    pub(crate) json: Value,
    /// For people, on standard output; it ends with a line break, or is empty.
    pub(crate) text: String,
    /// Whether part of it failed.
    pub(crate) failure: Option<Failure>,
}

/// How results and errors are printed.
#[derive(Clone, Copy, Debug)]
pub(crate) struct Output {
    json: bool,
    quiet: bool,
}

impl Output {
    pub(crate) fn new(global: &Global) -> Self {
        Self { json: global.json, quiet: global.quiet }
    }

    /// Says something to a person along the way, on standard error.
    pub(crate) fn note(&self, text: &str) {
        if !self.json && !self.quiet {
            error_line(text);
        }
    }

    /// Prints what a command came to.
    pub(crate) fn finish(&self, done: Result<Report, Failure>) -> ExitCode {
        let report = match done {
            Ok(report) => report,
            Err(failure) => return self.failed(&failure),
        };
        let text = if self.json { format!("{}\n", report.json) } else { report.text };
        let mut out = io::stdout().lock();
        if let Err(error) = out.write_all(text.as_bytes()).and_then(|()| out.flush())
            // Who closed the pipe has read enough.
            && error.kind() != io::ErrorKind::BrokenPipe
        {
            return self.failed(&Failure::io("the result cannot be written", &error));
        }
        report.failure.map_or(ExitCode::SUCCESS, |failure| self.failed(&failure))
    }

    /// Prints an error.
    pub(crate) fn failed(&self, failure: &Failure) -> ExitCode {
        if self.json {
            error_line(&json!({"error": failure.to_json()}).to_string());
        } else {
            error_line(&failure.to_string());
        }
        ExitCode::from(failure.exit_code())
    }

    pub(crate) fn interrupted(&self, exit_code: u8) -> ExitCode {
        if self.json {
            let message = "interrupted";
            error_line(&json!({"error": {"kind": message, "exit_code": exit_code, "message": message, "hint": null}}).to_string());
        } else {
            error_line("mlmgr: interrupted; the same command again goes on from what is complete");
        }
        ExitCode::from(exit_code)
    }
}

/// Prints help, the version, or what is wrong with the command line.
pub(crate) fn usage(error: &clap::Error) -> ExitCode {
    let is_error = error.use_stderr();
    if is_error && std::env::args_os().any(|argument| argument == "--json") {
        let message = error.to_string();
        let message = message.lines().next().unwrap_or_default().trim_start_matches("error: ");
        let failure = Failure::usage(message, "see mlmgr --help");
        error_line(&json!({"error": failure.to_json()}).to_string());
    } else {
        // Whoever closed the other end does not want to know.
        let _ = error.print();
    }
    if is_error { ExitCode::from(2) } else { ExitCode::SUCCESS }
}

/// Writes a line to standard error, whose absence is no reason to fail.
pub(crate) fn error_line(text: &str) {
    let _ = writeln!(io::stderr().lock(), "{text}");
}
