//! Many collections in one file: nothing of it is believed, and none of it makes room for more than it is.

use std::{sync::OnceLock, time::SystemTime};

use base64::{Engine as _, prelude::BASE64_STANDARD};
use proptest::{prelude::*, sample::Index};
use rs_client::{
    Changeset, Collection, CollectionName, Error, ErrorKind, Limits, StartupBundle, Trust, Verified,
};
use serde_json::json;
use testkit::{
    pki::{Chain, ChainOptions},
    settings::{bundles::mozlz4, canonical::signed_message},
};

const SIGNER: &str = "remote-settings.content-signature.mozilla.org";

fn name(collection: &str) -> CollectionName {
    CollectionName::new("main", collection).expect("the name is one")
}

fn changeset(collection: &str) -> serde_json::Value {
    let records =
        json!([{"id": "a", "text": "]}\"[{,", "deep": [[[{"id": {}}]]]}, {"id": "b", "deleted": true}]);
    json!({"metadata": {"bucket": "main", "id": collection, "n": null}, "timestamp": 7, "changes": records})
}

/// A changeset that is signed, and the chain that it is signed with.
fn signed() -> &'static (serde_json::Value, Chain) {
    static SIGNED: OnceLock<(serde_json::Value, Chain)> = OnceLock::new();
    SIGNED.get_or_init(|| {
        let (mut changeset, chain) = (changeset("one"), Chain::new(&ChainOptions::default()));
        let record = json!({"id": "a", "text": "]}\"[{,", "number": 1.5});
        let signature = chain.sign(&signed_message([&record], 7));
        changeset["changes"] = json!([record]);
        changeset["metadata"]["signature"] = json!({"mode": "p384ecdsa", "signature": signature, "x5u": "x"});
        (changeset, chain)
    })
}

/// What a first sync makes of a changeset.
fn merged(changeset: Changeset) -> Collection {
    Collection::merge(None, &name("any"), changeset)
}

fn parsed(changeset: &serde_json::Value) -> Collection {
    merged(Changeset::parse(changeset.to_string(), &Limits::default()).expect("it is good"))
}

fn read(file: &[u8]) -> Result<StartupBundle, Error> {
    StartupBundle::read(file, &Limits::default())
}

fn names(text: &str) -> Vec<String> {
    let bundle = read(&mozlz4(text.as_bytes())).expect(text);
    bundle.names().map(ToString::to_string).collect()
}

#[track_caller]
fn refused(file: &[u8], kind: ErrorKind) {
    let error = read(file).expect_err("it is not to be read");
    assert_eq!(error.kind(), kind, "{error}");
    assert!(error.to_string().starts_with("the bundle "), "{error}");
}

#[test]
fn each_changeset_is_what_the_server_would_send_alone() {
    let (one, two) = (changeset("one"), changeset("two"));
    for text in [json!([one, two]).to_string(), format!("\n [ {one:#}\t,\r\n {two:#} ] \n")] {
        let bundle = read(&mozlz4(text.as_bytes())).expect("it is good");
        assert_eq!(bundle.names().collect::<Vec<_>>(), [&name("one"), &name("two")]);
        for (collection, alone) in [("one", &one), ("two", &two)] {
            let found = bundle.changeset(&name(collection), &Limits::default()).expect("it is good");
            assert_eq!(merged(found.expect("it is there")), parsed(alone));
        }
        assert!(bundle.changeset(&name("three"), &Limits::default()).expect("it is no error").is_none());
    }
}

