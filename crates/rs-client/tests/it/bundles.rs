//! Attachments come out of a bundle as the verified records describe them, or not at all.

use std::{sync::OnceLock, time::SystemTime};

use base64::{Engine as _, prelude::BASE64_STANDARD};
use content_id::ContentId;
use proptest::{prelude::*, sample::Index};
use rs_client::{
    AttachmentBundle, Changeset, Collection, CollectionName, Error, ErrorKind, Limits, Trust, Verified,
};
use serde_json::{Value, json};
use testkit::{
    pki::{Chain, ChainOptions},
    settings::canonical::signed_message,
    zip::{ZipEntry, archive},
};

const SIGNER: &str = "remote-settings.content-signature.mozilla.org";
const FIRST: &[u8] = b"one, two, three, one, two, three, one, two, three, ";
const SECOND: &[u8] = b"2";

/// A verified collection with two attachments and a record without one.
fn collection() -> &'static Verified<Collection> {
    static COLLECTION: OnceLock<Verified<Collection>> = OnceLock::new();
    COLLECTION.get_or_init(|| {
        verified(&[attached("first", FIRST), attached("second", SECOND), json!({"id": "third"})])
    })
}

fn verified(records: &[Value]) -> Verified<Collection> {
    let chain = Chain::new(&ChainOptions::default());
    let signature = chain.sign(&signed_message(records, 1));
    let metadata = json!({"signature": {"mode": "p384ecdsa", "signature": signature, "x5u": "x"}});
    let body = json!({"timestamp": 1, "changes": records, "metadata": metadata}).to_string();
    let limits = Limits::default();
    let changeset = Changeset::parse(body, &limits).expect("it is well formed");
    let name = CollectionName::new("main", "list").expect("the name is one");
    let trust = Trust::new(vec![chain.root_hash().parse().expect("the root hash is one")], SIGNER);
    let collection = Collection::merge(None, &name, changeset);
    Verified::new(collection, chain.pem(), &trust, SystemTime::now(), &limits).expect("it is signed")
}

fn attached(id: &str, file: &[u8]) -> Value {
    let content = ContentId::of(file);
    described(id, &content.digest.to_string(), content.size)
}

fn described(id: &str, hash: &str, size: u64) -> Value {
    let attachment = json!({"filename": "f", "location": "l", "hash": hash, "size": size, "mimetype": "m"});
    json!({"id": id, "attachment": attachment})
}

fn good() -> [ZipEntry; 2] {
    [ZipEntry::deflated("first", FIRST), ZipEntry::stored("second", SECOND)]
}

fn read(archive: Vec<u8>) -> Result<AttachmentBundle, Error> {
    AttachmentBundle::read(archive, collection(), &Limits::default())
}

/// What comes out, by id: the file, or the kind of the error.
fn files(bundle: &AttachmentBundle) -> Vec<(String, Result<Vec<u8>, ErrorKind>)> {
    let shown =
        |result: Result<bytes::Bytes, Error>| result.map(|file| file.to_vec()).map_err(|error| error.kind());
    bundle.files().map(|(record, file)| (record.id().to_owned(), shown(file))).collect()
}

fn both() -> Vec<(String, Result<Vec<u8>, ErrorKind>)> {
    vec![("first".into(), Ok(FIRST.to_vec())), ("second".into(), Ok(SECOND.to_vec()))]
}

#[test]
fn files_come_out_stored_and_deflated() {
    let mut turned = good();
    turned.reverse();
    let followed = good().map(|mut entry| {
        entry.sizes_follow = true;
        entry
    });
    let mut odd = good();
    (odd[0].own_extra, odd[0].extra, odd[0].comment) = (vec![1; 9], vec![2; 300], vec![3; 70]);
    for entries in [good(), turned, followed, odd] {
        let bundle = read(archive(&entries)).expect("the archive is good");
        assert_eq!(files(&bundle), both());
        assert_eq!(bundle.file("first").expect("it is good").as_deref(), Some(FIRST));
        assert_eq!(bundle.file("third").expect("it needs no file"), None);
        assert_eq!(bundle.file("no-such-record").expect("it needs no file"), None);
    }
}

