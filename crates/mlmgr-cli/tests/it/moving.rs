//! Exports and imports: a model leaves one machine and runs on another, without a request.

use std::{collections::BTreeMap, fs, os::unix::fs::symlink, path::Path};

use serde_json::Value;

use crate::program::{MODEL, Ran, TASK, TEXT, World, ran};

fn tree(dir: &Path) -> BTreeMap<String, Vec<u8>> {
    let mut found = BTreeMap::new();
    for entry in fs::read_dir(dir).expect("a folder") {
        let path = entry.expect("an entry").path();
        let name = path.file_name().expect("a name").to_string_lossy().into_owned();
        match path.is_dir() {
            true => {
                found.extend(tree(&path).into_iter().map(|(inner, text)| (format!("{name}/{inner}"), text)))
            }
            false => drop(found.insert(name, fs::read(&path).expect("it can be read"))),
        }
    }
    found
}

fn fails(world: &World, arguments: &[&str], code: i32, kind: &str) -> Ran {
    let ran = ran(world.command(arguments).arg("--json"));
    assert_eq!((ran.code, ran.stdout.as_str()), (Some(code), ""), "{ran:?}");
    let error: Value = serde_json::from_str(ran.stderr.trim()).expect("the error is one JSON object");
    assert_eq!(error["error"]["kind"], kind, "{error}");
    ran
}

/// A model leaves as one file and comes back on a machine that has only this file.
#[test]
fn a_bundle_goes_to_another_machine() {
    let world = World::new();
    let named = format!("{MODEL}@v1");
    world.json(&["pull", &named]);
    let files = world.json(&["ls"])["models"][0]["files"].clone();
    let requests = world.requests();
    let out = world.json(&["export", &named, "m.bundle", "--bundle"]);
    assert_eq!(out["exported"]["files"], files.as_object().expect("files").len());
    let digest = out["exported"]["digest"].as_str().expect("a digest").to_owned();
    fails(&world, &["export", &named, "m.bundle", "--bundle"], 2, "invalid-input");
    world.json(&["export", &named, "m.bundle", "--bundle", "--replace"]);
    assert_eq!(
        fs::read_dir(world.folder.path())
            .expect("a folder")
            .filter(|entry| {
                entry.as_ref().is_ok_and(|entry| entry.file_name().to_string_lossy().contains(".part"))
            })
            .count(),
        0
    );

    let other = ["--store", "other-store"];
    let wrong = "0".repeat(64);
    fails(&world, &["import", "m.bundle", "--expect", &wrong, other[0], other[1]], 4, "untrusted");
    let back = world.json(&["import", "m.bundle", "--expect", &digest, other[0], other[1]]);
    assert_eq!(back["imported"]["usage"], format!("model:{named}"));
    assert_eq!(world.json(&["ls", other[0], other[1]])["models"][0]["files"], files);
    // As good as pulled: no request is made for it.
    let pulled = world.json(&["pull", &named, "--offline", other[0], other[1]]);
    assert_eq!(pulled["installed"]["fetched"], Value::Null);
    assert_eq!(world.requests(), requests);
    // Once more is nothing new.
    let again = world.json(&["import", "m.bundle", other[0], other[1]]);
    assert_eq!(again["imported"]["written"], 0);

    let mut bytes = fs::read(world.path("m.bundle")).expect("it is there");
    let middle = bytes.len() / 2;
    bytes[middle] ^= 1;
    fs::write(world.path("flipped"), &bytes).expect("it can be written");
    let third = ["--store", "third-store"];
    fails(&world, &["import", "flipped", third[0], third[1]], 4, "untrusted");
    bytes.truncate(middle);
    fs::write(world.path("cut"), &bytes).expect("it can be written");
    fails(&world, &["import", "cut", third[0], third[1]], 4, "untrusted");
    assert_eq!(world.json(&["ls", third[0], third[1]])["models"], Value::Array(Vec::new()));
    fails(&world, &["import", "absent", third[0], third[1]], 5, "not-found");
}

/// A model leaves as plain files and comes back from them.
#[test]
fn a_folder_is_written_and_read() {
    let world = World::new();
    world.json(&["run", TASK, TEXT]);
    let requests = world.requests();
    let text = world.run(&["export", TASK, "out", "--how", "copy"]);
    assert_eq!(text.code, Some(0), "{text:?}");
    assert!(text.stdout.contains("org/tiny@v1 is in out"), "{}", text.stdout);
    let files = tree(&world.path("out"));
    assert!(files.contains_key("config.json") && files.keys().any(|name| name.ends_with(".onnx")));
    let kept = world.json(&["export", MODEL, "out"]);
    assert_eq!(kept["exported"]["kept"], files.len());
    let linked = world.json(&["export", MODEL, "linked", "--how", "hard-link"]);
    assert_eq!(linked["exported"]["linked"], files.len());

    // What is in the way stays, and links are not followed.
    fs::write(world.path("out/config.json"), "mine").expect("it can be written");
    fails(&world, &["export", MODEL, "out"], 2, "invalid-input");
    assert_eq!(fs::read(world.path("out/config.json")).expect("it is there"), b"mine");
    world.json(&["export", MODEL, "out", "--replace"]);
    assert_eq!(tree(&world.path("out")), files);
    fs::create_dir(world.path("trap")).expect("a folder");
    symlink(world.path("out"), world.path("trap/onnx")).expect("a symlink");
    fails(&world, &["export", MODEL, "trap", "--replace"], 2, "invalid-input");

    let other = ["--store", "other-store"];
    fails(&world, &["import", "out", other[0], other[1]], 2, "invalid-input");
    let back = world.json(&["import", "out", "--model", "org/tiny@v1", other[0], other[1]]);
    assert_eq!(back["imported"]["files"], files.len());
    assert_eq!(tree(&world.path("out")), files);
    symlink("config.json", world.path("out/link")).expect("a symlink");
    fails(&world, &["import", "out", "--model", "org/tiny@v2", other[0], other[1]], 8, "invalid-model");
    assert_eq!(world.requests(), requests);
    fails(&world, &["export", "org/absent", "absent"], 5, "not-installed");
}

/// What a Hugging Face cache has is installed, checked.
#[test]
fn a_cache_is_read() {
    let world = World::new();
    let commit = "c0ffee00".repeat(5);
    let model = world.path("hub/models--org--cached");
    let snapshot = model.join("snapshots").join(&commit);
    for folder in [&snapshot, &model.join("blobs"), &model.join("refs")] {
        fs::create_dir_all(folder).expect("a folder");
    }
    fs::write(model.join("refs/main"), &commit).expect("it can be written");
    // What `git hash-object` prints for "hello\n".
    let blob = "ce013625030ba8dba906f756967f9e9ca394464a";
    fs::write(model.join("blobs").join(blob), "hello\n").expect("it can be written");
    symlink(format!("../../blobs/{blob}"), snapshot.join("README.md")).expect("a symlink");
    let import = ["import", "hub", "--cache", "--model", "org/cached"];
    let found = world.json(&import);
    assert_eq!(
        (&found["imported"]["commit"], &found["imported"]["files"]),
        (&commit.as_str().into(), &1.into())
    );
    fs::write(model.join("blobs").join(blob), "hullo\n").expect("it can be written");
    fails(&world, &import, 4, "untrusted");
    fs::remove_file(model.join("blobs").join(blob)).expect("it is there");
    fails(&world, &import, 5, "not-found");
    fails(&world, &["import", "hub", "--cache", "--model", "org/absent"], 5, "not-found");
}
