//! From a signed record to an answer, and again without any server.

use std::sync::{Arc, Mutex};

use mlmgr::{CollectionOutcome, ErrorKind, Event, NoProgress, Query, Target};

use crate::world::{MODEL, RUNTIMES, TASK, WEIGHTS, World, check_error, digest_of, digests_under, embed};

#[tokio::test]
async fn sync_resolve_plan_pull_run() {
    let world = World::new();
    let manager = world.manager();
    let summary = manager.sync().await.expect("the settings are good");
    assert_eq!(summary.collections.len(), 3);
    assert_eq!(summary.collections[0].outcome, CollectionOutcome::Updated);
    assert_eq!(summary.collections[0].created, ["embed"]);

    let selection = manager.resolve(TASK).await.expect("one record is for the task");
    assert_eq!(selection.record.as_deref(), Some("embed"));

    let plan = manager.plan(&selection).await.expect("the hub has the model");
    assert!(plan.files.iter().any(|file| file.path.as_str() == WEIGHTS && !file.present));
    assert_eq!(plan.total_bytes(), plan.bytes_to_fetch());

    let events = Arc::new(Mutex::new(Vec::new()));
    let seen = Arc::clone(&events);
    let progress = move |event: &Event<'_>| {
        seen.lock().expect("nobody panicked").push(matches!(event, Event::Finished));
    };
    let installed = manager.pull(&selection, &progress).await.expect("the hub has the files");
    assert_eq!(installed.fetched, Some(plan.total_bytes()));
    assert_eq!(installed.bytes, plan.total_bytes());
    assert_eq!(events.lock().expect("nobody panicked").last(), Some(&true));

    let engine = manager.engine(TASK).await.expect("the model is installed");
    let info = engine.info().expect("nothing forbids it");
    assert_eq!((info.model.as_str(), info.revision.as_str(), info.file.as_str()), (MODEL, "v1", WEIGHTS));
    let embedding = embed(&engine).expect("the model runs");
    assert_eq!(embedding.shape, [16]);
    let length: f32 = embedding.values.iter().map(|value| value * value).sum();
    assert!((length - 1.0).abs() < 1e-5, "{length}");
}

#[tokio::test]
async fn what_is_installed_needs_no_server_and_no_request() {
    let world = World::new();
    let first =
        embed(&world.installed().await.engine(TASK).await.expect("it is installed")).expect("it runs");
    let requests = world.requests();
    world.settings.stop();
    world.hub.stop();

    // With a transport that could make requests, and with one that cannot; in a new process, as it were.
    for manager in [world.manager(), world.offline()] {
        let selection = manager.resolve(TASK).await.expect("the settings are stored");
        let installed = manager.pull(&selection, &NoProgress).await.expect("it is installed");
        assert_eq!(installed.fetched, None);
        let engine = manager.ready(TASK, &NoProgress).await.expect("it is installed");
        assert_eq!(embed(&engine).expect("it runs"), first);
        assert_eq!(manager.list().await.expect("the store can be read").len(), 1);
    }
    assert_eq!(world.requests(), requests);
}

#[tokio::test]
async fn ready_does_it_all_at_once() {
    let world = World::new();
    let engine = world.manager().ready(TASK, &NoProgress).await.expect("everything is there");
    embed(&engine).expect("it runs");
}

#[tokio::test]
async fn handles_share_one_model() {
    let world = World::new();
    let manager = world.installed().await;
    let one = manager.engine(TASK).await.expect("it is installed");
    let two = manager.clone().engine(TASK).await.expect("it is installed");
    let other = one.clone();
    let task = tokio::task::spawn_blocking(move || embed(&other));
    let here = embed(&two).expect("it runs");
    assert_eq!(task.await.expect("no panic").expect("it runs"), here);
}

#[tokio::test]
async fn a_model_can_be_named_outright() {
    let world = World::new();
    let manager = world.manager();
    let task = TASK.parse().expect("a task name");
    let dtype = Some("fp32".parse().expect("a dtype"));
    let Target::Model(model, revision) = "org/tiny@v1".parse().expect("a model") else {
        panic!("a name with a slash is a model")
    };
    let selection = mlmgr::Selection::of_model(model, revision, task, dtype);
    let installed = manager.pull(&selection, &NoProgress).await.expect("the hub has it");
    assert_eq!(installed.usage, "model:org/tiny@v1");
    let stored = digests_under(&world.store("store"));
    assert!(stored.contains(&digest_of(None, "onnx/model.onnx")));
    assert!(!stored.contains(&digest_of(None, WEIGHTS)));
    assert!(manager.pull(&selection, &NoProgress).await.expect("it is installed").fetched.is_none());
}

