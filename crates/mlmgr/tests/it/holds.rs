//! What is open, about to be replaced, or far away: it stays, it is noted, it is brought here.

use std::{process::Command, sync::Arc, time::Duration};

use blob_store::{BlobStore, BlobStoreExt, Expected, FsStore, StageKey, TieredStore};
use mlmgr::{ErrorKind, FixedClock, ModelOutcome, NoProgress, Query};
use testkit::onnx::tiny_model_with_seed;

use crate::{
    space::{at, hour, listed, names, pulled, room_for_one_less, selection, target},
    world::{OPTIONS, TASK, WEIGHTS, World, check_error, embed, record},
};

const STORE: &str = "MLMGR_TEST_HOLDS_STORE";

/// Another process: pulls what it is told, within a quota; does nothing when the test binary runs as a whole.
#[tokio::test]
async fn child() {
    let variable = |name: &str| std::env::var(name).ok();
    let (Some(store), Some(hub), Some(model), Some(quota)) = (
        variable(STORE),
        variable("MLMGR_TEST_HOLDS_HUB"),
        variable("MLMGR_TEST_HOLDS_MODEL"),
        variable("MLMGR_TEST_HOLDS_QUOTA"),
    ) else {
        return;
    };
    let hub = mlmgr::Hub::new(mlmgr::HubKind::HuggingFace, hub.parse().expect("an address"));
    let manager = mlmgr::Manager::builder()
        .hub(hub.expect("a hub"))
        .folder(store)
        .quota(quota.parse().expect("a number"))
        .clock(Arc::new(FixedClock::new(hour(20))))
        .build()
        .expect("a manager can be made");
    let done = manager.pull(&selection(&model), &NoProgress).await.expect("there is room");
    for one in done.evicted {
        println!("evicted {}", one.model);
    }
}

/// What another process evicts when it pulls a model within a quota.
fn evicted_by_another(world: &World, model: &str, quota: u64) -> Vec<String> {
    let output = Command::new(std::env::current_exe().expect("the test binary has a path"))
        .args(["--exact", "holds::child", "--nocapture"])
        .env(STORE, world.store("store"))
        .env("MLMGR_TEST_HOLDS_HUB", world.hub.url())
        .env("MLMGR_TEST_HOLDS_MODEL", model)
        .env("MLMGR_TEST_HOLDS_QUOTA", quota.to_string())
        .output()
        .expect("the test binary runs again");
    let text = String::from_utf8_lossy(&output.stdout).into_owned();
    assert!(output.status.success(), "{text} {}", String::from_utf8_lossy(&output.stderr));
    // The name of the test stands before what it prints first.
    text.lines().filter_map(|line| line.split_once("evicted ")).map(|(_, model)| model.to_owned()).collect()
}

#[tokio::test]
async fn what_is_open_survives_the_eviction_of_another_process() {
    let world = World::new();
    // The task's model is the one that was used least lately.
    let task = world.builder("store").build().expect("a manager can be made");
    let engine = task.ready(TASK, &NoProgress).await.expect("everything is there");
    let before = embed(&engine).expect("it runs");
    pulled(&world, &["a", "b"]).await;
    world.hub.add_model("org/c", "v1", tiny_model_with_seed(200));
    world.hub.add_model("org/d", "v1", tiny_model_with_seed(201));
    let manager = at(&world, 10, |builder| builder);
    let open: Vec<_> = listed(&manager).await.into_iter().map(|one| (one.model, one.open)).collect();
    let open: Vec<_> = open.iter().map(|(model, open)| (model.as_str(), *open)).collect();
    assert_eq!(open, [("org/a", false), ("org/b", false), ("org/tiny", true)]);
    let quota = room_for_one_less(&manager).await;
    assert_eq!(evicted_by_another(&world, "org/c@v1", quota), ["org/a"]);
    assert_eq!(names(&manager).await, ["org/b", "org/c", "org/tiny"]);
    assert_eq!(embed(&engine).expect("it runs"), before);
    drop(engine);
    assert_eq!(evicted_by_another(&world, "org/d@v1", quota), ["org/tiny"]);
    let error = task.engine(TASK).await.expect_err("it is gone");
    check_error(&error, ErrorKind::NotInstalled, &[TASK]);
    embed(&task.ready(TASK, &NoProgress).await.expect("it comes back")).expect("it runs");
}