/// Written by Python's `zipfile`, as servers do: deflated, each file after the record it belongs to, one empty.
#[test]
fn an_archive_as_servers_write_them_is_read() {
    const ARCHIVE: &str = concat!(
        "UEsDBBQAAAAIAM+Td11Dv6ajBAAAAAIAAAAPAAAAZmlyc3QubWV0YS5qc29uq64FAFBLAwQUAAAACADPk3ddfTHZCxUAAABUAQAABQAA",
        "AGZpcnN0y89L1VEoKc8HEhlFqUB2/qgApQIAUEsDBBQAAAAIAM+Td11Dv6ajBAAAAAIAAAAQAAAAc2Vjb25kLm1ldGEuanNvbquuBQBQ",
        "SwMEFAAAAAgAz5N3XQAAAAACAAAAAAAAAAYAAABzZWNvbmQDAFBLAQIUAxQAAAAIAM+Td11Dv6ajBAAAAAIAAAAPAAAAAAAAAAAAAACA",
        "AQAAAABmaXJzdC5tZXRhLmpzb25QSwECFAMUAAAACADPk3ddfTHZCxUAAABUAQAABQAAAAAAAAAAAAAAgAExAAAAZmlyc3RQSwECFAMU",
        "AAAACADPk3ddQ7+mowQAAAACAAAAEAAAAAAAAAAAAAAAgAFpAAAAc2Vjb25kLm1ldGEuanNvblBLAQIUAxQAAAAIAM+Td10AAAAAAgAA",
        "AAAAAAAGAAAAAAAAAAAAAACAAZsAAABzZWNvbmRQSwUGAAAAAAQABADiAAAAwQAAAAAA",
    );
    let first = "one, two, three, ".repeat(20);
    let collection = verified(&[attached("first", first.as_bytes()), attached("second", b"")]);
    let archive = BASE64_STANDARD.decode(ARCHIVE).expect("it is base64");
    let bundle =
        AttachmentBundle::read(archive, &collection, &Limits::default()).expect("the archive is good");
    let found = files(&bundle);
    assert_eq!(found, [("first".into(), Ok(first.into_bytes())), ("second".into(), Ok(Vec::new()))]);
}

/// Whatever is wrong with one file, the other one can be used.
#[test]
fn a_bad_file_is_an_error_of_its_record_alone() {
    type Change = fn(&mut ZipEntry);
    let changes: [(&str, Change, ErrorKind); 16] = [
        ("missing", |entry| entry.name = "fourth".into(), ErrorKind::NotFound),
        ("another case", |entry| entry.name = "First".into(), ErrorKind::NotFound),
        ("a longer name", |entry| entry.name = "first\0".into(), ErrorKind::NotFound),
        ("a folder", |entry| entry.name = "first/".into(), ErrorKind::NotFound),
        ("another size", |entry| entry.size -= 1, ErrorKind::Untrusted),
        ("a huge size", |entry| entry.size = u32::MAX - 1, ErrorKind::Untrusted),
        ("other bytes", |entry| *entry = ZipEntry::stored("first", &[7; FIRST.len()]), ErrorKind::Untrusted),
        ("more bytes", |entry| stuff(entry, &[7; FIRST.len() + 1]), ErrorKind::Protocol),
        ("a bomb", |entry| stuff(entry, &vec![0; 30 << 20]), ErrorKind::Protocol),
        ("fewer bytes", |entry| stuff(entry, &FIRST[1..]), ErrorKind::Protocol),
        ("cut", |entry| entry.packed.truncate(9), ErrorKind::Protocol),
        ("followed by junk", |entry| entry.packed.push(0), ErrorKind::Protocol),
        ("no deflated bytes", |entry| entry.packed = vec![0xff; 20], ErrorKind::Protocol),
        ("stored at another length", |entry| entry.method = 0, ErrorKind::Protocol),
        ("packed as nobody knows", |entry| entry.method = 93, ErrorKind::Protocol),
        ("encrypted", |entry| entry.flags = 1, ErrorKind::Protocol),
    ];
    for (what, change, kind) in changes {
        let mut entries = good();
        change(&mut entries[0]);
        let bundle = read(archive(&entries)).expect(what);
        let error = bundle.file("first").expect_err(what);
        assert_eq!(error.kind(), kind, "{what}: {error}");
        assert!(error.to_string().starts_with("main/list: the bundle"), "{error}");
        assert_eq!(files(&bundle), [("first".into(), Err(kind)), both().remove(1)], "{what}");
    }
    for method in [1, 6, 9, 12, 14, 93, 95, 99] {
        for entry in 0..2 {
            let mut entries = good();
            entries[entry].method = method;
            let bundle = read(archive(&entries)).expect("the directory is good");
            let error = bundle.file(["first", "second"][entry]).expect_err("nobody reads it");
            assert_eq!(error.kind(), ErrorKind::Protocol, "{method}");
        }
    }
    for flag in [4, 5, 6, 7, 8, 9, 10, 12, 13, 14, 15].map(|bit| 1 << bit) {
        let mut entries = good();
        entries[1].flags = flag;
        let bundle = read(archive(&entries)).expect("the directory is good");
        let error = bundle.file("second").expect_err("the flag changes the meaning");
        assert_eq!(error.kind(), ErrorKind::Protocol, "{flag:#x}");
    }
}

