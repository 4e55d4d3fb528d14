//! Everything that can be wrong from outside: the right kind of error, and nothing lost.

use mlmgr::{ContentId, ErrorKind, Input, Manager, NoProgress, RunOptions};
use serde_json::json;
use testkit::{
    http::{Fault, FaultKind},
    onnx::{DataType, Graph, Node, tiny_model},
    pki::ChainOptions,
};

use crate::world::{MODEL, OPTIONS, RULES, RUNTIMES, TASK, TEXT, WEIGHTS, World, check_error, embed, record};

async fn pull_error(manager: &Manager) -> mlmgr::Error {
    manager.sync().await.expect("the settings are good");
    let selection = manager.resolve(TASK).await.expect("one record is for the task");
    let error = manager.pull(&selection, &NoProgress).await.expect_err("it cannot be installed");
    assert_eq!(manager.list().await.expect("the store can be read"), [], "nothing half-done is visible");
    error
}

/// A tiny model with one file replaced.
fn model_with(path: &str, content: &[u8]) -> Vec<(String, Vec<u8>)> {
    let replace = |(name, bytes): (String, Vec<u8>)| {
        if name == path { (name, content.to_vec()) } else { (name, bytes) }
    };
    tiny_model().into_iter().map(replace).collect()
}

#[tokio::test]
async fn tasks_that_are_unknown_or_have_no_record() {
    let world = World::new();
    let manager = world.manager();
    let error = manager.resolve("../etc").await.expect_err("that is no task");
    check_error(&error, ErrorKind::InvalidInput, &["../etc"]);
    let error = manager.resolve(TASK).await.expect_err("nothing was fetched");
    check_error(&error, ErrorKind::NotFound, &["never fetched"]);
    manager.sync().await.expect("the settings are good");
    let error = manager.resolve("fill-mask").await.expect_err("there is no record");
    check_error(&error, ErrorKind::NotFound, &["fill-mask", "feature-extraction"]);
}

#[tokio::test]
async fn two_records_that_both_match() {
    let world = World::new();
    let mut other = record("other", "v1");
    other["modelId"] = "org/other".into();
    world.settings.set_record(OPTIONS, other);
    let manager = world.manager();
    manager.sync().await.expect("the settings are good");
    let error = manager.resolve(TASK).await.expect_err("two match");
    check_error(&error, ErrorKind::Ambiguous, &["embed", "other", MODEL, "org/other"]);
    let engine = manager.ready("task:feature-extraction;model:org/tiny", &NoProgress).await;
    embed(&engine.expect("the model decides")).expect("it runs");
}

#[tokio::test]
async fn the_signed_records_of_another_collection() {
    let rule = json!({"id": "rule", "filter": "ALLOW", "urlPrefix": "http://127.0.0.1"});
    let runtime = json!({"id": "runtime", "name": "runtime.wasm", "version": "1.0"});
    for (name, other) in [(OPTIONS, &rule), (RUNTIMES, &rule), (RULES, &runtime)] {
        let world = World::empty();
        world.settings.set_record(name, other.clone());
        let error = world.manager().sync().await.expect_err("these are no records of it");
        check_error(&error, ErrorKind::Untrusted, &[name, "no record has"]);
    }
}

#[tokio::test]
async fn a_file_the_hub_lacks() {
    let world = World::empty();
    world.hub.add_model(MODEL, "v1", [("README.md", "no model here"), ("config.json", "{}")]);
    world.settings.set_record(OPTIONS, record("embed", "v1"));
    let error = pull_error(&world.manager()).await;
    check_error(&error, ErrorKind::NotFound, &["tokenizer.json", MODEL]);
    let mut wanted = record("embed", "v1");
    wanted["modelFile"] = "onnx/nowhere.onnx".into();
    world.hub.add_model(MODEL, "v1", tiny_model());
    world.settings.set_record(OPTIONS, wanted);
    let error = pull_error(&world.manager()).await;
    check_error(&error, ErrorKind::NotFound, &["nowhere.onnx", MODEL]);
}

