//! Bytes that changed in the store: found, never used, and fetched again.

use std::path::PathBuf;

use mlmgr::{ContentId, ErrorKind, Manager, NoProgress};
use testkit::onnx::tiny_model;

use crate::world::{MODEL, TASK, WEIGHTS, World, check_error, embed};

/// The tiny model with weights so large that they are mapped: most of it is documentation.
fn large_model() -> Vec<(String, Vec<u8>)> {
    const DOCUMENTATION: usize = 3 << 20;
    let mut files = tiny_model();
    for (_, bytes) in files.iter_mut().filter(|(path, _)| path == WEIGHTS) {
        bytes.extend([0x32, 0x80, 0x80, 0xc0, 0x01]);
        bytes.resize(bytes.len() + DOCUMENTATION, b'x');
    }
    files
}

/// Where the store keeps a file of the model.
fn stored(world: &World, path: &str) -> PathBuf {
    let files = large_model();
    let (_, bytes) = files.iter().find(|(name, _)| name == path).expect("the model has the file");
    let digest = ContentId::of(bytes).digest.to_string();
    world.store("store").join("models/blobs/sha256").join(&digest[..2]).join(&digest[2..])
}

/// Changes the last byte, behind the back of the store.
fn damage(world: &World, path: &str) {
    let file = stored(world, path);
    let mut bytes = std::fs::read(&file).expect("the file is there");
    *bytes.last_mut().expect("it has bytes") ^= 1;
    std::fs::remove_file(&file).expect("the folder can be written to");
    std::fs::write(&file, bytes).expect("the folder can be written to");
}

async fn installed(world: &World) -> Manager {
    world.hub.add_model(MODEL, "v1", large_model());
    world.installed().await
}

#[tokio::test]
async fn damaged_files_are_not_run_but_fetched_again() {
    let world = World::new();
    let before = embed(&installed(&world).await.engine(TASK).await.expect("it is installed"));
    let before = before.expect("it runs");
    for path in [WEIGHTS, "tokenizer.json"] {
        damage(&world, path);
        let offline = world.offline();
        let error = offline.engine(TASK).await.expect_err("a file is damaged");
        check_error(&error, ErrorKind::NotInstalled, &[path, "damaged", MODEL]);
        let error = offline.ready(TASK, &NoProgress).await.expect_err("it cannot be fetched");
        check_error(&error, ErrorKind::Offline, &["missing or damaged", MODEL]);
        world.hub.http().forget_requests();
        let engine = world.manager().ready(TASK, &NoProgress).await.expect("it is repaired");
        assert_eq!(embed(&engine).expect("it runs").values, before.values);
        let fetched: Vec<_> =
            world.hub.requests().into_iter().filter(|one| one.path().contains("/resolve/")).collect();
        assert_eq!(fetched.len(), 1, "only what was damaged: {fetched:?}");
    }
}

#[tokio::test]
async fn a_pull_repairs_what_is_damaged() {
    let world = World::new();
    let manager = installed(&world).await;
    let selection = manager.resolve(TASK).await.expect("one record is for the task");
    for path in [WEIGHTS, "tokenizer.json"] {
        damage(&world, path);
        manager.pull(&selection, &NoProgress).await.expect("it is repaired");
        world.offline().engine(TASK).await.expect("it is sound");
    }
    let done = manager.pull(&selection, &NoProgress).await.expect("it is installed");
    assert_eq!(done.fetched, None, "what is sound needs no request");
}

#[tokio::test]
async fn damaged_notes_of_what_is_installed_are_no_dead_end() {
    let world = World::new();
    installed(&world).await;
    for kind in ["manifests", "pins"] {
        for damage in [&b"nonsense"[..], b""] {
            let folder = world.store("store").join("models").join(kind);
            let document = std::fs::read_dir(folder).expect("the folder is there").next();
            let document = document.expect("there is a document").expect("it can be read").path();
            let generations = std::fs::read_dir(document).expect("the folder is there");
            let newest = generations.map(|one| one.expect("it can be read").path()).max();
            let newest = newest.expect("there is a generation");
            std::fs::remove_file(&newest).expect("the folder can be written to");
            std::fs::write(&newest, damage).expect("the folder can be written to");

            assert!(world.offline().list().await.expect("the rest can be read").len() <= 1);
            world.manager().ready(TASK, &NoProgress).await.expect("it is repaired");
            assert_eq!(world.offline().list().await.expect("all can be read").len(), 1, "{kind}");
        }
    }
}
