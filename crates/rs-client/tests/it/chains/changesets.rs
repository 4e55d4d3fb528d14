//! Changesets that were changed after they were signed: what means the same verifies, and nothing else does.

use rs_client::{Collection, Error, ErrorKind, Limits, Verified, verify_changeset};
use serde_json::{Value, json};
use testkit::{
    pki::{
        certificate::pem,
        forge::{Forge, Pki},
    },
    settings::canonical::signed_message,
};

use super::{SIGNER, at, pin, trust};

struct Signer {
    forge: Forge,
    chain: String,
    root: String,
}

impl Signer {
    fn new() -> Self {
        let forge = Forge::new(Pki::Elliptic, SIGNER);
        let certificates = forge.certificates();
        Self { forge, chain: pem(&certificates), root: pin(&certificates[2]) }
    }

    /// A changeset as a server would write it.
    fn signed(&self, records: &[Value], timestamp: u64) -> String {
        let signature = self.forge.leaf_key.sign_content(&signed_message(records, timestamp));
        let metadata = json!({
            "bucket": "main", "id": "list", "last_modified": 9, "schema": {"type": "object"},
            "signature": {"mode": "p384ecdsa", "signature": signature, "x5u": "https://x/y.chain"},
        });
        let records: Vec<String> = records.iter().map(Value::to_string).collect();
        let records = records.join(",");
        format!(r#"{{"metadata":{metadata},"timestamp":{timestamp},"changes":[{records}]}}"#)
    }

    fn verify(&self, body: impl AsRef<[u8]>) -> Result<Verified<Collection>, Error> {
        let trust = trust(&[&self.root], SIGNER);
        verify_changeset(body.as_ref().to_vec(), &self.chain, &trust, at(), &Limits::default())
    }
}

const RECORDS: [&str; 3] = [
    r#"{"id":"b-2","last_modified":4,"n":12,"s":"é/𝄞\u007f","o":{"a":[true,{}],"z":null}}"#,
    r#"{"id":"a_1","last_modified":5,"e":"","l":[]}"#,
    r#"{"id":"Z","last_modified":3,"attachment":{"hash":"00","size":1,"original":{"size":2}}}"#,
];

fn records() -> Vec<Value> {
    RECORDS.iter().map(|text| serde_json::from_str(text).expect("it is JSON")).collect()
}

type Change = (&'static str, fn(&str) -> String);

#[test]
fn what_means_the_same_verifies() {
    let signer = Signer::new();
    let body = signer.signed(&records(), 5);
    let good = signer.verify(&body).expect("it is signed");
    let changes: &[Change] = &[
        ("spaces", |body| body.replace(',', " ,\t").replace(':', ": ").replace("https: ", "https:")),
        ("line breaks around", |body| format!("\r\n {body}\n\n")),
        ("the order of changes", |body| {
            let mut changed: Value = serde_json::from_str(body).expect("it is JSON");
            changed["changes"].as_array_mut().expect("it is a list").rotate_left(1);
            changed.to_string()
        }),
        ("the order of fields", |body| body.replace(r#""e":"","id":"a_1""#, r#""id":"a_1","e":"""#)),
        ("the order of the answer", |body| {
            let body = body.replace(r#""timestamp":5,"#, "");
            format!(r#"{{"timestamp":5,{}"#, &body[1..])
        }),
        ("a letter as an escape", |body| body.replace("a_1", r"\u0061\u005f1")),
        ("a key as an escape", |body| body.replace(r#""id":"b-2""#, r#""\u0069d":"b-2""#)),
        ("a letter beyond ASCII as an escape", |body| body.replace('é', r"\u00E9")),
        ("a pair of surrogates", |body| body.replace('𝄞', r"\uD834\udd1e")),
        ("an escaped slash", |body| body.replace("é/", r"é\/")),
        ("metadata that says more", |body| {
            body.replace(r#""last_modified":9"#, r#""last_modified":1.5,"x":[{}]"#)
        }),
        ("metadata that says less", |body| body.replace(r#","schema":{"type":"object"}"#, "")),
        ("metadata of another collection", |body| body.replace(r#""id":"list""#, r#""id":"other""#)),
        ("fields more in the answer", |body| format!(r#"{{"x":[1.5,null],{}"#, &body[1..])),
        ("a tombstone", |body| body.replace("}]}", r#"},{"id":"gone","deleted":true}]}"#)),
        ("a dated tombstone", |body| {
            body.replace("}]}", r#"},{"id":"gone","last_modified":9,"deleted":true}]}"#)
        }),
        ("a tombstone with fields", |body| {
            body.replace("}]}", r#"},{"deleted":true,"x":1.5,"last_modified":"?","id":"gone"}]}"#)
        }),
        ("many tombstones", |body| {
            let gone: Vec<String> =
                (0..500).map(|id| format!(r#"{{"id":"gone-{id}","deleted":true}}"#)).collect();
            body.replace("\"changes\":[", &format!("\"changes\":[{},", gone.join(",")))
        }),
    ];
    for (name, change) in changes {
        let changed = change(&body);
        assert_ne!(changed, body, "{name}: nothing was changed");
        let verified = signer.verify(&changed).unwrap_or_else(|error| panic!("{name}: {error}"));
        assert_eq!(verified.records, good.records, "{name}");
        assert_eq!(verified.records.ids().collect::<Vec<_>>(), ["Z", "a_1", "b-2"], "{name}");
    }
}

#[test]
fn what_means_something_else_is_untrusted() {
    let signer = Signer::new();
    let body = signer.signed(&records(), 5);
    let changes: &[Change] = &[
        ("a later timestamp", |body| body.replace(r#""timestamp":5"#, r#""timestamp":6"#)),
        ("an earlier timestamp", |body| body.replace(r#""timestamp":5"#, r#""timestamp":4"#)),
        ("the first of time", |body| body.replace(r#""timestamp":5"#, r#""timestamp":0"#)),
        ("the end of time", |body| body.replace(r#""timestamp":5"#, r#""timestamp":18446744073709551615"#)),
        ("a record less", |body| without(body, 1)),
        ("no records", |body| without(&without(&without(body, 0), 0), 0)),
        ("a record more", |body| body.replace("}]}", r#"},{"id":"new"}]}"#)),
        ("a record under another id", |body| body.replace(r#""id":"b-2""#, r#""id":"b-3""#)),
        ("an id in capitals", |body| body.replace(r#""id":"b-2""#, r#""id":"B-2""#)),
        ("records under each other's ids", |body| {
            body.replace("a_1", "swapped").replace("b-2", "a_1").replace("swapped", "b-2")
        }),
        ("a tombstone for a record", |body| {
            let mut changed: Value = serde_json::from_str(body).expect("it is JSON");
            changed["changes"][0] = json!({"id": "b-2", "deleted": true});
            changed.to_string()
        }),
        ("a record that says that it is deleted", |body| {
            body.replace(r#""n":12"#, r#""n":12,"deleted":true"#)
        }),
        ("a record that says that it is not deleted", |body| {
            body.replace(r#""n":12"#, r#""n":12,"deleted":false"#)
        }),
        ("a field more", |body| body.replace(r#""n":12"#, r#""n":12,"x":null"#)),
        ("a field less", |body| body.replace(r#""n":12,"#, "")),
        ("a field of nothing less", |body| body.replace(r#","z":null"#, "")),
        ("an unknown field of an attachment less", |body| body.replace(r#""original":{"size":2},"#, "")),
        ("another number", |body| body.replace(r#""n":12"#, r#""n":13"#)),
        ("a negative number", |body| body.replace(r#""n":12"#, r#""n":-12"#)),
        ("a float", |body| body.replace(r#""n":12"#, r#""n":12.0"#)),
        ("an exponent", |body| body.replace(r#""n":12"#, r#""n":12e0"#)),
        ("a number as text", |body| body.replace(r#""n":12"#, r#""n":"12""#)),
        ("a key in capitals", |body| body.replace(r#""n":12"#, r#""N":12"#)),
        ("true as false", |body| body.replace("true", "false")),
        ("true as a number", |body| body.replace("true", "1")),
        ("a list as an object", |body| body.replace("{}]", "[]]")),
        ("an empty text as nothing", |body| body.replace(r#""e":"""#, r#""e":null"#)),
        ("a space in a text", |body| body.replace("é/", "é /")),
        ("the other way to write é", |body| body.replace('é', "e\u{301}")),
        ("another letter that looks alike", |body| body.replace(r#""a_1""#, "\"a_l\"")),
        ("another date of a record", |body| body.replace(r#""last_modified":4"#, r#""last_modified":5"#)),
        ("no date of a record", |body| body.replace(r#","last_modified":4"#, "")),
        ("another size of an attachment", |body| body.replace(r#""size":1"#, r#""size":10"#)),
    ];
    for (name, change) in changes {
        let changed = change(&body);
        assert_ne!(changed, body, "{name}: nothing was changed");
        let error = signer.verify(&changed).expect_err(name);
        assert_eq!(error.kind(), ErrorKind::Untrusted, "{name}: {error}");
    }
}

#[test]
fn what_is_no_changeset_is_a_protocol_error() {
    let signer = Signer::new();
    let body = signer.signed(&records(), 5);
    let changes: &[Change] = &[
        ("a timestamp as text", |body| body.replace(r#""timestamp":5"#, r#""timestamp":"5""#)),
        ("a timestamp in two quotes", |body| body.replace(r#""timestamp":5"#, r#""timestamp":"\"5\"""#)),
        ("a timestamp with a fraction", |body| body.replace(r#""timestamp":5"#, r#""timestamp":5.0"#)),
        ("a timestamp with an exponent", |body| body.replace(r#""timestamp":5"#, r#""timestamp":5e0"#)),
        ("a negative timestamp", |body| body.replace(r#""timestamp":5"#, r#""timestamp":-5"#)),
        ("a timestamp of minus zero", |body| body.replace(r#""timestamp":5"#, r#""timestamp":-0"#)),
        ("a timestamp with a zero before", |body| body.replace(r#""timestamp":5"#, r#""timestamp":05"#)),
        ("a timestamp with a plus", |body| body.replace(r#""timestamp":5"#, r#""timestamp":+5"#)),
        ("a timestamp beyond 64 bits", |body| {
            body.replace(r#""timestamp":5"#, r#""timestamp":18446744073709551616"#)
        }),
        ("a timestamp of nothing", |body| body.replace(r#""timestamp":5"#, r#""timestamp":null"#)),
        ("a timestamp that is true", |body| body.replace(r#""timestamp":5"#, r#""timestamp":true"#)),
        ("a timestamp in a list", |body| body.replace(r#""timestamp":5"#, r#""timestamp":[5]"#)),
        ("no timestamp", |body| body.replace(r#""timestamp":5,"#, "")),
        ("two timestamps", |body| body.replace(r#""timestamp":5"#, r#""timestamp":5,"timestamp":5"#)),
        ("no changes", |body| {
            format!("{}}}", &body[..body.find(r#","changes""#).expect("there are changes")])
        }),
        ("changes of nothing", |body| body.replace(r#""changes":["#, r#""changes":null,"x":["#)),
        ("changes by id", |body| body.replace(r#""changes":["#, r#""changes":{},"x":["#)),
        ("changes twice", |body| body.replace(r#""changes":["#, r#""changes":[],"changes":["#)),
        ("metadata twice", |body| body.replace(r#""metadata":"#, r#""metadata":{},"metadata":"#)),
        ("metadata in a list", |body| body.replace(r#""metadata":"#, r#""metadata":[],"x":"#)),
        ("the older name of changes", |body| body.replace(r#""changes":["#, r#""data":["#)),
        ("a record twice", |body| body.replace("}]}", r#"},{"id":"a_1","last_modified":5,"e":"","l":[]}]}"#)),
        ("a record and its tombstone", |body| body.replace("}]}", r#"},{"id":"a_1","deleted":true}]}"#)),
        ("a tombstone twice", |body| {
            body.replace("}]}", r#"},{"id":"g","deleted":true},{"id":"g","deleted":true}]}"#)
        }),
        ("a tombstone without an id", |body| body.replace("}]}", r#"},{"deleted":true}]}"#)),
        ("a key twice", |body| body.replace(r#""n":12"#, r#""n":12,"n":12"#)),
        ("a key twice, once in disguise", |body| body.replace(r#""n":12"#, r#""n":12,"\u006e":12"#)),
        ("a key twice, deep inside", |body| body.replace(r#""z":null"#, r#""z":null,"z":null"#)),
        ("an id twice", |body| body.replace(r#""id":"b-2""#, r#""id":"b-1","id":"b-2""#)),
        ("an id that is a number", |body| body.replace(r#""id":"b-2""#, r#""id":2"#)),
        ("an id of nothing", |body| body.replace(r#""id":"b-2""#, r#""id":null"#)),
        ("an id that climbs", |body| body.replace(r#""id":"b-2""#, r#""id":"../b""#)),
        ("an id with NUL", |body| body.replace(r#""id":"b-2""#, r#""id":"b\u0000""#)),
        ("an id beyond ASCII", |body| body.replace(r#""id":"b-2""#, r#""id":"é""#)),
        ("no id", |body| body.replace(r#""id":"b-2","#, "")),
        ("a record that is text", |body| body.replace("}]}", r#"},"new"]}"#)),
        ("an integer beyond 64 bits", |body| body.replace(r#""n":12"#, r#""n":18446744073709551616"#)),
        ("a negative integer beyond 64 bits", |body| {
            body.replace(r#""n":12"#, r#""n":-9223372036854775809"#)
        }),
        ("no number", |body| body.replace(r#""n":12"#, r#""n":NaN"#)),
        ("a number without end", |body| body.replace(r#""n":12"#, r#""n":1e400"#)),
        ("half a pair of surrogates", |body| body.replace('𝄞', r"\ud834")),
        ("the other half", |body| body.replace('𝄞', r"\udd1e\ud834")),
        ("a raw control character", |body| body.replace("é/", "é\u{1}")),
        ("a raw line break in a text", |body| body.replace("é/", "é\n")),
        ("an unknown escape", |body| body.replace("é/", r"é\x41")),
        ("too deep", |body| {
            body.replace(r#""n":12"#, &format!(r#""n":{}{}"#, "[".repeat(200), "]".repeat(200)))
        }),
        ("a comma too many", |body| body.replace("}]}", "},]}")),
        ("a comment", |body| body.replace(r#""n":12"#, r#""n":12/**/"#)),
        ("quotes of another kind", |body| body.replace(r#""n""#, "'n'")),
        ("a byte order mark", |body| format!("\u{feff}{body}")),
        ("NUL at the end", |body| format!("{body}\0")),
        ("something after the end", |body| format!("{body}{{}}")),
        ("a bracket less", |body| body[..body.len() - 1].to_owned()),
        ("half of it", |body| body[..body.len() / 2].to_owned()),
        ("nothing of it", |_| String::new()),
        ("in a list", |body| format!("[{body}]")),
        ("as text", |body| json!(body).to_string()),
        ("UTF-16", |body| body.chars().flat_map(|it| ['\0', it]).collect()),
    ];
    for (name, change) in changes {
        let changed = change(&body);
        assert_ne!(changed, body, "{name}: nothing was changed");
        let error = signer.verify(&changed).expect_err(name);
        assert_eq!(error.kind(), ErrorKind::Protocol, "{name}: {error}");
    }
    for bytes in [&b"\xff"[..], b"\xc3", b"\xed\xa0\x80", b"\xf4\x90\x80\x80", b"\xc0\xaf"] {
        let broken =
            [body.as_bytes().split_at(body.find('é').expect("it is there")).0, bytes, b"\"}]}"].concat();
        assert_eq!(
            signer.verify(&broken).expect_err("it is not UTF-8").kind(),
            ErrorKind::Protocol,
            "{bytes:?}"
        );
    }
}

/// What servers do not send but could, signed as it is.
#[test]
fn odd_records_verify_where_they_were_signed() {
    let signer = Signer::new();
    let odd: [Vec<Value>; 9] = [
        vec![],
        vec![json!({"id": "a"})],
        vec![json!({"id": "a", "deleted": false}), json!({"id": "b", "deleted": null})],
        vec![json!({"id": "a", "n": [0, -1, i64::MIN, u64::MAX, 0.5, -0.0, 1e300, 1e-300]})],
        vec![json!({"id": "a", "": {"": [[], {}, "", null]}})],
        vec![json!({"id": "a", "\u{10000}": 1, "\u{e000}": 2, "\u{7f}": 3, "\0": 4, "é": 5, "\"\\/": 6})],
        ["0", "a", "A", "a-", "a_", "a0", "aA", "Z", "z9"].iter().map(|id| json!({"id": id})).collect(),
        vec![json!({"id": "a".repeat(255), "x": "y".repeat(70_000)})],
        (0..2000).map(|id| json!({"id": format!("r{id}"), "last_modified": id})).collect(),
    ];
    for (index, records) in odd.iter().enumerate() {
        for timestamp in [0, 5, 1_771_200_010_931, u64::MAX] {
            let verified = signer.verify(signer.signed(records, timestamp));
            let verified = verified.unwrap_or_else(|error| panic!("{index} at {timestamp}: {error}"));
            assert_eq!((verified.records.len(), verified.timestamp), (records.len(), timestamp));
        }
    }
}

/// The name is what the metadata says, and nothing that could be taken for another.
#[test]
fn the_name_is_what_the_metadata_says() {
    let signer = Signer::new();
    let body = signer.signed(&records(), 5);
    let change: [(&str, &str, &str); 5] = [
        (r#""id":"list""#, r#""id":"list""#, "main/list"),
        (r#""bucket":"main","#, "", "unnamed/list"),
        (r#""id":"list""#, r#""id":"../list""#, "main/unnamed"),
        (r#""id":"list""#, r#""id":7"#, "main/unnamed"),
        (r#""bucket":"main""#, r#""bucket":"""#, "unnamed/list"),
    ];
    for (from, to, name) in change {
        let verified = signer.verify(body.replace(from, to)).expect("names are not signed");
        assert_eq!(verified.name.to_string(), name);
    }
}

fn without(body: &str, index: usize) -> String {
    let mut changed: Value = serde_json::from_str(body).expect("it is JSON");
    changed["changes"].as_array_mut().expect("it is a list").remove(index);
    changed.to_string()
}
