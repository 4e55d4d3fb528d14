//! What a server announces about the end of its interface.

use std::fmt;

use serde::Deserialize;
use transport::Headers;
use url::Url;

/// The longest `Alert` header that is read, in bytes.
const HEADER_BYTES: usize = 8 << 10;

/// The longest message that is kept, in characters.
const MESSAGE_CHARACTERS: usize = 500;

/// The longest address that is kept, in bytes.
const URL_BYTES: usize = 1000;

/// What a server announces about the end of its interface: the header `Alert`.
///
/// Meant for the people who maintain a program. No signature covers it.
#[derive(Clone, Debug, PartialEq, Eq, Hash)]
#[non_exhaustive]
pub struct Alert {
    /// What will happen, or has happened.
    pub code: AlertCode,
    /// What the server says: one line of at most 500 characters.
    pub message: String,
    /// Where to read more: an address of the scheme `https` or `http`.
    pub url: Option<Url>,
}

/// What will happen to a server, or has happened.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash)]
#[non_exhaustive]
pub enum AlertCode {
    /// The interface will end; until then it works.
    SoftEol,
    /// The interface has ended: no request succeeds anymore.
    HardEol,
}

impl Alert {
    /// Reads the header; [`None`] where it is missing or means nothing.
    pub(crate) fn from_headers(headers: &Headers) -> Option<Self> {
        #[derive(Deserialize)]
        struct Header {
            code: String,
            #[serde(default)]
            message: String,
            url: Option<String>,
        }
        let header = headers.get("alert").filter(|header| header.len() <= HEADER_BYTES)?;
        let Header { code, message, url } = serde_json::from_str(header).ok()?;
        Self::new(&code, &message, url.as_deref())
    }

    /// Keeps of what was sent, or stored, what is safe to show; [`None`] for a code that nobody knows.
    pub(crate) fn new(code: &str, message: &str, url: Option<&str>) -> Option<Self> {
        let code = match code {
            "soft-eol" => AlertCode::SoftEol,
            "hard-eol" => AlertCode::HardEol,
            _ => return None,
        };
        let url = url.filter(|url| url.len() <= URL_BYTES).and_then(|url| Url::parse(url).ok());
        let url = url.filter(|url| matches!(url.scheme(), "https" | "http"));
        Some(Self { code, message: one_line(message, MESSAGE_CHARACTERS), url })
    }
}

/// The form that servers use: `soft-eol`, `hard-eol`.
impl fmt::Display for AlertCode {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(match self {
            Self::SoftEol => "soft-eol",
            Self::HardEol => "hard-eol",
        })
    }
}

/// The message, and the address in brackets.
impl fmt::Display for Alert {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(&self.message)?;
        match &self.url {
            Some(url) => write!(f, " ({url})"),
            None => Ok(()),
        }
    }
}

/// What may be shown of a text that a server sent: without what moves a cursor or turns letters around.
pub(crate) fn one_line(text: &str, most: usize) -> String {
    let hidden = |character: char| {
        character.is_control()
            || matches!(character, '\u{200b}'..='\u{200f}' | '\u{2028}'..='\u{202e}' | '\u{2066}'..='\u{2069}')
    };
    let text: String = text.chars().map(|it| if hidden(it) { ' ' } else { it }).take(most).collect();
    text.trim().to_owned()
}

#[cfg(test)]
mod tests {
    use super::*;

    fn read(header: &str) -> Option<Alert> {
        Alert::from_headers(&[("Alert".to_owned(), header.to_owned())].into_iter().collect())
    }

    #[test]
    fn an_alert_is_read_as_servers_send_it() {
        let header = r#"{"code": "soft-eol", "message": "Bye", "url": "https://example.org/eol"}"#;
        let alert = read(header).expect("it is one");
        assert_eq!(
            (alert.code, alert.to_string()),
            (AlertCode::SoftEol, "Bye (https://example.org/eol)".into())
        );
        let alert = read(r#"{"code": "hard-eol"}"#).expect("it is one");
        assert_eq!((alert.code.to_string(), alert.url), ("hard-eol".to_owned(), None));
    }

    #[test]
    fn an_alert_holds_nothing_that_is_unsafe_to_show() {
        let long = "x".repeat(4000);
        let header =
            format!(r#"{{"code": "soft-eol", "message": "a\n\u001b[2J\u202e{long}", "url": "file:///etc"}}"#);
        let alert = read(&header).expect("it is one");
        assert!(alert.message.starts_with("a  [2J x"), "{}", alert.message);
        assert_eq!((alert.message.len(), alert.url), (MESSAGE_CHARACTERS, None));
    }

    #[test]
    fn what_is_no_alert_means_nothing() {
        let long = "x".repeat(9000);
        let long = format!(r#"{{"code": "soft-eol", "message": "{long}"}}"#);
        for header in ["", "soon", "[]", "{}", r#"{"code": "party"}"#, r#"{"code": 1}"#, &long] {
            assert_eq!(read(header), None, "{header}");
        }
    }
}