#[tokio::test]
async fn a_hub_that_is_down() {
    let world = World::new();
    world.hub.stop();
    let error = pull_error(&world.manager()).await;
    check_error(&error, ErrorKind::Unavailable, &["task:feature-extraction", MODEL]);
    let error = world.manager().ready(TASK, &NoProgress).await.expect_err("it is not here");
    check_error(
        &error,
        ErrorKind::Unavailable,
        &["no model is installed for task feature-extraction", "org/tiny@v1"],
    );
    let error = world.offline().ready(TASK, &NoProgress).await.expect_err("it is not here");
    check_error(&error, ErrorKind::Offline, &["no model is installed for task feature-extraction"]);
}

#[tokio::test]
async fn settings_that_are_down() {
    let world = World::new();
    let manager = world.installed().await;
    world.settings.stop();
    let error = manager.sync().await.expect_err("nobody answers");
    check_error(&error, ErrorKind::Unavailable, &["settings server"]);
    embed(&manager.ready(TASK, &NoProgress).await.expect("it is installed")).expect("it runs");
    let new = world.builder("other").build().expect("a manager can be made");
    let error = new.ready(TASK, &NoProgress).await.expect_err("there are no settings");
    check_error(&error, ErrorKind::Unavailable, &["no model is installed for task feature-extraction"]);
}

/// Syncs with a server that signs wrongly, and checks that what was there before stays.
async fn untrusted(break_it: impl Fn(&World), names: &[&str]) {
    let world = World::new();
    let manager = world.installed().await;
    world.settings.set_record(OPTIONS, record("embed", "v2"));
    break_it(&world);
    let error = manager.sync().await.expect_err("it is not trusted");
    check_error(&error, ErrorKind::Untrusted, names);
    assert_eq!(manager.resolve(TASK).await.expect("it stays").revision.to_string(), "v1");
    embed(&manager.engine(TASK).await.expect("it stays")).expect("it runs");

    let first = world.builder("first").build().expect("a manager can be made");
    let error = first.sync().await.expect_err("it is not trusted the first time either");
    check_error(&error, ErrorKind::Untrusted, names);
    check_error(&first.resolve(TASK).await.expect_err("nothing was stored"), ErrorKind::NotFound, &[]);
}

#[tokio::test]
async fn a_certificate_with_the_wrong_name() {
    let mut options = ChainOptions::default();
    options.leaf_names = vec!["onecrl.content-signature.mozilla.org".to_owned()];
    untrusted(|world| world.settings.use_leaf(&options), &[]).await;
}

#[tokio::test]
async fn an_expired_chain() {
    untrusted(|world| world.settings.expire_leaf(), &[]).await;
}

#[tokio::test]
async fn a_chain_of_another_root() {
    let world = World::new();
    let manager = world.installed().await;
    world.settings.use_chain(&ChainOptions::default());
    world.settings.set_record(OPTIONS, record("embed", "v2"));
    let error = manager.sync().await.expect_err("the root is another one");
    check_error(&error, ErrorKind::Untrusted, &["root"]);
}

#[tokio::test]
async fn a_record_changed_after_signing() {
    untrusted(
        |world| {
            world.settings.tamper(OPTIONS, record("embed", "v3"));
        },
        &[],
    )
    .await;
}

#[tokio::test]
async fn digests_in_the_record_win_over_the_hub() {
    let world = World::new();
    let files = tiny_model();
    let content = |path: &str| {
        let (_, bytes) = files.iter().find(|(name, _)| name == path).expect("the model has it");
        ContentId::of(bytes)
    };
    let mut signed = record("embed", "v1");
    let id = content(WEIGHTS);
    signed["files"] = json!({WEIGHTS: {"hash": id.digest.to_string(), "size": id.size}});
    world.settings.set_record(OPTIONS, signed.clone());
    world.installed().await;

    let world = World::new();
    signed["files"] = json!({WEIGHTS: {"hash": ContentId::of(b"other").digest.to_string(), "size": id.size}});
    world.settings.set_record(OPTIONS, signed);
    let error = pull_error(&world.manager()).await;
    check_error(&error, ErrorKind::Untrusted, &[WEIGHTS]);
}

