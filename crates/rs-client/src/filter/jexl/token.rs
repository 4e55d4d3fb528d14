//! Cuts a filter expression into tokens.

use std::sync::Arc;

/// The symbols of the language, longer ones before those that they begin with.
const SYMBOLS: [&str; 26] = [
    "==", "!=", ">=", "<=", "&&", "||", "//", ".", "[", "]", "|", "{", "}", ":", ",", "(", ")", "?", "!",
    "+", "-", "*", "/", "%", "^", ">",
];

#[derive(Clone, Debug, PartialEq)]
pub(super) enum Token<'a> {
    Number(f64),
    Text(Arc<str>),
    Word(&'a str),
    Symbol(&'static str),
    End,
}

/// What is left of an expression.
#[derive(Debug)]
pub(super) struct Tokens<'a> {
    source: &'a str,
    rest: &'a str,
    /// Where the last token begins.
    pub(super) start: usize,
}

impl<'a> Tokens<'a> {
    pub(super) fn new(source: &'a str) -> Self {
        Self { source, rest: source, start: 0 }
    }

    /// Returns the next token; [`Token::End`] again and again after the last one.
    pub(super) fn next(&mut self) -> Result<Token<'a>, String> {
        self.rest = self.rest.trim_start();
        self.start = self.source.len() - self.rest.len();
        let Some(first) = self.rest.chars().next() else { return Ok(Token::End) };
        if first == '"' || first == '\'' {
            return self.text(first);
        }
        if first.is_ascii_digit() || first == '.' && self.rest[1..].starts_with(|c: char| c.is_ascii_digit())
        {
            return self.number();
        }
        if first.is_ascii_alphabetic() || first == '_' || first == '$' {
            let is_part = |c: char| c.is_ascii_alphanumeric() || c == '_' || c == '$';
            let end = self.rest.find(|c| !is_part(c)).unwrap_or(self.rest.len());
            return Ok(Token::Word(self.take(end)));
        }
        match SYMBOLS.into_iter().chain(["<"]).find(|symbol| self.rest.starts_with(symbol)) {
            Some(symbol) => {
                self.take(symbol.len());
                Ok(Token::Symbol(symbol))
            }
            None => Err(format!("{first:?} at byte {} means nothing", self.start)),
        }
    }

    fn take(&mut self, bytes: usize) -> &'a str {
        let (taken, rest) = self.rest.split_at(bytes);
        self.rest = rest;
        taken
    }

    /// Digits, and a fraction where digits follow the point.
    fn number(&mut self) -> Result<Token<'a>, String> {
        let digits = |text: &str| text.bytes().take_while(u8::is_ascii_digit).count();
        let mut end = digits(self.rest);
        if self.rest[end..].starts_with('.') {
            let fraction = digits(&self.rest[end + 1..]);
            end += if fraction == 0 { 0 } else { fraction + 1 };
        }
        let text = self.take(end);
        text.parse().map(Token::Number).map_err(|_| format!("{text:?} is no number"))
    }

    /// A text up to the same quote. A backslash stands for itself, except before a quote of that sort and before
    /// another backslash.
    fn text(&mut self, quote: char) -> Result<Token<'a>, String> {
        let mut text = String::new();
        let mut letters = self.rest.char_indices().skip(1).peekable();
        while let Some((at, letter)) = letters.next() {
            if letter == quote {
                self.take(at + 1);
                return Ok(Token::Text(text.into()));
            }
            let escaped = letters.next_if(|(_, next)| letter == '\\' && (*next == quote || *next == '\\'));
            text.push(escaped.map_or(letter, |(_, next)| next));
        }
        Err(format!("the text that begins at byte {} has no end", self.start))
    }
}