/// Written by Python's `json` and `lz4.block`, as servers do.
#[test]
fn a_file_as_servers_write_them_is_read() {
    const FILE: &str = concat!(
        "bW96THo0MACgBAAA8U1beyJtZXRhZGF0YSI6IHsiYnVja2V0IjogIm1haW4iLCAiaWQiOiAib25lIiwgImZsYWdzIjogWyJzdGFydHVw",
        "Il19LCAidGltZXN0YW1wIjogNywgImNoYW5nZSkAE3tBAJFyMCIsICJ0ZXhdAPUEb25lLCB0d28sIHRocmVlIn0sICkAHzEpABUfMikA",
        "FR8zKQAVHzQpABUfNSkAFR82KQAVHzcpABUfOCkAFR85KQAVHzGbARcPnAELEV3HAQ9QAhI/dHdvUAL//w9QIn1dfV0=",
    );
    let file = BASE64_STANDARD.decode(FILE).expect("it is base64");
    let bundle = read(&file).expect("the file is good");
    assert_eq!(bundle.names().collect::<Vec<_>>(), [&name("one"), &name("two")]);
    for collection in ["one", "two"] {
        let found = bundle.changeset(&name(collection), &Limits::default()).expect("it is good");
        let records: Vec<_> =
            (0..12).map(|n| json!({"id": format!("r{n}"), "text": "one, two, three"})).collect();
        let metadata = json!({"bucket": "main", "id": collection, "flags": ["startup"]});
        let alone = json!({"metadata": metadata, "timestamp": 7, "changes": records});
        assert_eq!(merged(found.expect("it is there")), parsed(&alone));
    }
}

