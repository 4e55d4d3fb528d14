//! What the ONNX builder writes is what the specification says, byte for byte, and recorded arrays read back.

use testkit::onnx::{
    Array, DataType, Graph, Node, embedding_model, embedding_model_int8, read_npz, tiny_model,
};

#[test]
fn a_small_model_has_these_bytes() {
    let bytes = Graph::new(17)
        .ir_version(9)
        .input("x", DataType::F32, ["n".into(), 2.into()])
        .initializer("b", Array::u8([2], [7, 8]))
        .node(Node::new("Cast", ["x"], ["y"]).attr("to", 2).named("c"))
        .output_of_any_shape("y", DataType::U8)
        .build();
    let expected: &[&[u8]] = &[
        b"\x08\x09",                                                                           // ir_version
        b"\x12\x07testkit",                                       // producer_name
        b"\x3a\x51",                                              // graph
        b"\x0a\x1a\x0a\x01x\x12\x01y\x1a\x01c\x22\x04Cast",       // node: inputs, outputs, name, operator
        b"\x2a\x09\x0a\x02to\x18\x02\xa0\x01\x02",                // its attribute: name, integer, kind
        b"\x12\x04test",                                          // the graph's name
        b"\x2a\x0c\x0a\x01\x02\x10\x02\x42\x01b\x4a\x02\x07\x08", // initialiser: dims, type, name, raw data
        b"\x5a\x14\x0a\x01x\x12\x0f\x0a\x0d\x08\x01\x12\x09\x0a\x03\x12\x01n\x0a\x02\x08\x02", // input
        b"\x62\x09\x0a\x01y\x12\x04\x0a\x02\x08\x02",             // output
        b"\x42\x02\x10\x11",                                      // operator set
    ];
    assert_eq!(bytes, expected.concat());
}

#[test]
fn typed_fields_hold_the_same_elements_as_raw_data() {
    let build = |typed| Graph::new(17).typed_data(typed).initializer("w", Array::i8([2], [-1, 3])).build();
    let (raw, typed) = (build(false), build(true));
    assert!(raw.windows(4).any(|window| window == b"\x4a\x02\xff\x03"));
    // int32_data, packed: -1 as a ten-byte varint, then 3.
    let packed = b"\x2a\x0b\xff\xff\xff\xff\xff\xff\xff\xff\xff\x01\x03";
    assert!(typed.windows(packed.len()).any(|window| window == packed));
}

#[test]
fn models_depend_on_their_seed_alone() {
    assert_eq!(embedding_model(), embedding_model());
    assert_ne!(embedding_model(), embedding_model_int8());
    let files = tiny_model();
    let again = testkit::onnx::tiny_model_with_seed(2);
    assert_ne!(files, again);
    let total: usize = files.iter().map(|(_, content)| content.len()).sum();
    assert!(total < 100_000, "{total} bytes are not tiny");
    assert!(files.windows(2).all(|pair| pair[0].0 < pair[1].0));
}

#[test]
fn stored_arrays_are_read_by_name() {
    let npz = npz(&[
        ("ids.npy", npy("<i8", "(1, 2)", &[5_i64.to_le_bytes(), (-1_i64).to_le_bytes()].concat())),
        ("scalar.npy", npy("<f4", "()", &1.5_f32.to_le_bytes())),
        ("flags.npy", npy("|b1", "(3,)", &[1, 0, 1])),
    ]);
    let arrays = read_npz(&npz).expect("stored entries are read");
    assert_eq!(arrays["ids"].as_i64(), [5, -1]);
    assert_eq!(arrays["ids"].shape(), [1, 2]);
    assert_eq!(arrays["scalar"], Array::f32([], [1.5]));
    assert_eq!(arrays["flags"], Array::bool([3], [true, false, true]));
}

#[test]
fn a_broken_archive_is_an_error() {
    let good = npz(&[("a.npy", npy("<f4", "(2,)", &[0; 8]))]);
    // The last two bytes are the length of a comment, which nobody reads.
    for end in 0..good.len() - 2 {
        assert!(read_npz(&good[..end]).is_err(), "{end} bytes of {} were enough", good.len());
    }
    for (descr, shape, what) in
        [("<f4", "(3,)", "shape"), (">f4", "(2,)", "element type"), ("<f4", "x", "tuple")]
    {
        let error = read_npz(&npz(&[("a.npy", npy(descr, shape, &[0; 8]))])).expect_err(what).to_string();
        assert!(error.contains(what), "{error}");
    }
}

fn npy(descr: &str, shape: &str, data: &[u8]) -> Vec<u8> {
    let mut header =
        format!("{{'descr': '{descr}', 'fortran_order': False, 'shape': {shape}, }}").into_bytes();
    header.resize(117, b' ');
    header.push(b'\n');
    let length = u16::try_from(header.len()).expect("118 fits").to_le_bytes();
    [b"\x93NUMPY\x01\x00".as_slice(), &length, &header, data].concat()
}

/// A ZIP archive of stored entries, without the fields that the reader does not look at.
fn npz(entries: &[(&str, Vec<u8>)]) -> Vec<u8> {
    let short = |value: usize| u16::try_from(value).expect("small").to_le_bytes();
    let long = |value: usize| u32::try_from(value).expect("small").to_le_bytes();
    let (mut file, mut directory) = (Vec::new(), Vec::new());
    for (name, content) in entries {
        let sizes = [long(content.len()), long(content.len())].concat();
        let names = [short(name.len()), short(0)].concat();
        let entry: &[&[u8]] =
            &[b"PK\x01\x02", &[0; 16], &sizes, &names, &[0; 10], &long(file.len()), name.as_bytes()];
        directory.extend(entry.concat());
        let local: &[&[u8]] = &[b"PK\x03\x04", &[0; 14], &sizes, &names, name.as_bytes(), content];
        file.extend(local.concat());
    }
    let count = short(entries.len());
    let tail: &[&[u8]] =
        &[b"PK\x05\x06", &[0; 4], &count, &count, &long(directory.len()), &long(file.len()), &short(0)];
    [file, directory, tail.concat()].concat()
}