#[tokio::test]
async fn what_is_open_runs_on_where_another_process_removes_it() {
    let world = World::new();
    let engine = world.installed().await.engine(TASK).await.expect("it is installed");
    let before = embed(&engine).expect("it runs");
    // Another manager is what another process would have.
    assert_eq!(world.manager().remove(&target(TASK)).await.expect("it is installed").models, 1);
    assert_eq!(embed(&engine).expect("it runs"), before);
}

#[tokio::test]
async fn what_is_replaced_stays_until_the_new_one_is_there() {
    let world = World::new();
    let first = world.installed().await;
    let used = first.usage().await.expect("readable").bytes;
    world.publish("v2", 7);
    world.settings.set_record(OPTIONS, record("embed", "v2"));
    let manager = world.builder("store").quota(used + 10).build().expect("a manager can be made");
    let update = manager.update(&NoProgress).await.expect("the store can be read").models.remove(0);
    assert_eq!((update.outcome, update.evicted), (ModelOutcome::Failed, vec![]));
    let error = update.error.expect("there is no room for both");
    check_error(&error, ErrorKind::NoSpace, &["org/tiny@v1 stays in use", "too many"]);
    assert_eq!(error.kind().exit_code(), 7);
    let engine = world.offline().engine(TASK).await.expect("it stays");
    assert_eq!(engine.info().expect("nothing forbids it").revision, "v1");

    let manager = world.builder("store").quota(used * 2).build().expect("a manager can be made");
    let update = manager.update(&NoProgress).await.expect("the store can be read").models.remove(0);
    assert_eq!(update.outcome, ModelOutcome::Updated);
}

#[tokio::test]
async fn an_update_that_evicts_another_model_says_so() {
    let world = World::new();
    world.hub.add_model("org/old", "v1", tiny_model_with_seed(300));
    let old =
        world.builder("store").clock(Arc::new(FixedClock::new(hour(0) - Duration::from_secs(3_000_000_000))));
    let old = old.build().expect("a manager can be made");
    old.pull(&selection("org/old@v1"), &NoProgress).await.expect("the hub has it");
    let manager = world.manager();
    manager.sync().await.expect("the settings are good");
    // Its name comes before that of the other in every list, so that it is looked at first.
    let query = Query::feature("f").and_then(|query| query.or_task(TASK)).expect("two names");
    let selection = manager.resolve(&query).await.expect("one record is for the task");
    manager.pull(&selection, &NoProgress).await.expect("the model is there");
    let quota = room_for_one_less(&manager).await;
    world.publish("v2", 7);
    world.settings.set_record(OPTIONS, record("embed", "v2"));
    let manager = world.builder("store").quota(quota).build().expect("a manager can be made");
    let updates = manager.update(&NoProgress).await.expect("the store can be read").models;
    assert_eq!(updates.len(), 1, "what is gone is not updated: {updates:?}");
    let evicted: Vec<_> =
        updates.iter().flat_map(|update| &update.evicted).map(|one| (&*one.model, &one.used_by[0])).collect();
    assert_eq!(evicted, [("org/old", &"model:org/old@v1".to_owned())], "{updates:?}");
    assert_eq!(names(&manager).await, ["org/tiny"]);
}

#[tokio::test]
async fn what_a_task_uses_stays_pinned_when_it_moves() {
    let world = World::new();
    let manager = world.installed().await;
    assert!(!listed(&manager).await[0].pinned);
    assert_eq!(manager.pin(&target(TASK)).await.expect("it is in use"), ["task:feature-extraction"]);
    world.publish("v2", 7);
    world.settings.set_record(OPTIONS, record("embed", "v2"));
    manager.update(&NoProgress).await.expect("the store can be read");
    let models = listed(&manager).await;
    assert_eq!((models.len(), &*models[0].revision, models[0].pinned), (1, "v2", true));
}

