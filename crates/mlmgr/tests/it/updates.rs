//! Changing one record moves every client, and a failure changes nothing.

use mlmgr::{ErrorKind, Manager, ModelOutcome, ModelUpdate, NoProgress};
use serde_json::json;
use testkit::http::{Fault, FaultKind};

use crate::world::{OPTIONS, TASK, WEIGHTS, World, check_error, digest_of, digests_under, embed, record};

async fn update_one(manager: &Manager) -> ModelUpdate {
    let mut update = manager.update(&NoProgress).await.expect("the store can be read");
    assert_eq!(update.models.len(), 1);
    update.models.remove(0)
}

#[tokio::test]
async fn a_changed_record_is_followed_and_the_old_files_go() {
    let world = World::new();
    let manager = world.installed().await;
    let engine = manager.engine(TASK).await.expect("it is installed");
    let before = embed(&engine).expect("it runs");

    world.publish("v2", 7);
    world.settings.set_record(OPTIONS, record("embed", "v2"));
    let update = update_one(&manager).await;
    assert_eq!(update.outcome, ModelOutcome::Updated, "{:?}", update.error);
    assert_eq!((update.from.as_str(), update.to.as_str()), ("org/tiny@v1", "org/tiny@v2"));
    assert_eq!((update.removed.models, update.removed.files), (1, 1), "only the weights differ");

    // The handle from before the update runs the new model.
    let after = embed(&engine).expect("it runs");
    assert_ne!(before, after);
    assert_eq!(engine.info().expect("nothing forbids it").revision, "v2");
    let stored = digests_under(&world.store("store"));
    assert!(stored.contains(&digest_of(Some(7), WEIGHTS)));
    assert!(!stored.contains(&digest_of(None, WEIGHTS)));

    // And so does a process that starts later, without any request.
    let later = world.offline().engine(TASK).await.expect("it is installed");
    assert_eq!(embed(&later).expect("it runs"), after);
    assert_eq!(update_one(&manager).await.outcome, ModelOutcome::UpToDate);
}

#[tokio::test]
async fn a_record_that_names_another_model_is_followed_and_the_old_one_goes() {
    let world = World::new();
    let manager = world.installed().await;
    world.hub.add_model("org/other", "v1", testkit::onnx::tiny_model_with_seed(7));
    let mut other = record("embed", "v1");
    other["modelId"] = "org/other".into();
    world.settings.set_record(OPTIONS, other);
    let update = update_one(&manager).await;
    assert_eq!((update.to.as_str(), update.removed.models), ("org/other@v1", 1), "{:?}", update.error);
    assert!(!digests_under(&world.store("store")).contains(&digest_of(None, WEIGHTS)));
    embed(&manager.engine(TASK).await.expect("it is installed")).expect("it runs");
}

#[tokio::test]
async fn an_update_by_another_process_is_followed_by_reloading() {
    let world = World::new();
    world.installed().await;
    let (here, there) = (world.offline(), world.manager());
    let engine = here.engine(TASK).await.expect("it is installed");
    let before = embed(&engine).expect("it runs");
    assert_eq!(here.reload().await.expect("the store can be read"), 0);
    world.publish("v2", 7);
    world.settings.set_record(OPTIONS, record("embed", "v2"));
    assert_eq!(update_one(&there).await.outcome, ModelOutcome::Updated);
    assert_eq!(embed(&engine).expect("the old one is still loaded"), before);
    assert_eq!(here.reload().await.expect("the store can be read"), 1);
    assert_ne!(embed(&engine).expect("it runs"), before);
    assert_eq!(engine.info().expect("nothing forbids it").revision, "v2");
}

#[tokio::test]
async fn managers_that_pull_at_the_same_time_do_no_harm() {
    let world = World::new();
    world.manager().sync().await.expect("the settings are good");
    let managers = [(); 4].map(|()| world.manager());
    let pulls = managers.iter().map(async |manager| {
        let engine = manager.ready(TASK, &NoProgress).await.expect("each of them succeeds");
        embed(&engine).expect("it runs")
    });
    let answers = futures::future::join_all(pulls).await;
    assert!(answers.iter().all(|answer| *answer == answers[0]));
    let models = world.offline().list().await.expect("the store can be read");
    assert_eq!(models.len(), 1);
    assert_eq!(models[0].used_by.len(), 1);
}

