//! Reads a filter expression into a tree of bounded depth.

use std::collections::BTreeMap;

use super::{
    token::{Token, Tokens},
    value::{Value, number_text},
};
use crate::Limits;

/// A parsed expression. The nodes lie side by side, so that dropping them needs no stack.
#[derive(Debug)]
pub(super) struct Tree {
    pub(super) nodes: Vec<Node>,
    pub(super) root: Id,
}

/// Where a node lies in [`Tree::nodes`].
pub(super) type Id = usize;

#[derive(Debug)]
pub(super) enum Node {
    Literal(Value),
    /// A name of the context.
    Name(String),
    /// A field of the item that the enclosing filter looks at.
    Relative(String),
    List(Vec<Id>),
    Object(BTreeMap<String, Id>),
    Not(Id),
    /// Operators of one precedence in a row, from the left: one node, however many there are.
    Chain {
        first: Id,
        rest: Vec<(Operator, Id)>,
    },
    /// What follows a value directly, from the left.
    Suffixed {
        subject: Id,
        suffixes: Vec<Suffix>,
    },
    Conditional {
        test: Id,
        /// Where missing, the test's own value.
        then: Option<Id>,
        otherwise: Id,
    },
}

#[derive(Debug)]
pub(super) enum Suffix {
    Member(String),
    Index(Id),
    /// Keeps the items of a list for which the expression holds.
    Filter(Id),
    Transform(String, Vec<Id>),
}

#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) enum Operator {
    And,
    Or,
    Equal,
    NotEqual,
    Greater,
    GreaterOrEqual,
    Less,
    LessOrEqual,
    In,
    Add,
    Subtract,
    Multiply,
    Divide,
    FloorDivide,
    Intersect,
    Modulo,
    Power,
}

impl Operator {
    /// The operator that a token is, with its precedence. `&&` and `||` have the same one, as for every other
    /// client.
    fn of(token: &Token<'_>) -> Option<(Self, u8)> {
        let (Token::Symbol(symbol) | Token::Word(symbol)) = token else { return None };
        Some(match *symbol {
            "&&" => (Self::And, 1),
            "||" => (Self::Or, 1),
            "==" => (Self::Equal, 2),
            "!=" => (Self::NotEqual, 2),
            ">" => (Self::Greater, 2),
            ">=" => (Self::GreaterOrEqual, 2),
            "<" => (Self::Less, 2),
            "<=" => (Self::LessOrEqual, 2),
            "in" => (Self::In, 2),
            "+" => (Self::Add, 3),
            "-" => (Self::Subtract, 3),
            "*" => (Self::Multiply, 4),
            "/" => (Self::Divide, 4),
            "//" => (Self::FloorDivide, 4),
            "intersect" => (Self::Intersect, 4),
            "%" => (Self::Modulo, 5),
            "^" => (Self::Power, 5),
            _ => return None,
        })
    }
}

/// Parses `source`.
///
/// Brackets, conditionals and the right sides of operators nest, up to `Limits::filter_depth`; everything else is
/// read in loops. Neither this nor the evaluation needs more of the stack for a longer expression.
pub(super) fn parse(source: &str, limits: &Limits) -> Result<Tree, String> {
    if source.len() > limits.filter_bytes {
        return Err(format!(
            "the expression has {} bytes; {} are allowed",
            source.len(),
            limits.filter_bytes
        ));
    }
    let mut parser = Parser {
        tokens: Tokens::new(source),
        token: Token::End,
        start: 0,
        nodes: Vec::new(),
        depth: 0,
        most_depth: limits.filter_depth,
        in_filter: false,
        is_relative: false,
    };
    parser.advance()?;
    let root = parser.expression()?;
    match parser.token {
        Token::End => Ok(Tree { nodes: parser.nodes, root }),
        _ => Err(parser.unexpected("the end")),
    }
}

struct Parser<'a> {
    tokens: Tokens<'a>,
    /// The token to be looked at.
    token: Token<'a>,
    /// Where it begins.
    start: usize,
    nodes: Vec<Node>,
    depth: usize,
    most_depth: usize,
    /// Whether the position is inside of square brackets after a value.
    in_filter: bool,
    /// Whether the innermost such brackets name a field of an item.
    is_relative: bool,
}

