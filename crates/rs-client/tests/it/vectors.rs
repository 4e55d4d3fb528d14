//! Recorded production data; skipped where `MLMGR_VECTORS` does not name the folder.

use std::{
    env, fs,
    io::Write as _,
    path::PathBuf,
    time::{Duration, SystemTime},
};

use rs_client::{
    CertificateProblem as Problem, Changeset, Collection, CollectionName, Error, ErrorKind, Limits, RootHash,
    Server, Trust, Verified, verify_changeset,
};
use serde_json::{Value, json};

use crate::canonical::canonical;

/// The folder of the recorded data, or nothing and a loud word.
fn vectors() -> Option<PathBuf> {
    let Some(folder) = env::var_os("MLMGR_VECTORS") else {
        // Not through `eprintln!`, which is hidden for tests that pass.
        writeln!(std::io::stderr(), "skipped: MLMGR_VECTORS is not set").expect("there is someone to tell");
        return None;
    };
    let folder = PathBuf::from(folder);
    let inner = folder.join("remote-settings");
    Some(if inner.is_dir() { inner } else { folder })
}

fn read(folder: &std::path::Path, file: &str) -> String {
    fs::read_to_string(folder.join(file)).unwrap_or_else(|error| panic!("{file}: {error}"))
}

fn json_of(folder: &std::path::Path, file: &str) -> Value {
    serde_json::from_str(&read(folder, file)).unwrap_or_else(|error| panic!("{file}: {error}"))
}

fn field<'a>(case: &'a Value, name: &str) -> &'a str {
    case[name].as_str().unwrap_or_else(|| panic!("{name} of {case}"))
}

fn at(case: &Value) -> SystemTime {
    SystemTime::UNIX_EPOCH + Duration::from_secs(case["at"].as_u64().expect("a case has a time"))
}

fn verify(body: &Value, pem: &str, root: &str, signer: &str, at: SystemTime) -> Result<(), Error> {
    let trust = Trust::new(vec![root.parse::<RootHash>()?], signer);
    verify_changeset(body.to_string(), pem, &trust, at, &Limits::default()).map(drop)
}

/// Changes a changeset as the case says; a change that is not known here fails the test.
fn mutate(body: &mut Value, mutation: &Value) {
    for (place, change) in mutation.as_object().into_iter().flatten() {
        let changes = body["changes"].as_array_mut().expect("a changeset has changes");
        match (place.as_str(), change.as_str().unwrap_or_default()) {
            ("timestamp", "+1") => {
                body["timestamp"] = json!(body["timestamp"].as_u64().expect("it is a number") + 1);
            }
            ("changes", "drop_last") => drop(changes.pop()),
            ("changes", "shuffle") => changes.reverse(),
            ("changes", "append_tombstone") => changes.push(json!({"id": "gone", "deleted": true})),
            ("changes.0", "add_field") => changes[0]["added"] = json!(1),
            other => panic!("unknown mutation {other:?}"),
        }
    }
}

fn check(name: &str, expected: &str, result: Result<(), Error>) {
    let error = match (expected, result) {
        ("ok", Ok(())) => return,
        (_, Ok(())) => panic!("{name}: accepted"),
        (_, Err(error)) => error,
    };
    let found = match (error.kind(), error.certificate()) {
        (ErrorKind::Untrusted, None) => "err:signature",
        (ErrorKind::Certificate, Some(Problem::Expired)) => "err:expired",
        (ErrorKind::Certificate, Some(Problem::NotYetValid)) => "err:not_yet_valid",
        (ErrorKind::Certificate, Some(Problem::Name)) => "err:name",
        (ErrorKind::Certificate, Some(Problem::Root)) => "err:root",
        _ => "another error",
    };
    assert_eq!(found, expected, "{name}: {error}");
}

#[test]
fn recorded_production_signatures_and_their_mutations() {
    let Some(folder) = vectors() else { return };
    let conformance = json_of(&folder, "conformance.json");
    let cases = conformance["cases"].as_array().expect("there are cases");
    assert!(cases.len() >= 12, "{}", cases.len());
    for case in cases {
        let mut body = json_of(&folder, field(case, "changeset"));
        mutate(&mut body, &case["mutate"]);
        let pem = read(&folder, field(case, "chain"));
        let result = verify(&body, &pem, field(case, "root_sha256"), field(case, "hostname"), at(case));
        check(field(case, "name"), field(case, "expect"), result);
    }
}

