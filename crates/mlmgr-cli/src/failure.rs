//! What the program says and returns when a command fails.

use std::fmt;

use serde_json::{Value, json};

/// A failed command: one line, a way out, and an exit code.
#[derive(Debug)]
pub(crate) struct Failure {
    kind: &'static str,
    message: String,
    hint: Option<String>,
    exit_code: u8,
}

impl Failure {
    /// The command line, the configuration or the input is wrong.
    pub(crate) fn usage(message: impl Into<String>, hint: impl Into<String>) -> Self {
        Self { kind: "invalid-input", message: message.into(), hint: Some(hint.into()), exit_code: 2 }
    }

    /// Reading or writing outside the store failed.
    pub(crate) fn io(what: impl fmt::Display, error: &std::io::Error) -> Self {
        let (kind, exit_code) = ("storage", 7);
        Self { kind, message: format!("{what}: {error}"), hint: None, exit_code }
    }

    /// A stated limit was reached.
    pub(crate) fn limit(message: impl Into<String>, hint: impl Into<String>) -> Self {
        let kind = "limit-exceeded";
        Self { kind, message: message.into(), hint: Some(hint.into()), exit_code: 9 }
    }

    /// This build cannot do it.
    pub(crate) fn unsupported(message: impl Into<String>, hint: impl Into<String>) -> Self {
        Self { kind: "unsupported", message: message.into(), hint: Some(hint.into()), exit_code: 8 }
    }

    /// Anything else.
    pub(crate) fn other(message: impl Into<String>) -> Self {
        Self { kind: "failed", message: message.into(), hint: None, exit_code: 1 }
    }

    pub(crate) fn exit_code(&self) -> u8 {
        self.exit_code
    }

    pub(crate) fn to_json(&self) -> Value {
        json!({
            "kind": self.kind,
            "exit_code": self.exit_code,
            "message": self.message,
            "hint": self.hint,
        })
    }
}

impl From<mlmgr::Error> for Failure {
    fn from(error: mlmgr::Error) -> Self {
        Self::from(&error)
    }
}

impl From<&mlmgr::Error> for Failure {
    fn from(error: &mlmgr::Error) -> Self {
        Self {
            kind: error.kind().as_str(),
            message: error.chain(),
            hint: error.hint().map(str::to_owned),
            exit_code: error.kind().exit_code(),
        }
    }
}

/// The one line, and a second one with the way out.
impl fmt::Display for Failure {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "mlmgr: {}", self.message)?;
        match &self.hint {
            Some(hint) => write!(f, "\nhint: {hint}"),
            None => Ok(()),
        }
    }
}
