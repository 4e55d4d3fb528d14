//! Measures a protobuf file before it is decoded, so that limits hold while decoding.
//!
//! Two bytes can stand for an empty message that takes hundreds of bytes in memory, and one byte of a packed
//! list for an eight-byte number. The scan walks the wire format alone, allocates nothing, and adds up an upper
//! bound of what decoding would take.

use crate::{Error, Limits};

/// What one string or list element takes besides its bytes.
const STRING_BYTES: u64 = 32;
/// As deep as prost decodes.
const DEPTH: u32 = 100;

/// What a length-delimited field holds.
#[derive(Clone, Copy)]
enum Field {
    Message(Kind),
    /// Numbers, or bytes taken as they are: at most so many times their size in the file.
    Data {
        growth: u64,
    },
}

#[derive(Clone, Copy)]
enum Kind {
    Model,
    Graph,
    Node,
    Attribute,
    Tensor,
    /// A message whose own parts are small: names, types, dimensions.
    Other,
}

impl Kind {
    /// Returns what one decoded message takes in a list that may have grown to twice its need, without its own
    /// strings and lists.
    fn size(self) -> u64 {
        match self {
            Self::Attribute => 1200,
            Self::Tensor => 640,
            Self::Model | Self::Graph | Self::Node | Self::Other => 320,
        }
    }
}

/// Returns what the length-delimited field `number` of a message of this kind holds.
fn field(kind: Kind, number: u64) -> Field {
    use Kind::{Attribute, Graph, Model, Node, Other, Tensor};
    match (kind, number) {
        (Model, 7) | (Attribute, 6) => Field::Message(Graph),
        (Graph, 1) => Field::Message(Node),
        (Graph, 5) | (Attribute, 5) => Field::Message(Tensor),
        (Node, 5) => Field::Message(Attribute),
        (Model, 8 | 25) | (Graph, 11 | 12 | 15) | (Tensor, 13) => Field::Message(Other),
        // Packed numbers: one byte may become eight.
        (Tensor, 1 | 5 | 7 | 11) | (Attribute, 8) => Field::Data { growth: 8 },
        _ => Field::Data { growth: 1 },
    }
}

/// Checks that decoding `bytes` as a `ModelProto` stays within the limits.
///
/// # Errors
///
/// `LimitExceeded` if it would not; `InvalidModel` if the bytes are no protobuf at all.
pub(crate) fn scan(bytes: &[u8], limits: &Limits) -> Result<(), Error> {
    let mut scan = Scan { bytes_left: limits.decoded_bytes, limits };
    scan.message(bytes, Kind::Model, 0)
}

struct Scan<'a> {
    bytes_left: u64,
    limits: &'a Limits,
}

impl Scan<'_> {
    fn message(&mut self, mut rest: &[u8], kind: Kind, depth: u32) -> Result<(), Error> {
        if depth > DEPTH {
            return Err(Error::limit(format!("messages are nested more than {DEPTH} deep")));
        }
        self.spend(kind.size())?;
        let (mut nodes, mut initializers, mut attributes) = (0usize, 0usize, 0usize);
        while !rest.is_empty() {
            let tag = varint(&mut rest)?;
            let number = tag >> 3;
            match tag & 7 {
                0 => {
                    varint(&mut rest)?;
                    self.spend(16)?;
                }
                1 => {
                    take(&mut rest, 8)?;
                    self.spend(16)?;
                }
                2 => {
                    let length = varint(&mut rest)?;
                    let part = take(&mut rest, length)?;
                    match field(kind, number) {
                        // Not walked: at worst two bytes are an empty dimension of forty.
                        Field::Message(Kind::Other) => {
                            let parts = (part.len() as u64).saturating_mul(32);
                            self.spend(Kind::Other.size().saturating_add(parts))?;
                        }
                        Field::Message(inner) => self.message(part, inner, depth + 1)?,
                        Field::Data { growth } => {
                            self.spend(STRING_BYTES + (part.len() as u64).saturating_mul(growth - 1))?;
                        }
                    }
                    match (kind, number) {
                        (Kind::Graph, 1) => nodes += 1,
                        (Kind::Graph, 5) => initializers += 1,
                        (Kind::Node, 5) => attributes += 1,
                        _ => {}
                    }
                }
                5 => {
                    take(&mut rest, 4)?;
                    self.spend(16)?;
                }
                // Groups are not used by ONNX; prost would skip them.
                other => return Err(not_onnx(format!("wire type {other}"))),
            }
        }
        check("nodes", nodes, self.limits.nodes)?;
        check("initialisers", initializers, self.limits.initializers)?;
        check("attributes of one node", attributes, self.limits.attributes)
    }

    fn spend(&mut self, bytes: u64) -> Result<(), Error> {
        self.bytes_left = self.bytes_left.checked_sub(bytes).ok_or_else(|| {
            let limit = self.limits.decoded_bytes;
            Error::limit(format!("decoding the model would take more than the limit of {limit} bytes"))
        })?;
        Ok(())
    }
}

fn check(what: &str, count: usize, limit: usize) -> Result<(), Error> {
    if count > limit {
        return Err(Error::limit(format!("{count} {what} are more than the limit of {limit}")));
    }
    Ok(())
}

fn varint(rest: &mut &[u8]) -> Result<u64, Error> {
    let mut value = 0u64;
    for shift in (0..64).step_by(7) {
        let (&byte, after) = rest.split_first().ok_or_else(|| not_onnx("it ends inside a number"))?;
        *rest = after;
        value |= u64::from(byte & 0x7f) << shift;
        if byte < 0x80 {
            return Ok(value);
        }
    }
    Err(not_onnx("a number has more than ten bytes"))
}

fn take<'a>(rest: &mut &'a [u8], length: u64) -> Result<&'a [u8], Error> {
    let length = usize::try_from(length).ok().filter(|&length| length <= rest.len());
    let (part, after) = rest.split_at(length.ok_or_else(|| not_onnx("it ends inside a field"))?);
    *rest = after;
    Ok(part)
}

fn not_onnx(reason: impl std::fmt::Display) -> Error {
    Error::invalid(format!("the file is no ONNX model, or it is cut short: {reason}"))
}
