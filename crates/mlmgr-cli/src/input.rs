//! The texts to run a task on: arguments, or the lines of standard input.

use std::{
    ffi::{OsStr, OsString},
    io::{IsTerminal, Read},
};

use crate::failure::Failure;

/// The most bytes that are read from standard input.
const MAX_STDIN_BYTES: u64 = 16 << 20;

const UTF8_HINT: &str = "convert it first, for example with: iconv -f LATIN1 -t UTF-8";

/// Returns the texts that `arguments` stand for.
pub(crate) fn texts(arguments: &[OsString]) -> Result<Vec<String>, Failure> {
    if arguments.is_empty() || arguments == [OsStr::new("-")] {
        let stdin = std::io::stdin();
        if stdin.is_terminal() && arguments.is_empty() {
            let hint = "add the text in quotes, or pipe lines in, or type lines after \"-\"";
            return Err(Failure::usage("there is no input", hint));
        }
        return lines(stdin.lock());
    }
    arguments.iter().enumerate().map(|(index, argument)| text(index + 1, argument)).collect()
}

fn text(number: usize, argument: &OsStr) -> Result<String, Failure> {
    let Some(text) = argument.to_str() else {
        return Err(Failure::usage(format!("input {number} is not UTF-8"), UTF8_HINT));
    };
    if text.trim().is_empty() {
        return Err(Failure::usage(format!("input {number} is empty"), "give it some text"));
    }
    Ok(text.to_owned())
}

/// Reads one text a line.
fn lines(reader: impl Read) -> Result<Vec<String>, Failure> {
    let mut bytes = Vec::new();
    let read = reader.take(MAX_STDIN_BYTES + 1).read_to_end(&mut bytes);
    read.map_err(|error| Failure::io("standard input cannot be read", &error))?;
    if bytes.len() as u64 > MAX_STDIN_BYTES {
        let message = format!("standard input is longer than {MAX_STDIN_BYTES} bytes");
        return Err(Failure::limit(message, "run it in several goes"));
    }
    let text = String::from_utf8(bytes).map_err(|error| {
        let valid = error.utf8_error().valid_up_to();
        let line = error.as_bytes()[..valid].iter().filter(|byte| **byte == b'\n').count() + 1;
        Failure::usage(format!("line {line} of standard input is not UTF-8"), UTF8_HINT)
    })?;
    let lines: Vec<String> = text.lines().map(str::to_owned).collect();
    if lines.is_empty() {
        return Err(Failure::usage("standard input is empty", "give it one text a line"));
    }
    match lines.iter().position(|line| line.trim().is_empty()) {
        Some(index) => {
            let message = format!("line {} of standard input is empty", index + 1);
            Err(Failure::usage(message, "each line is one text; remove the empty one"))
        }
        None => Ok(lines),
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn message(bytes: &[u8]) -> String {
        lines(bytes).expect_err("the input is bad").to_string()
    }

    #[test]
    fn lines_become_texts() {
        assert_eq!(lines(&b"one\r\ntwo"[..]).expect("the input is good"), ["one", "two"]);
    }

    #[test]
    fn bad_input_is_named() {
        assert!(message(b"").contains("standard input is empty"));
        assert!(message(b"one\n\nthree\n").contains("line 2 of standard input is empty"));
        assert!(message(b"one\ntw\xff\n").contains("line 2 of standard input is not UTF-8"));
        assert!(text(3, OsStr::new(" ")).expect_err("it is empty").to_string().contains("input 3 is empty"));
    }

    #[test]
    fn endless_input_ends() {
        let failure = lines(std::io::repeat(b'a')).expect_err("it never ends");
        assert_eq!(failure.exit_code(), 9);
    }
}