/// What else may be done to a recorded changeset and to what it is checked with.
#[test]
fn recorded_production_signatures_and_other_changes() {
    let Some(folder) = vectors() else { return };
    let case = json_of(&folder, "conformance.json")["cases"][0].clone();
    let good = json_of(&folder, field(&case, "changeset"));
    let pem = read(&folder, field(&case, "chain"));
    let (root, signer, at) = (field(&case, "root_sha256"), field(&case, "hostname"), at(&case));
    let verified = verify_changeset(
        good.to_string(),
        &pem,
        &Trust::new(vec![root.parse().expect("it is a hash")], signer),
        at,
        &Limits::default(),
    );
    let verified = verified.expect("production signed it");
    assert_eq!((verified.name.to_string(), verified.records.len()), ("main/ml-onnx-runtime".into(), 13));

    let last = verified.certificate_expires();
    let second = Duration::from_secs(1);
    check("the last second", "ok", verify(&good, &pem, root, signer, last));
    check("a second later", "err:expired", verify(&good, &pem, root, signer, last + second));
    check("a plain hash", "ok", verify(&good, &pem, &root.to_lowercase().replace(':', ""), signer, at));
    check("in capitals", "ok", verify(&good, &pem, root, &signer.to_uppercase(), at));
    for name in
        ["mozilla.org", "content-signature.mozilla.org", "x.remote-settings.content-signature.mozilla.org"]
    {
        check(name, "err:name", verify(&good, &pem, root, name, at));
    }
    for (end, name) in [("\n", "CRLF"), ("\n-----END", "a space before the end")] {
        let pem = if name == "CRLF" { pem.replace(end, "\r\n") } else { pem.replace(end, " \n-----END") };
        check(name, "ok", verify(&good, &pem, root, signer, at));
    }

    type Change = fn(&mut Value);
    let changes: [(&str, Change, &str); 16] = [
        ("nothing", |_| {}, "ok"),
        ("the list alone", |it| drop(it["metadata"].as_object_mut().map(|it| it.remove("signature"))), "ok"),
        (
            "the single one alone",
            |it| drop(it["metadata"].as_object_mut().map(|it| it.remove("signatures"))),
            "ok",
        ),
        (
            "nothing but the signature",
            |it| it["metadata"] = json!({"signature": it["metadata"]["signature"]}),
            "ok",
        ),
        ("a new one first", |it| it["metadata"]["signatures"][0]["mode"] = json!("new"), "ok"),
        ("another description", |it| it["metadata"]["displayFields"] = json!(null), "ok"),
        (
            "another public key beside it",
            |it| it["metadata"]["signature"]["public_key"] = json!("AAAA"),
            "ok",
        ),
        (
            "a live record that is deleted",
            |it| it["changes"][3] = json!({"id": it["changes"][3]["id"], "deleted": true}),
            "err:signature",
        ),
        ("another version", |it| it["changes"][0]["version"] = json!("4.3.2"), "err:signature"),
        (
            "another hash",
            |it| it["changes"][0]["attachment"]["hash"] = json!("0".repeat(64)),
            "err:signature",
        ),
        (
            "a size as a float",
            |it| it["changes"][0]["attachment"]["size"] = json!(1_762_319.0),
            "err:signature",
        ),
        (
            "a field of an attachment less",
            |it| drop(it["changes"][0]["attachment"].as_object_mut().map(|it| it.remove("mimetype"))),
            "err:signature",
        ),
        (
            "no date of a record",
            |it| drop(it["changes"][0].as_object_mut().map(|it| it.remove("last_modified"))),
            "err:signature",
        ),
        ("no records", |it| it["changes"] = json!([]), "err:signature"),
        ("padding", |it| sign(it, |text| format!("{text}=")), "err:signature"),
        ("a character less", |it| sign(it, |text| text[..127].to_owned()), "err:signature"),
    ];
    for (name, change, expected) in changes {
        let mut body = good.clone();
        change(&mut body);
        check(name, expected, verify(&body, &pem, root, signer, at));
    }
}