/// Packs other bytes under what was stated.
fn stuff(entry: &mut ZipEntry, bytes: &[u8]) {
    entry.packed = ZipEntry::deflated("", bytes).packed;
}

/// What programs disagree about is refused as a whole.
#[test]
fn an_archive_with_two_readings_is_refused() {
    type Change = fn(&mut [ZipEntry; 2]);
    let changes: [(&str, Change); 11] = [
        ("two entries first", |entries| entries[1].name = "first".into()),
        ("overlap", |entries| {
            // The second one's header lies in the first one's data.
            entries[0] = ZipEntry::stored("first", &archive(&entries[1..])[..36 + SECOND.len()]);
            entries[1].offset = Some(35);
        }),
        ("overlap", |entries| entries[0].packed_size = Some(entries[0].packed.len() as u32 + 1)),
        ("contradicts", |entries| entries[0].own_name = Some("third".into())),
        ("contradicts", |entries| entries[0].own_size = Some(1)),
        ("cut short", |entries| entries[1].packed_size = Some(2)),
        ("outside", |entries| entries[1].offset = Some(10_000)),
        ("no zip archive", |entries| entries[1].offset = Some(1)),
        ("zip64", |entries| entries[1].offset = Some(u32::MAX)),
        ("zip64", |entries| entries[1].size = u32::MAX),
        ("zip64", |entries| entries[1].packed_size = Some(u32::MAX)),
    ];
    for (what, change) in changes {
        let mut entries = good();
        change(&mut entries);
        refused(archive(&entries), what);
    }
    let bytes = archive(&good());
    refused([b"#!/bin/sh\n", &bytes[..]].concat(), "no directory");
    refused([&bytes[..], b"\0"].concat(), "");
    for length in 0..bytes.len() {
        refused(bytes[..length].to_vec(), "");
    }
    // Fields of the record at the end: volumes, entries here and in all, length and start of the directory.
    let end = bytes.len() - 22;
    for (at, value, what) in [
        (4, 1, "volumes"),
        (6, 1, "volumes"),
        (8, 1, "volumes"),
        (8, 3, "volumes"),
        (12, 1, "no directory"),
        (16, 1, "no directory"),
        (20, 1, "comment"),
    ] {
        let mut bytes = bytes.clone();
        bytes[end + at] = value;
        refused(bytes, what);
    }
    for (count, what) in
        [(1, "more in its directory"), (3, "cut short"), (65_534, "cut short"), (65_535, "zip64")]
    {
        let mut bytes = bytes.clone();
        let count = u16::to_le_bytes(count);
        bytes[end + 8..end + 12].copy_from_slice(&[count, count].concat());
        refused(bytes, what);
    }
    // A whole archive in the comment of another, for readers that look for the end from behind.
    let mut nested = bytes.clone();
    nested[end + 20..].copy_from_slice(&u16::to_le_bytes(bytes.len() as u16));
    refused([nested, bytes].concat(), "");
}

#[track_caller]
fn refused(archive: Vec<u8>, what: &str) {
    let error = read(archive).expect_err(what);
    assert_eq!(error.kind(), ErrorKind::Protocol, "{what}: {error}");
    assert!(error.to_string().starts_with("main/list: the bundle"), "{error}");
    assert!(error.to_string().contains(what), "{what}: {error}");
}

