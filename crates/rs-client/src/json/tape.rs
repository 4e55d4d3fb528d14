//! The parts of a JSON text in order, and its canonical form.

use std::cmp::Ordering;

use super::{
    JsonError, Reader,
    reader::{Kind, Nodes},
    string::{Form, Text},
};
use crate::canonical::Writer;

/// Where the values of one JSON text are. Made once and used for many texts.
#[derive(Debug, Default)]
pub(crate) struct Tape {
    nodes: Vec<Node>,
    /// The fields of the objects that are being written.
    fields: Vec<Field>,
}

/// One field of an object.
#[derive(Clone, Copy, Debug)]
struct Field {
    /// The first bytes of the key: they tell most keys apart.
    start: u64,
    /// The node of the key; that of the value is the next.
    key: u32,
}

/// One value, or the key of a field.
#[derive(Clone, Copy, Debug)]
struct Node {
    kind: Kind,
    start: u32,
    end: u32,
    /// The number of the node after this one and all that it holds.
    next: u32,
}

impl Tape {
    /// Writes a JSON text in canonical form.
    ///
    /// # Errors
    ///
    /// Where `json` is not one value, or has a key twice in one object; some of it may be written by then.
    pub(crate) fn write<S: FnMut(&[u8])>(
        &mut self,
        json: &str,
        writer: &mut Writer<S>,
    ) -> Result<(), JsonError> {
        self.nodes.clear();
        self.fields.clear();
        let mut reader = Reader::of_text(json, super::DEEPEST)?;
        reader.value(&mut self.nodes)?;
        reader.end()?;
        self.value(json, 0, writer)
    }

    fn value<S: FnMut(&[u8])>(
        &mut self,
        json: &str,
        at: u32,
        writer: &mut Writer<S>,
    ) -> Result<(), JsonError> {
        let node = self.nodes[at as usize];
        let written = node.start as usize..node.end as usize;
        match node.kind {
            Kind::Literal | Kind::String(Form::Plain) => writer.raw(&json.as_bytes()[written]),
            Kind::Float => writer.float(&json[written]),
            Kind::String(_) => writer.string(&self.text(json, at).decoded()),
            Kind::Array => {
                writer.raw(b"[");
                let mut item = at + 1;
                while item < node.next {
                    if item > at + 1 {
                        writer.raw(b",");
                    }
                    self.value(json, item, writer)?;
                    item = self.nodes[item as usize].next;
                }
                writer.raw(b"]");
            }
            Kind::Object => self.object(json, at, writer)?,
        }
        Ok(())
    }

    fn object<S: FnMut(&[u8])>(
        &mut self,
        json: &str,
        at: u32,
        writer: &mut Writer<S>,
    ) -> Result<(), JsonError> {
        let first = self.fields.len();
        let mut key = at + 1;
        while key < self.nodes[at as usize].next {
            self.fields.push(Field { start: start(self.text(json, key)), key });
            key = self.nodes[key as usize + 1].next;
        }
        let nodes = &self.nodes;
        let compare = |one: &Field, other: &Field| {
            let whole = || compare(text(nodes, json, one.key), text(nodes, json, other.key));
            one.start.cmp(&other.start).then_with(whole)
        };
        self.fields[first..].sort_unstable_by(compare);
        for pair in self.fields[first..].windows(2) {
            if compare(&pair[0], &pair[1]) == Ordering::Equal {
                return Err(JsonError::new(
                    nodes[pair[1].key as usize].start as usize,
                    "a key is there twice",
                ));
            }
        }
        writer.raw(b"{");
        for index in first..self.fields.len() {
            let key = self.fields[index].key;
            if index > first {
                writer.raw(b",");
            }
            self.value(json, key, writer)?;
            writer.raw(b":");
            self.value(json, key + 1, writer)?;
        }
        writer.raw(b"}");
        self.fields.truncate(first);
        Ok(())
    }

    fn text<'a>(&self, json: &'a str, at: u32) -> Text<'a> {
        text(&self.nodes, json, at)
    }
}

fn text<'a>(nodes: &[Node], json: &'a str, at: u32) -> Text<'a> {
    let node = nodes[at as usize];
    let form = if let Kind::String(form) = node.kind { form } else { Form::Unescaped };
    Text { raw: &json[node.start as usize + 1..node.end as usize - 1], form }
}

/// The first eight bytes of a text, as a number of the same order; a shorter one is filled up with zeros.
fn start(text: Text<'_>) -> u64 {
    let unescaped: String;
    let written = match text.form {
        Form::Escaped => {
            unescaped = text.characters().take(8).collect();
            &*unescaped
        }
        _ => text.raw,
    };
    let mut start = [0; 8];
    match written.as_bytes().first_chunk() {
        Some(eight) => start = *eight,
        None => start.iter_mut().zip(written.bytes()).for_each(|(to, from)| *to = from),
    }
    u64::from_be_bytes(start)
}

/// The order of code points, which is that of UTF-8. Makes no copy: there may be millions of keys to compare.
fn compare(one: Text<'_>, other: Text<'_>) -> Ordering {
    match (one.form, other.form) {
        (Form::Escaped, _) | (_, Form::Escaped) => one.characters().cmp(other.characters()),
        _ => one.raw.cmp(other.raw),
    }
}

impl Nodes for Vec<Node> {
    fn leaf(&mut self, kind: Kind, start: usize, end: usize) {
        let next = self.len() as u32 + 1;
        self.push(Node { kind, start: start as u32, end: end as u32, next });
    }

    fn open(&mut self, kind: Kind, start: usize) -> usize {
        self.leaf(kind, start, start);
        self.len() - 1
    }

    fn close(&mut self, opened: usize, end: usize) {
        let next = self.len() as u32;
        let node = &mut self[opened];
        (node.end, node.next) = (end as u32, next);
    }
}
