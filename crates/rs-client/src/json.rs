//! Reads JSON strictly and in place: a signature covers the bytes, so there may be only one reading of them.
//!
//! Refused, although other readers take it: a key twice in one object, integers beyond 64 bits, floats beyond
//! 64 bits, lone surrogates, a byte order mark, and nesting beyond a limit. What is accepted, `serde_json` reads
//! the same.

mod reader;
mod string;
mod tape;

pub(crate) use reader::{JsonError, Reader};
pub(crate) use tape::Tape;

/// The deepest nesting that is ever read: that of `serde_json`, which decodes what was read here.
pub(crate) const DEEPEST: usize = 127;

#[cfg(test)]
mod tests {
    use super::Reader;

    fn accepts(json: &str) -> bool {
        let read = || {
            let mut reader = Reader::new(json.as_bytes(), 5)?;
            reader.skip()?;
            reader.end()
        };
        read().is_ok()
    }

    #[test]
    fn what_is_read_and_what_is_refused() {
        for good in [
            "null",
            " true ",
            "-1",
            "0",
            "1.5e+3",
            "-0",
            "18446744073709551615",
            "-9223372036854775808",
            "[]",
            "{}",
            "[[[[[1]]]]]",
            r#"{"a":{"b":[{},null]}}"#,
            r#""\u00e9\ud83d\ude00\/\b\f\n\r\t\"\\""#,
            "\"\u{7f}é\u{10ffff}\"",
            "\t{\r\n}",
        ] {
            assert!(accepts(good), "{good}");
            assert!(serde_json::from_str::<serde_json::Value>(good).is_ok(), "{good}");
        }
        for bad in [
            "",
            " ",
            "nul",
            "nulll",
            "True",
            "01",
            "-",
            "1.",
            ".5",
            "1e",
            "+1",
            "0x1",
            "1_0",
            "NaN",
            "Infinity",
            "18446744073709551616",
            "-9223372036854775809",
            "1e999",
            "[",
            "[1",
            "[1,]",
            "[,1]",
            "[1 2]",
            "{",
            "{a:1}",
            r#"{"a"}"#,
            r#"{"a":}"#,
            r#"{"a":1,}"#,
            r#"{"a":1 "b":2}"#,
            r#"{"a":1]"#,
            "[1}",
            r#"""#,
            r#""\"#,
            r#""\x""#,
            r#""\ud800""#,
            r#""\ud800\u0041""#,
            r#""\udc00""#,
            r#""\u12""#,
            r#""\u+123""#,
            "\"\n\"",
            "\"\0\"",
            "\u{feff}1",
            "1 2",
            "//",
            "'a'",
            "[[[[[[1]]]]]]",
        ] {
            assert!(!accepts(bad), "{bad}");
        }
        assert!(Reader::new(b"\"\xff\"", 5).is_err());
    }
}