#[tokio::test]
async fn what_is_listed_can_be_removed() {
    let world = World::new();
    let manager = world.installed().await;
    let models = manager.list().await.expect("the store can be read");
    assert_eq!(models.len(), 1);
    assert_eq!((models[0].model.as_str(), models[0].revision.as_str()), (MODEL, "v1"));
    assert_eq!(models[0].used_by, ["task:feature-extraction"]);
    assert_eq!(models[0].files[WEIGHTS].sha256.to_string(), digest_of(None, WEIGHTS));

    let target = Target::Query(Query::task(TASK).expect("a task name"));
    let removed = manager.remove(&target).await.expect("it is installed");
    assert_eq!((removed.models, removed.bytes), (1, models[0].bytes));
    assert_eq!(manager.list().await.expect("the store can be read"), []);
    assert!(!digests_under(&world.store("store")).contains(&digest_of(None, WEIGHTS)));
    let error = manager.remove(&target).await.expect_err("it is gone");
    check_error(&error, ErrorKind::NotInstalled, &["task:feature-extraction"]);
    let error = manager.engine(TASK).await.expect_err("it is gone");
    check_error(&error, ErrorKind::NotInstalled, &["feature-extraction"]);
    assert!(error.hint().expect("there is a way out").contains("mlmgr pull feature-extraction"));
}

#[tokio::test]
async fn removing_a_model_by_name_removes_every_use_and_keeps_what_others_share() {
    let world = World::new();
    let manager = world.installed().await;
    world.publish("v2", 7);
    let two = |text: &str| match text.parse().expect("a model") {
        Target::Model(model, revision) => {
            mlmgr::Selection::of_model(model, revision, TASK.parse().expect("a task name"), None)
        }
        _ => panic!("a name with a slash is a model"),
    };
    manager.pull(&two("org/tiny@v2"), &NoProgress).await.expect("the hub has it");
    assert_eq!(manager.list().await.expect("the store can be read").len(), 2);
    manager.remove(&"org/tiny@v1".parse().expect("a model")).await.expect("it is installed");
    let stored = digests_under(&world.store("store"));
    assert!(!stored.contains(&digest_of(None, WEIGHTS)));
    assert!(stored.contains(&digest_of(Some(7), WEIGHTS)));
    assert!(stored.contains(&digest_of(None, "tokenizer.json")), "v2 shares the tokenizer");
    manager.remove(&"org/tiny".parse().expect("a model")).await.expect("it is installed");
    assert!(!digests_under(&world.store("store")).contains(&digest_of(None, "tokenizer.json")));
}

#[tokio::test]
async fn runtime_files_are_chosen_verified_and_kept() {
    let world = World::new();
    for (id, version) in [("r1", "5.2.0"), ("r2", "5.10.0"), ("r3", "6.0.0"), ("r4", "4.9.9")] {
        let record = serde_json::json!({"id": id, "name": "ort.wasm", "version": version});
        world.settings.set_record(RUNTIMES, record);
        world.settings.set_attachment(RUNTIMES, id, "ort.wasm", format!("runtime {version}"));
    }
    let manager = world.manager();
    manager.sync().await.expect("the settings are good");
    let file = manager.runtime_pull("ort.wasm").await.expect("there is one");
    assert_eq!((file.version.as_str(), file.fetched), ("5.10.0", true));
    assert_eq!(&*manager.runtime_bytes("ort.wasm").await.expect("it is installed"), b"runtime 5.10.0");
    let requests = world.requests();
    assert!(!manager.runtime_pull("ort.wasm").await.expect("it is installed").fetched);
    assert_eq!(world.requests(), requests);
    let error = manager.runtime_pull("other.wasm").await.expect_err("there is none");
    check_error(&error, ErrorKind::NotFound, &["other.wasm", "ort.wasm"]);

    // A newer one takes its place at the next update.
    world
        .settings
        .set_record(RUNTIMES, serde_json::json!({"id": "r5", "name": "ort.wasm", "version": "5.11"}));
    world.settings.set_attachment(RUNTIMES, "r5", "ort.wasm", "runtime 5.11");
    let update = manager.update(&NoProgress).await.expect("the store can be read");
    assert!(update.failure().is_none(), "{:?}", update.failure());
    assert_eq!(&*manager.runtime_bytes("ort.wasm").await.expect("it is installed"), b"runtime 5.11");
    assert_eq!(manager.list().await.expect("the store can be read").len(), 1);
    manager.remove(&"runtime:ort.wasm".parse().expect("a runtime file")).await.expect("it is installed");
    assert_eq!(manager.list().await.expect("the store can be read"), []);
}