/// Rewrites all signatures.
fn sign(body: &mut Value, change: fn(&str) -> String) {
    let metadata = &mut body["metadata"];
    let signature = change(metadata["signature"]["signature"].as_str().expect("it is text"));
    metadata["signature"]["signature"] = json!(signature);
    metadata["signatures"] = json!([metadata["signature"]]);
}

/// The built-in roots accept what production signed, without any of the test's own parameters.
#[test]
fn production_is_trusted_as_it_is_built_in() {
    let Some(folder) = vectors() else { return };
    let body = read(&folder, "prod-ml-onnx-runtime/changeset.json");
    let name = CollectionName::new("main", "ml-onnx-runtime").expect("the name is one");
    let verified = |server: Server| {
        let changeset = Changeset::parse(body.clone(), &Limits::default()).expect("it was recorded");
        let collection = Collection::merge(None, &name, changeset);
        let pem = fs::read_dir(folder.join("chains"))
            .expect("there are chains")
            .map(|entry| entry.expect("the folder can be read").path())
            .find(|path| path.to_string_lossy().contains("2026-03-28"))
            .map(|path| fs::read_to_string(path).expect("chains are text"))
            .expect("the chain was recorded");
        let at = SystemTime::UNIX_EPOCH + Duration::from_secs(1_771_300_000);
        Verified::new(collection, &pem, &server.trust(&name), at, &Limits::default())
    };
    let collection = verified(Server::production()).expect("production signed it");
    assert_eq!(collection.records.len(), 13);
    for record in &collection.records {
        assert!(record.attachment().expect("it is described properly").is_some());
    }
    for other in [Server::stage(), Server::dev()] {
        let error = verified(other).expect_err("stage and development have other roots");
        assert_eq!(error.certificate(), Some(Problem::Root));
    }
}

#[test]
fn a_recorded_stage_signature_over_an_empty_collection() {
    let Some(folder) = vectors() else { return };
    let whole = json_of(&folder, "stage-empty-collection/case.json");
    let pem = read(&folder, "stage-empty-collection/chain.pem");
    let value = |case: &Value, name: &str| case.get(name).unwrap_or(&whole[name]).clone();
    for case in whole["cases"].as_array().expect("there are cases") {
        if case.get("message").is_some() {
            // Only a message as such could be signed wrongly here; records always make the same message.
            continue;
        }
        let body = json!({
            "timestamp": whole["timestamp"], "changes": value(case, "records"),
            "metadata": {"signature": {"mode": whole["mode"], "signature": whole["signature"], "x5u": ""}},
        });
        let (root, signer) = (value(case, "root_sha256"), value(case, "hostname"));
        let text = |value: &Value| value.as_str().expect("it is text").to_owned();
        let result = verify(&body, &pem, &text(&root), &text(&signer), at(case));
        let expected = match field(case, "expect") {
            "ok" => "ok",
            error if error.contains("not yet valid") => "err:not_yet_valid",
            error if error.contains("expired") => "err:expired",
            error if error.contains("name") => "err:name",
            error if error.contains("root") => "err:root",
            error if error.contains("signature") => "err:signature",
            other => panic!("unknown expectation {other}"),
        };
        check(&case.to_string(), expected, result);
    }
}

#[test]
fn canonical_json_is_the_signers_byte_for_byte() {
    let Some(folder) = vectors() else { return };
    let cases = read(&folder, "canonicaljson-rs/edge-0.9.3.jsonl");
    assert_eq!(cases.lines().count(), 24);
    for case in cases.lines() {
        let case: Value = serde_json::from_str(case).expect("each line is JSON");
        assert_eq!(canonical(field(&case, "input_json")), field(&case, "canonical"));
    }
    let expected = read(&folder, "canonicaljson-rs/search-config-v2.canonical.json");
    let whole = read(&folder, "canonicaljson-rs/search-config-v2.json");
    assert_eq!(canonical(&whole), expected.trim_end_matches('\n'));
}