#[tokio::test]
async fn a_run_under_way_does_not_mind_an_update() {
    let world = World::new();
    let manager = world.installed().await;
    let engine = manager.engine(TASK).await.expect("it is installed");
    let old = embed(&engine).expect("it runs");
    world.publish("v2", 7);
    world.settings.set_record(OPTIONS, record("embed", "v2"));
    let (stop, runner) = (std::sync::Arc::new(std::sync::atomic::AtomicBool::new(false)), engine.clone());
    let stopped = std::sync::Arc::clone(&stop);
    let running = tokio::task::spawn_blocking(move || {
        let mut seen = Vec::new();
        while !stopped.load(std::sync::atomic::Ordering::SeqCst) {
            seen.push(embed(&runner).expect("it runs all the time"));
        }
        seen
    });
    assert_eq!(update_one(&manager).await.outcome, ModelOutcome::Updated);
    let new = embed(&engine).expect("it runs");
    stop.store(true, std::sync::atomic::Ordering::SeqCst);
    let seen = running.await.expect("no panic");
    assert!(seen.iter().all(|one| *one == old || *one == new), "an answer of neither model");
}

#[tokio::test]
async fn a_tampered_record_is_refused_and_the_old_model_runs_on() {
    let world = World::new();
    let manager = world.installed().await;
    let engine = manager.engine(TASK).await.expect("it is installed");
    let before = embed(&engine).expect("it runs");
    world.publish("v2", 7);
    world.settings.tamper(OPTIONS, record("embed", "v2"));
    let asked = world.hub.requests().len();

    let update = manager.update(&NoProgress).await.expect("the store can be read");
    let error = update.failure().expect("the signature does not match");
    check_error(error, ErrorKind::Untrusted, &["ml-inference-options"]);
    assert_eq!(update.models[0].outcome, ModelOutcome::UpToDate);
    assert_eq!(world.hub.requests().len(), asked, "nobody asked the hub");
    assert_eq!(embed(&engine).expect("it runs"), before);
    let selection = manager.resolve(TASK).await.expect("the verified record stays");
    assert_eq!(selection.revision.to_string(), "v1");
}

/// Changes the record to v2, breaks something, updates, and checks that v1 stays.
async fn v1_stays(world: &World, kind: ErrorKind, names: &[&str]) {
    let manager = world.installed().await;
    let engine = manager.engine(TASK).await.expect("it is installed");
    let before = embed(&engine).expect("it runs");
    world.settings.set_record(OPTIONS, record("embed", "v2"));
    let update = update_one(&manager).await;
    assert_eq!(update.outcome, ModelOutcome::Failed);
    let error = update.error.expect("it failed");
    check_error(&error, kind, names);
    check_error(&error, kind, &["org/tiny@v1 stays in use", "org/tiny@v2"]);
    assert_eq!(embed(&engine).expect("it runs"), before);
    let later = world.offline().engine(TASK).await.expect("v1 is installed");
    assert_eq!(later.info().expect("nothing forbids it").revision, "v1");
    assert_eq!(embed(&later).expect("it runs"), before);
}

#[tokio::test]
async fn a_revision_the_hub_lacks_leaves_the_old_one() {
    v1_stays(&World::new(), ErrorKind::NotFound, &[]).await;
}

#[tokio::test]
async fn a_broken_download_leaves_the_old_one() {
    let world = World::new();
    world.publish("v2", 7);
    world.hub.fault(Fault::new("*onnx/model_quantized.onnx", FaultKind::FlipByte(100)).after(1));
    v1_stays(&world, ErrorKind::Untrusted, &[WEIGHTS]).await;
}

#[tokio::test]
async fn weights_that_are_not_onnx_leave_the_old_one() {
    let world = World::new();
    let files = testkit::onnx::tiny_model().into_iter().map(|(path, bytes)| {
        let bytes = if path == WEIGHTS { b"this is no model".to_vec() } else { bytes };
        (path, bytes)
    });
    world.hub.add_model("org/tiny", "v2", files);
    v1_stays(&world, ErrorKind::InvalidModel, &[WEIGHTS]).await;
}

