//! Repository automation: `cargo xtask <command>`. Needs a Rust toolchain and a C compiler, nothing else; what
//! would use Python or Node says so where there is none.

mod adversity;
mod bench;
mod demo;
mod e2e;
mod examples;
mod fixtures;
mod node;
mod python;
mod repo;
mod report;
mod test;
mod tidy;

use std::process::ExitCode;

/// One command of this program.
#[derive(Debug)]
struct Command {
    name: &'static str,
    /// What may follow the name.
    arguments: &'static str,
    /// One line of help.
    about: &'static str,
    run: fn(&[String]) -> Result<(), String>,
}

const COMMANDS: &[Command] = &[
    Command {
        name: "demo",
        arguments: "[--keep]",
        about: "Show mlmgr at work against servers on loopback; --keep leaves them running",
        run: demo::run,
    },
    Command {
        name: "test",
        arguments: "",
        about: "Run every check and every test, with the time each took",
        run: |arguments| without(arguments).and_then(|()| test::run()),
    },
    Command {
        name: "tidy",
        arguments: "",
        about: "Check the rules that the compiler does not: layers, owners, file shapes, documents",
        run: |arguments| without(arguments).and_then(|()| tidy::run()),
    },
    Command {
        name: "e2e",
        arguments: "settings | stores",
        about: "Run clients against the servers that others wrote; writes target/reports/NAME.json",
        run: e2e::run,
    },
    Command {
        name: "bench",
        arguments: "run | settings",
        about: "Measure time and memory; writes target/reports/NAME.json",
        run: bench::run,
    },
    Command {
        name: "adversity",
        arguments: "power-cuts [--cuts N]",
        about: "Cut the power of a store's disk many times; writes target/reports/adversity-NAME.json",
        run: adversity::run,
    },
    Command {
        name: "fixtures",
        arguments: "record [--production] | check",
        about: "Record the exchanges in fixtures/ again, or prove that they are what the recorder makes",
        run: fixtures::run,
    },
];

fn main() -> ExitCode {
    let arguments: Vec<String> = std::env::args().skip(1).collect();
    let Some((name, rest)) = arguments.split_first() else {
        eprint!("{}", help());
        return ExitCode::from(2);
    };
    // Not for people: the fresh process that a benchmark measures in.
    if name == "measure" {
        return finish(bench::run_measured(rest));
    }
    if ["help", "--help", "-h"].contains(&name.as_str()) || rest.iter().any(|it| it == "--help" || it == "-h")
    {
        print!("{}", help());
        return ExitCode::SUCCESS;
    }
    let Some(command) = COMMANDS.iter().find(|command| command.name == name) else {
        eprintln!("error: there is no command {name:?}; `cargo xtask --help` lists them");
        return ExitCode::from(2);
    };
    finish((command.run)(rest))
}

fn finish(outcome: Result<(), String>) -> ExitCode {
    match outcome {
        Ok(()) => ExitCode::SUCCESS,
        Err(message) => {
            eprintln!("error: {message}");
            ExitCode::FAILURE
        }
    }
}

fn help() -> String {
    let mut text = "Usage: cargo xtask <command>\n\n".to_owned();
    for Command { name, arguments, about, .. } in COMMANDS {
        text.push_str(&format!("  {:<38} {about}\n", format!("{name} {arguments}").trim_end()));
    }
    text
}

fn without(arguments: &[String]) -> Result<(), String> {
    match arguments.first() {
        None => Ok(()),
        Some(first) => Err(format!("this command takes no argument, not even {first:?}")),
    }
}