impl<'a> Parser<'a> {
    fn advance(&mut self) -> Result<Token<'a>, String> {
        let next = self.tokens.next()?;
        self.start = self.tokens.start;
        Ok(std::mem::replace(&mut self.token, next))
    }

    fn is_at(&self, symbol: &str) -> bool {
        matches!(self.token, Token::Symbol(found) if found == symbol)
    }

    /// Skips `symbol` where it is next.
    fn skip(&mut self, symbol: &str) -> Result<bool, String> {
        let is_there = self.is_at(symbol);
        if is_there {
            self.advance()?;
        }
        Ok(is_there)
    }

    fn expect(&mut self, symbol: &str) -> Result<(), String> {
        if self.skip(symbol)? { Ok(()) } else { Err(self.unexpected(&format!("{symbol:?}"))) }
    }

    fn unexpected(&self, wanted: &str) -> String {
        unexpected(&self.token, self.start, wanted)
    }

    fn word(&mut self) -> Result<String, String> {
        match self.token {
            Token::Word(word) => {
                self.advance()?;
                Ok(word.to_owned())
            }
            _ => Err(self.unexpected("a name")),
        }
    }

    fn push(&mut self, node: Node) -> Id {
        self.nodes.push(node);
        self.nodes.len() - 1
    }

    fn deeper(&mut self) -> Result<(), String> {
        self.depth += 1;
        if self.depth > self.most_depth {
            return Err(format!("the expression is nested more than {} deep", self.most_depth));
        }
        Ok(())
    }

    fn expression(&mut self) -> Result<Id, String> {
        self.deeper()?;
        let mut node = self.binary(0)?;
        if self.skip("?")? {
            let then = if self.is_at(":") { None } else { Some(self.expression()?) };
            self.expect(":")?;
            let otherwise = self.expression()?;
            node = self.push(Node::Conditional { test: node, then, otherwise });
        }
        self.depth -= 1;
        Ok(node)
    }

    /// Operators that bind more tightly than `looser`.
    fn binary(&mut self, looser: u8) -> Result<Id, String> {
        let mut left = self.unary()?;
        while let Some((_, precedence)) = Operator::of(&self.token).filter(|(_, own)| *own > looser) {
            self.deeper()?;
            let mut rest = Vec::new();
            while let Some((operator, _)) = Operator::of(&self.token).filter(|(_, own)| *own == precedence) {
                self.advance()?;
                rest.push((operator, self.binary(precedence)?));
            }
            self.depth -= 1;
            left = self.push(Node::Chain { first: left, rest });
        }
        Ok(left)
    }

    fn unary(&mut self) -> Result<Id, String> {
        let mut signs = 0_usize;
        while self.skip("!")? {
            signs += 1;
        }
        let mut node = self.suffixed()?;
        // Two signs make a value true or false, and every further pair changes nothing.
        for _ in 0..signs.min(2 - signs % 2) {
            node = self.push(Node::Not(node));
        }
        Ok(node)
    }

    fn suffixed(&mut self) -> Result<Id, String> {
        let subject = self.primary()?;
        let mut suffixes = Vec::new();
        loop {
            if self.skip(".")? {
                suffixes.push(Suffix::Member(self.word()?));
            } else if self.skip("[")? {
                suffixes.push(self.index()?);
            } else if self.skip("|")? {
                let name = self.word()?;
                let arguments = if self.skip("(")? { self.items(")")? } else { Vec::new() };
                suffixes.push(Suffix::Transform(name, arguments));
            } else if suffixes.is_empty() {
                return Ok(subject);
            } else {
                return Ok(self.push(Node::Suffixed { subject, suffixes }));
            }
        }
    }

    fn index(&mut self) -> Result<Suffix, String> {
        let outside = (self.in_filter, self.is_relative);
        (self.in_filter, self.is_relative) = (true, false);
        let index = self.expression()?;
        self.expect("]")?;
        let is_relative = self.is_relative;
        (self.in_filter, self.is_relative) = outside;
        Ok(if is_relative { Suffix::Filter(index) } else { Suffix::Index(index) })
    }

    /// Expressions between commas, up to and with `end`. The last one may have a comma, too.
    fn items(&mut self, end: &str) -> Result<Vec<Id>, String> {
        let mut items = Vec::new();
        while !self.skip(end)? {
            items.push(self.expression()?);
            if !self.is_at(end) {
                self.expect(",")?;
            }
        }
        Ok(items)
    }

    fn object(&mut self) -> Result<BTreeMap<String, Id>, String> {
        let mut fields = BTreeMap::new();
        while !self.skip("}")? {
            let start = self.start;
            let name = match self.advance()? {
                Token::Text(text) => text.to_string(),
                Token::Word(word) => word.to_owned(),
                Token::Number(number) => number_text(number),
                token => return Err(unexpected(&token, start, "the name of a field")),
            };
            self.expect(":")?;
            fields.insert(name, self.expression()?);
            if !self.is_at("}") {
                self.expect(",")?;
            }
        }
        Ok(fields)
    }

    fn primary(&mut self) -> Result<Id, String> {
        let start = self.start;
        let node = match self.advance()? {
            Token::Number(number) => Node::Literal(Value::Number(number)),
            Token::Text(text) => Node::Literal(Value::Text(text)),
            Token::Word("true") => Node::Literal(Value::Bool(true)),
            Token::Word("false") => Node::Literal(Value::Bool(false)),
            Token::Word("null" | "undefined") => Node::Literal(Value::Null),
            Token::Word(word) if !matches!(word, "in" | "intersect") => Node::Name(word.to_owned()),
            Token::Symbol("-") if matches!(self.token, Token::Number(_)) => match self.advance()? {
                Token::Number(number) => Node::Literal(Value::Number(-number)),
                _ => return Err(self.unexpected("a number")),
            },
            Token::Symbol(".") if self.in_filter => {
                self.is_relative = true;
                Node::Relative(self.word()?)
            }
            Token::Symbol("(") => {
                let inner = self.expression()?;
                self.expect(")")?;
                return Ok(inner);
            }
            Token::Symbol("[") => Node::List(self.items("]")?),
            Token::Symbol("{") => Node::Object(self.object()?),
            token => return Err(unexpected(&token, start, "a value")),
        };
        Ok(self.push(node))
    }
}

fn unexpected(token: &Token<'_>, start: usize, wanted: &str) -> String {
    let found = match token {
        Token::Number(number) => number_text(*number),
        Token::Text(text) => format!("{text:?}"),
        Token::Word(text) => format!("{text:?}"),
        Token::Symbol(text) => format!("{text:?}"),
        Token::End => "the end".to_owned(),
    };
    format!("{found} stands at byte {start}, in place of {wanted}")
}
