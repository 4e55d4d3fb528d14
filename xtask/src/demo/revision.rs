//! Makes a second revision of a model: other bytes, the same answers.

/// Returns an ONNX model that differs from `model` in its documentation only.
///
/// A protobuf message may be continued at its end, and of a text field the last value counts, so it is enough to
/// append `ModelProto.doc_string`, which is field 6.
pub(crate) fn documented(model: &[u8], doc: &str) -> Vec<u8> {
    const DOC_STRING: u8 = 6 << 3 | 2;
    let mut next = model.to_vec();
    next.push(DOC_STRING);
    let mut length = doc.len();
    while length >= 0x80 {
        next.push(length as u8 | 0x80);
        length >>= 7;
    }
    next.push(length as u8);
    next.extend_from_slice(doc.as_bytes());
    next
}

#[cfg(test)]
mod tests {
    use super::documented;

    #[test]
    fn a_field_is_appended_as_protobuf_has_it() {
        assert_eq!(documented(b"x", "second"), b"x\x32\x06second");
        let long = documented(b"", &"a".repeat(300));
        assert_eq!((&long[..3], long.len()), (&b"\x32\xac\x02"[..], 303));
    }
}