#[tokio::test]
async fn the_last_use_is_noted_once_an_hour() {
    let world = World::new();
    world.installed().await;
    let clock = Arc::new(FixedClock::new(hour(0)));
    let manager =
        world.builder("store").clock(Arc::clone(&clock) as _).build().expect("a manager can be made");
    let name = listed(&manager).await.remove(0);
    let name = mlmgr::ManifestName::new(name.hub, name.model, name.revision);
    let mut versions = Vec::new();
    for (minutes, used) in [(0, 0), (30, 0), (59, 0), (60, 60), (90, 60)] {
        clock.set(hour(0) + Duration::from_secs(minutes * 60));
        manager.engine(TASK).await.expect("it is installed");
        let (manifest, version) =
            manager.store().manifest(&name).await.expect("readable").expect("it is there");
        let seconds = hour(0).duration_since(std::time::UNIX_EPOCH).expect("it is later").as_secs();
        assert_eq!(manifest.used, seconds + used * 60, "after {minutes} minutes");
        versions.push(version);
    }
    versions.dedup();
    assert_eq!(versions.len(), 2, "nothing else was written");
}

#[tokio::test]
async fn what_only_the_shared_store_has_is_mapped_from_a_local_copy() {
    let world = World::new();
    let fs = |name: &str| Arc::new(FsStore::open(world.store(name)).expect("a store"));
    let shared = fs("shared");
    let tier =
        |local: &Arc<FsStore>| Arc::new(TieredStore::new(Arc::clone(local) as _, Arc::clone(&shared) as _));
    let (one, two) = (fs("one"), fs("two"));
    let first = world.builder("first").store(tier(&one)).build().expect("a manager can be made");
    let engine = first.ready(TASK, &NoProgress).await.expect("everything is there");
    let asked = world.requests();
    let second = world.builder("second").store(tier(&two)).build().expect("a manager can be made");
    let model = listed(&second).await.remove(0);
    let weights = mlmgr::ContentId::new(model.files[WEIGHTS].sha256, model.files[WEIGHTS].size);
    assert_eq!(two.local_path(weights), None);
    let other = second.engine(TASK).await.expect("it is installed");
    assert!(two.local_path(weights).is_some(), "it is here now");
    assert_eq!(embed(&other).expect("it runs"), embed(&engine).expect("it runs"));
    assert_eq!(world.requests(), asked, "no server was asked");
}

#[tokio::test]
async fn usage_tells_what_each_model_takes_and_what_is_left_over() {
    let world = World::empty();
    pulled(&world, &["a", "b"]).await;
    let manager = at(&world, 10, |builder| builder.quota(1 << 30).keep_free(7));
    manager.pin(&target("org/b@v1")).await.expect("it is in use");
    manager.store().put_bytes("orphan".into()).await.expect("it is put");
    let key = StageKey::new("https://hub.example/file", "etag");
    let stage = manager.store().stage_parts(&key, Expected::default()).await.expect("nobody has it");
    let mut part = stage.part(0..3).await.expect("it is free");
    part.write("abc".into()).await.expect("it is written");
    part.finish(None).await.expect("it is recorded");
    assert!(manager.usage().await.expect("readable").stages[0].owned);
    drop(stage);

    let usage = manager.usage().await.expect("readable");
    let [a, b] = &usage.models[..] else { panic!("two models") };
    assert_eq!((a.pinned, b.pinned, a.open), (false, true, false));
    assert!(0 < a.own_bytes && a.own_bytes < a.bytes);
    assert_eq!(usage.bytes, a.bytes + b.own_bytes + 6);
    assert_eq!((usage.unreferenced_bytes, usage.quota, usage.keep_free), (6, Some(1 << 30), 7));
    let [stage] = &usage.stages[..] else { panic!("one stage") };
    assert_eq!((stage.owned, stage.resumable, stage.bytes, usage.staged_bytes), (false, true, 3, 3));
    assert_eq!(a.own_bytes, manager.remove(&target("org/a")).await.expect("it is installed").bytes);
}