/// One collection's changeset does not keep the others from being used.
#[test]
fn what_is_no_changeset_of_a_collection_is_passed_over() {
    let one = changeset("one");
    let others = [
        "null",
        "1.5e3",
        "\"]\"",
        "[[]]",
        "{}",
        r#"{"metadata": null}"#,
        r#"{"metadata": {"bucket": "main", "id": 1}}"#,
        r#"{"metadata": {"bucket": "../x", "id": "x"}}"#,
        r#"{"metadata": {"bucket": "main", "id": "x", "id": "y"}}"#,
    ];
    for other in others {
        assert_eq!(names(&format!("[{other}, {one}, {other}]")), ["main/one"], "{other}");
    }
    assert!(names("[]").is_empty());
    // Named, but not to be read as a changeset.
    let bundle =
        read(&mozlz4(format!(r#"[{one}, {{"metadata": {{"bucket": "main", "id": "two"}}}}]"#).as_bytes()));
    let bundle = bundle.expect("the list is good");
    let error = bundle.changeset(&name("two"), &Limits::default()).expect_err("it has no changes");
    assert_eq!(error.kind(), ErrorKind::Protocol);
    assert!(error.to_string().starts_with("main/two: "), "{error}");
    bundle.changeset(&name("one"), &Limits::default()).expect("it is good").expect("it is there");
}

#[test]
fn what_is_no_list_is_refused() {
    let one = changeset("one");
    let texts = [
        "",
        " ",
        "{}",
        "[",
        "]",
        "[,]",
        "nil",
        "[1 2]",
        "[1,]",
        "[1]]",
        "[1] x",
        "[1}",
        "\u{feff}[]",
        "[\u{c}]",
        "[\"",
        "[{\"a\":}]",
    ];
    for text in texts.map(str::to_owned).into_iter().chain([
        format!("[{one}, {one}]"),
        format!("[{one}"),
        format!("[{one}{one}]"),
        format!("{one}"),
        "[".repeat(100_000),
    ]) {
        refused(&mozlz4(text.as_bytes()), ErrorKind::Protocol);
    }
    refused(&mozlz4(b"[\"\xff\"]"), ErrorKind::Protocol);
}

#[test]
fn what_is_not_packed_as_it_states_is_refused() {
    let good = mozlz4(json!([changeset("one"), changeset("two")]).to_string().as_bytes());
    for length in 0..good.len() {
        refused(&good[..length], ErrorKind::Protocol);
    }
    for junk in [&[0][..], &[0, 0, 0, 0], &[0x10, b' '], &[b' ', 1, 0], &[0x1f, b' ', 1, 0, 255]] {
        refused(&[&good[..], junk].concat(), ErrorKind::Protocol);
    }
    for index in 0..8 {
        let mut magic = good.clone();
        magic[index] ^= 0x20;
        refused(&magic, ErrorKind::Protocol);
    }
    let stated = u32::from_le_bytes(good[8..12].try_into().expect("it is four bytes"));
    for other in [0, 1, stated - 1, stated + 1] {
        let error = read(&stating(&good, other)).expect_err("it is of another length");
        assert!(error.to_string().ends_with("unpack to the length it states"), "{error}");
    }
    // A block that copies from before its start, or from nowhere.
    for block in [[0x10, b'[', 2, 0, 0x10, b']'], [0x10, b'[', 0, 0, 0x10, b']']] {
        refused(&[b"mozLz40\0\x06\0\0\0", &block[..]].concat(), ErrorKind::Protocol);
    }
}

fn stating(file: &[u8], length: u32) -> Vec<u8> {
    [&file[..8], &length.to_le_bytes(), &file[12..]].concat()
}

#[test]
fn room_is_made_within_the_limits_only() {
    let bomb = mozlz4(&vec![b' '; 65 << 20]);
    assert!(bomb.len() < 1 << 20, "{}", bomb.len());
    refused(&bomb, ErrorKind::TooLarge);
    refused(&stating(&bomb, u32::MAX), ErrorKind::TooLarge);
    // The limit can be kept by lying, but then no more comes out than was stated.
    refused(&stating(&bomb, 10), ErrorKind::Protocol);
    // 64 MiB are allowed, but cannot be in a few bytes.
    let error = read(&stating(&mozlz4(b"[]"), 64 << 20)).expect_err("it cannot be");
    assert!(error.to_string().contains("cannot hold"), "{error}");

    let good = mozlz4(json!([changeset("one")]).to_string().as_bytes());
    let mut limits = Limits::default();
    limits.bundle_bytes = good.len() as u64 - 1;
    let error = StartupBundle::read(&good, &limits).expect_err("it is one byte too long");
    assert_eq!(error.kind(), ErrorKind::TooLarge);
    limits = Limits::default();
    limits.changeset_bytes = 20;
    let bundle = StartupBundle::read(&good, &limits).expect("the bundle itself is within the limits");
    let error = bundle.changeset(&name("one"), &limits).expect_err("it is longer");
    assert_eq!(error.kind(), ErrorKind::TooLarge);
}

proptest! {
    #[test]
    fn a_changed_bundle_is_read_or_refused_and_never_larger_than_stated(
        changes in prop::collection::vec((any::<Index>(), any::<u8>()), 0..5),
        cut in prop::option::of(any::<Index>()),
    ) {
        let mut file = mozlz4(json!([changeset("one"), changeset("two")]).to_string().as_bytes());
        for (index, value) in changes {
            let index = index.index(file.len());
            file[index] ^= value;
        }
        if let Some(cut) = cut {
            file.truncate(cut.index(file.len() + 1));
        }
        if let Ok(bundle) = read(&file) {
            for name in bundle.names() {
                // Wrong records may come out: only a signature tells. A wrong name or a panic may not.
                let _ = bundle.changeset(name, &Limits::default());
            }
        }
    }

    /// Lists of any JSON are taken apart where a whole parser would take them apart.
    #[test]
    fn any_list_is_split_where_its_values_end(others in prop::collection::vec(crate::canonical::any_json(), 0..4)) {
        let mut list = others.clone();
        list.insert(others.len() / 2, changeset("one"));
        let text = serde_json::to_vec(&list).expect("it is JSON");
        let bundle = read(&mozlz4(&text)).expect("it is a list");
        let found = bundle.changeset(&name("one"), &Limits::default()).expect("it is good");
        prop_assert_eq!(merged(found.expect("it is there")), parsed(&changeset("one")));
    }

    /// Whatever happens to the text, what verifies is what was signed.
    #[test]
    fn no_changed_record_verifies(changes in prop::collection::vec((any::<Index>(), any::<u8>()), 1..3)) {
        let (good, chain) = signed();
        let mut text = json!([good]).to_string().into_bytes();
        for (index, value) in changes {
            let index = index.index(text.len());
            text[index] = value;
        }
        let limits = Limits::default();
        let Ok(bundle) = read(&mozlz4(&text)) else { return Ok(()) };
        for name in bundle.names() {
            let Ok(Some(changeset)) = bundle.changeset(name, &limits) else { continue };
            let collection = Collection::merge(None, name, changeset);
            let trust = Trust::new(vec![chain.root_hash().parse().expect("the root hash is one")], SIGNER);
            if let Ok(verified) = Verified::new(collection, chain.pem(), &trust, SystemTime::now(), &limits) {
                let signed = parsed(good);
                prop_assert_eq!((verified.timestamp, &verified.records), (signed.timestamp, &signed.records));
            }
        }
    }
}