/// Names are compared with the ids of the verified records, and used for nothing else.
#[test]
fn entries_that_no_record_asked_for_are_not_looked_at() {
    let names = [
        "../../evil",
        "/etc/passwd",
        "C:\\evil",
        "..",
        "a/../../b",
        "first/../x",
        "",
        "\0",
        "con",
        "no-such-record",
        "third",
        "first.meta.json",
        "a\nb",
        "\u{202e}txt",
    ];
    let mut entries: Vec<_> = names.iter().map(|name| ZipEntry::stored(name, b"evil")).collect();
    entries.iter_mut().for_each(|entry| entry.flags = 1);
    entries.extend(good());
    let bundle = read(archive(&entries)).expect("the archive is consistent");
    assert_eq!(files(&bundle), both());
    for name in names {
        assert_eq!(bundle.file(name).expect("there is nothing to read"), None, "{name:?}");
    }
}

/// What a record states is made room for only within the limits, and only where the packed bytes can hold it.
#[test]
fn sizes_are_bounded_before_anything_is_unpacked() {
    let hash = "0".repeat(64);
    let records = [described("first", &hash, 60 << 20), described("second", &hash, 65 << 20)];
    let collection = verified(&records);
    let mut entries = good();
    (entries[0].size, entries[1].size) = (60 << 20, 65 << 20);
    let bundle = AttachmentBundle::read(archive(&entries), &collection, &Limits::default());
    let bundle = bundle.expect("the archive is consistent");
    let error = bundle.file("first").expect_err("60 MiB cannot come from a few bytes");
    assert_eq!(error.kind(), ErrorKind::Protocol);
    assert!(error.to_string().contains("cannot hold 62914560 bytes"), "{error}");
    assert_eq!(bundle.file("second").expect_err("it is above the limit").kind(), ErrorKind::TooLarge);

    let (mut small, mut packed) = (Limits::default(), Limits::default());
    small.attachment_bytes = FIRST.len() as u64 - 1;
    let bytes = archive(&good());
    let bundle =
        AttachmentBundle::read(bytes.clone(), self::collection(), &small).expect("the archive is good");
    assert_eq!(files(&bundle), [("first".into(), Err(ErrorKind::TooLarge)), both().remove(1)]);
    packed.bundle_bytes = bytes.len() as u64 - 1;
    let error =
        AttachmentBundle::read(bytes, self::collection(), &packed).expect_err("it is one byte too long");
    assert_eq!(error.kind(), ErrorKind::TooLarge);
}

#[test]
fn a_record_that_describes_no_proper_attachment_is_an_error_of_its_own() {
    let mut bad = attached("bad", FIRST);
    bad["attachment"]["hash"] = "../x".into();
    let collection = verified(&[bad, attached("first", FIRST)]);
    let bundle = AttachmentBundle::read(archive(&good()), &collection, &Limits::default());
    let found = files(&bundle.expect("the archive is good"));
    assert_eq!(found, [("bad".into(), Err(ErrorKind::Protocol)), both().remove(0)]);
}

proptest! {
    /// Whatever happens to an archive, what comes out of it is what the records describe.
    #[test]
    fn a_changed_archive_gives_the_right_files_or_errors(
        changes in prop::collection::vec((any::<Index>(), any::<u8>()), 0..4),
        cut in prop::option::of(any::<Index>()),
        doubled in prop::option::of((any::<Index>(), any::<Index>())),
    ) {
        let mut bytes = archive(&good());
        for (index, value) in changes {
            let index = index.index(bytes.len());
            bytes[index] ^= value;
        }
        if let Some((from, to)) = doubled {
            let part = bytes[from.index(bytes.len())..].to_vec();
            let to = to.index(bytes.len());
            bytes.splice(to..to, part);
        }
        if let Some(cut) = cut {
            bytes.truncate(cut.index(bytes.len() + 1));
        }
        if let Ok(bundle) = read(bytes) {
            for ((id, file), (good_id, good)) in files(&bundle).into_iter().zip(both()) {
                prop_assert_eq!(&id, &good_id);
                prop_assert!(file.is_err() || file == good, "{}: {:?}", id, file);
            }
        }
    }
}