#[tokio::test]
async fn bytes_that_are_not_what_the_hub_lists() {
    let world = World::new();
    world.hub.fault(Fault::new("*model_quantized.onnx", FaultKind::FlipByte(1000)));
    let error = pull_error(&world.manager()).await;
    check_error(&error, ErrorKind::Untrusted, &[WEIGHTS]);
    world.hub.http().clear_faults();
    world.installed().await; // The same again with a good hub succeeds.
}

#[tokio::test]
async fn weights_that_are_not_onnx() {
    let world = World::empty();
    world.hub.add_model(MODEL, "v1", model_with(WEIGHTS, b"<html>not a model</html>"));
    world.settings.set_record(OPTIONS, record("embed", "v1"));
    let error = world.installed().await.engine(TASK).await.expect_err("it is no model");
    check_error(&error, ErrorKind::InvalidModel, &[WEIGHTS, MODEL]);
}

#[tokio::test]
async fn an_unsupported_operator_is_named() {
    let graph = Graph::new(17)
        .input("input_ids", DataType::I64, ["batch".into(), "tokens".into()])
        .input("attention_mask", DataType::I64, ["batch".into(), "tokens".into()])
        .node(Node::new("FancyNewThing", ["input_ids"], ["last_hidden_state"]))
        .output("last_hidden_state", DataType::F32, ["batch".into(), "tokens".into(), 16.into()])
        .build();
    let world = World::empty();
    world.hub.add_model(MODEL, "v1", model_with(WEIGHTS, &graph));
    world.settings.set_record(OPTIONS, record("embed", "v1"));
    let error = world.installed().await.engine(TASK).await.expect_err("nobody knows the operator");
    check_error(&error, ErrorKind::Unsupported, &["FancyNewThing", MODEL]);
}

#[tokio::test]
async fn a_record_for_another_backend_or_task() {
    let world = World::new();
    let mut llama = record("embed", "v1");
    llama["backend"] = "llama.cpp".into();
    world.settings.set_record(OPTIONS, llama);
    let error = world.installed().await.engine(TASK).await.expect_err("it is meant for another engine");
    check_error(&error, ErrorKind::Unsupported, &["llama.cpp", MODEL]);

    let mut task = record("other", "v1");
    task["taskName"] = "fill-mask".into();
    world.settings.set_record(OPTIONS, task);
    let error = world.builder("other").build().expect("a manager").ready("fill-mask", &NoProgress).await;
    check_error(&error.expect_err("no pipeline"), ErrorKind::Unsupported, &["fill-mask", TASK]);
}

#[tokio::test]
async fn inputs_at_the_edges() {
    let world = World::new();
    let engine = world.installed().await.engine(TASK).await.expect("it is installed");
    let options = RunOptions::sentence_embedding();
    let error = engine.run(&Input::Texts(Vec::new()), &options).expect_err("there is nothing");
    check_error(&error, ErrorKind::InvalidInput, &[MODEL]);
    let long = Input::Texts(vec![TEXT.repeat(100)]);
    let mlmgr::Output::Embeddings(output) = engine.run(&long, &options).expect("it is cut") else {
        panic!("feature extraction gives embeddings")
    };
    assert!(output[0].truncated);
}

#[tokio::test]
async fn a_missing_blob_is_fetched_again_by_pull_and_by_ready() {
    let world = World::new();
    let manager = world.installed().await;
    let weights = manager.list().await.expect("the store can be read")[0].files[WEIGHTS].clone();
    let id = ContentId::new(weights.sha256, weights.size);
    assert!(manager.store().remove(id).await.expect("the store works"));
    let error = manager.engine(TASK).await.expect_err("a file is missing");
    check_error(&error, ErrorKind::NotInstalled, &[MODEL]);
    embed(&manager.ready(TASK, &NoProgress).await.expect("it is repaired")).expect("it runs");
}