#[tokio::test]
async fn a_branch_that_moves_is_followed() {
    let world = World::empty();
    world.hub.add_model("org/tiny", "main", testkit::onnx::tiny_model());
    world.settings.set_record(OPTIONS, record("embed", "main"));
    let manager = world.installed().await;
    let engine = manager.engine(TASK).await.expect("it is installed");
    let before = embed(&engine).expect("it runs");
    assert_eq!(update_one(&manager).await.outcome, ModelOutcome::UpToDate);
    world.publish("main", 7);
    let update = update_one(&manager).await;
    assert_eq!(update.outcome, ModelOutcome::Updated, "{:?}", update.error);
    assert_ne!(embed(&engine).expect("it runs"), before);
    let stored = digests_under(&world.store("store"));
    assert!(!stored.contains(&digest_of(None, WEIGHTS)), "the old weights are gone");

    // It moves to something unusable: the files from before are still the ones in use.
    let good = embed(&engine).expect("it runs");
    let broken = testkit::onnx::tiny_model_with_seed(7).into_iter().map(|(path, bytes)| {
        let bytes = if path == WEIGHTS { b"this is no model".to_vec() } else { bytes };
        (path, bytes)
    });
    world.hub.add_model("org/tiny", "main", broken);
    assert_eq!(update_one(&manager).await.outcome, ModelOutcome::Failed);
    assert_eq!(embed(&engine).expect("it runs"), good);
    assert_eq!(embed(&world.offline().engine(TASK).await.expect("it is there")).expect("it runs"), good);
}

#[tokio::test]
async fn a_branch_is_kept_where_the_hub_is_down() {
    let world = World::empty();
    world.hub.add_model("org/tiny", "main", testkit::onnx::tiny_model());
    world.settings.set_record(OPTIONS, record("embed", "main"));
    let manager = world.installed().await;
    world.hub.stop();
    let update = update_one(&manager).await;
    assert_eq!(update.outcome, ModelOutcome::Failed);
    check_error(
        &update.error.expect("nobody answers"),
        ErrorKind::Unavailable,
        &["org/tiny@main stays in use"],
    );
    embed(&manager.engine(TASK).await.expect("it stays")).expect("it runs");
}

#[tokio::test]
async fn what_a_failed_update_left_goes_with_the_next_good_one() {
    let world = World::new();
    let manager = world.installed().await;
    let broken = testkit::onnx::tiny_model().into_iter().map(|(path, bytes)| {
        let bytes = if path == WEIGHTS { b"this is no model".to_vec() } else { bytes };
        (path, bytes)
    });
    world.hub.add_model("org/tiny", "v2", broken);
    world.settings.set_record(OPTIONS, record("embed", "v2"));
    assert_eq!(update_one(&manager).await.outcome, ModelOutcome::Failed);
    world.publish("v3", 7);
    world.settings.set_record(OPTIONS, record("embed", "v3"));
    let update = update_one(&manager).await;
    assert_eq!((update.outcome, update.removed.models), (ModelOutcome::Updated, 2));
    assert_eq!(manager.list().await.expect("the store can be read").len(), 1);
}

#[tokio::test]
async fn a_record_that_goes_away_leaves_the_model() {
    let world = World::new();
    world.settings.set_record(OPTIONS, json!({"id": "other", "taskName": "fill-mask", "modelId": "a/b"}));
    let manager = world.installed().await;
    world.settings.delete_record(OPTIONS, "embed");
    let update = update_one(&manager).await;
    assert_eq!(update.outcome, ModelOutcome::Withdrawn);
    assert!(update.error.is_none());
    embed(&manager.engine(TASK).await.expect("it stays")).expect("it runs");
}

#[tokio::test]
async fn another_dtype_of_the_same_revision_is_another_model() {
    let world = World::new();
    let manager = world.installed().await;
    let mut fp32 = record("embed", "v1");
    fp32["dtype"] = "fp32".into();
    world.settings.set_record(OPTIONS, fp32);
    let engine = manager.engine(TASK).await.expect("it is installed");
    assert_eq!(update_one(&manager).await.outcome, ModelOutcome::Updated);
    assert_eq!(engine.info().expect("nothing forbids it").file, "onnx/model.onnx");
}

#[tokio::test(flavor = "multi_thread", worker_threads = 4)]
async fn several_may_remove_at_once() {
    let world = World::new();
    for _ in 0..5 {
        world.installed().await;
        // A manager each, as in processes of their own.
        let removing = [(); 4].map(|()| {
            let manager = world.manager();
            tokio::spawn(async move { manager.remove(&TASK.parse().expect("a task is a target")).await })
        });
        for removed in removing {
            if let Err(error) = removed.await.expect("nothing panics") {
                assert_eq!(error.kind(), ErrorKind::NotInstalled, "{}", error.chain());
            }
        }
        assert_eq!(world.manager().list().await.expect("the store can be read"), []);
    }
}
