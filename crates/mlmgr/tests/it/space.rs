//! Room: what goes to make some, what stays, and what is refused before it is fetched.

use std::{
    collections::BTreeMap,
    path::Path,
    sync::{Arc, Mutex},
    time::{Duration, SystemTime},
};

use blob_store::{BlobStoreExt, Expected, StageKey};
use mlmgr::{
    ErrorKind, Event, ExportMode, FixedClock, ImportSource, InstalledModel, Manager, ManagerBuilder,
    NoProgress, Observer, Selection, Target,
};
use testkit::onnx::tiny_model_with_seed;

use crate::world::{TASK, World, check_error};

/// Hours after a time that lies ahead of that of every file.
pub(crate) fn hour(hours: u64) -> SystemTime {
    SystemTime::UNIX_EPOCH + Duration::from_secs(4_000_000_000 + hours * 3600)
}

pub(crate) fn target(text: &str) -> Target {
    text.parse().expect("a target")
}

pub(crate) fn selection(model: &str) -> Selection {
    let Target::Model(model, revision) = target(model) else { panic!("a name with a slash is a model") };
    let dtype = Some("q8".parse().expect("a dtype"));
    Selection::of_model(model, revision, TASK.parse().expect("a task name"), dtype)
}

/// A manager at this hour that keeps to what `limits` sets.
pub(crate) fn at(world: &World, hours: u64, limits: impl Fn(ManagerBuilder) -> ManagerBuilder) -> Manager {
    let builder = world.builder("store").clock(Arc::new(FixedClock::new(hour(hours))));
    limits(builder).build().expect("a manager can be made")
}

/// Pulls `org/NAME@v1` for each name, an hour and more after the one before.
pub(crate) async fn pulled(world: &World, names: &[&str]) {
    for (seed, name) in names.iter().enumerate() {
        world.hub.add_model(&format!("org/{name}"), "v1", tiny_model_with_seed(100 + seed as u64));
        let manager = at(world, 2 * seed as u64, |builder| builder);
        let done = manager.pull(&selection(&format!("org/{name}@v1")), &NoProgress).await;
        assert_eq!(done.expect("the hub has it").evicted, [], "without limits nothing goes");
    }
}

pub(crate) async fn listed(manager: &Manager) -> Vec<InstalledModel> {
    manager.list().await.expect("the store can be read")
}

pub(crate) async fn names(manager: &Manager) -> Vec<String> {
    listed(manager).await.into_iter().map(|model| model.model).collect()
}

async fn stored(manager: &Manager) -> u64 {
    manager.usage().await.expect("the store can be read").bytes
}

/// A quota that one of the models has to leave for another: the hub does not say that small files are the same.
pub(crate) async fn room_for_one_less(manager: &Manager) -> u64 {
    let model = listed(manager).await.remove(0);
    stored(manager).await + model.bytes - model.own_bytes
}

/// Requests for files, as opposed to listings.
fn file_requests(world: &World) -> usize {
    world.hub.requests().iter().filter(|request| request.path().contains("/resolve/")).count()
}

/// Every file under a folder with its bytes.
fn snapshot(folder: &Path) -> BTreeMap<String, Vec<u8>> {
    let mut found = BTreeMap::new();
    for entry in std::fs::read_dir(folder).expect("the folder can be read") {
        let path = entry.expect("the entry can be read").path();
        if path.is_dir() {
            found.extend(snapshot(&path));
        } else {
            found.insert(path.display().to_string(), std::fs::read(&path).expect("it can be read"));
        }
    }
    found
}

#[tokio::test]
async fn a_quota_evicts_what_was_used_least_lately_and_spares_the_pinned() {
    let world = World::empty();
    pulled(&world, &["a", "b", "c"]).await;
    world.hub.add_model("org/d", "v1", tiny_model_with_seed(200));
    world.hub.add_model("org/e", "v1", tiny_model_with_seed(201));
    let manager = at(&world, 10, |builder| builder);
    assert_eq!(manager.pull(&selection("org/a@v1"), &NoProgress).await.expect("it is there").fetched, None);
    assert_eq!(manager.pin(&target("org/b")).await.expect("it is in use"), ["model:org/b@v1"]);
    let quota = room_for_one_less(&manager).await;

    let events = Arc::new(Mutex::new(Vec::new()));
    let seen = Arc::clone(&events);
    let progress = move |event: &Event<'_>| {
        seen.lock().expect("nobody panicked").push(match event {
            Event::Evicted { model, bytes, .. } => format!("{model} {bytes}"),
            Event::Planned { .. } => "planned".to_owned(),
            _ => String::new(),
        });
    };
    let own: BTreeMap<String, u64> =
        listed(&manager).await.into_iter().map(|model| (model.model, model.own_bytes)).collect();
    let bounded = at(&world, 12, |builder| builder.quota(quota));
    let done = bounded.pull(&selection("org/d@v1"), &progress).await.expect("there is room");
    let evicted: Vec<_> = done.evicted.iter().map(|one| (&*one.model, one.bytes)).collect();
    assert_eq!(evicted, [("org/c", own["org/c"])], "b is pinned, a was used since");
    assert_eq!(done.evicted[0].used_by, ["model:org/c@v1"]);
    assert_eq!(
        events.lock().expect("nobody panicked")[..2],
        [format!("org/c@v1 {}", own["org/c"]), "planned".to_owned()]
    );
    assert_eq!(names(&bounded).await, ["org/a", "org/b", "org/d"]);
    assert!(stored(&bounded).await <= quota);
    let left: Vec<String> =
        bounded.store().pins().await.expect("readable").into_iter().map(|p| p.name).collect();
    assert_eq!(left, ["model:org/a@v1", "model:org/b@v1", "model:org/d@v1"], "what used it is gone, too");

    bounded.unpin(&target("org/b")).await.expect("it is in use");
    bounded.pull(&selection("org/e@v1"), &NoProgress).await.expect("there is room");
    assert_eq!(names(&bounded).await, ["org/a", "org/d", "org/e"]);
    let error = bounded.pin(&target("org/b")).await.expect_err("it is gone");
    check_error(&error, ErrorKind::NotInstalled, &["org/b", "model:org/e@v1"]);
}

#[tokio::test]
async fn what_cannot_be_fetched_again_is_pinned() {
    let world = World::empty();
    pulled(&world, &["a", "b"]).await;
    let manager = at(&world, 10, |builder| builder);
    let folder = world.store("files");
    let exported =
        manager.export(&target("org/a"), &folder, ExportMode::Copy, false, Observer::default()).await;
    exported.expect("it can be written");
    let (model, revision) = ("org/home-made".parse().expect("a model"), "v1".parse().expect("a revision"));
    let source = ImportSource::Folder { folder, model, revision };
    let task = TASK.parse().expect("a task name");
    manager.import(&source, task, false, Observer::default()).await.expect("it can be read");
    let pinned: Vec<_> = listed(&manager).await.into_iter().map(|one| (one.model, one.pinned)).collect();
    let pinned: Vec<_> = pinned.iter().map(|(model, pinned)| (&**model, *pinned)).collect();
    assert_eq!(pinned, [("org/a", false), ("org/b", false), ("org/home-made", true)]);
}

#[tokio::test]
async fn what_interrupted_downloads_left_stays_for_a_week() {
    let world = World::empty();
    let clock = Arc::new(FixedClock::new(SystemTime::now()));
    let builder = world.builder("store").clock(Arc::clone(&clock) as _);
    let manager = builder.build().expect("a manager can be made");
    let key = StageKey::new("https://hub.example/file", "etag");
    let stage = manager.store().stage_parts(&key, Expected::default()).await.expect("nobody has it");
    let mut part = stage.part(0..3).await.expect("it is free");
    part.write("abc".into()).await.expect("it is written");
    part.finish(None).await.expect("it is recorded");
    drop(stage);
    for (days, left) in [(6, 1), (8, 0)] {
        clock.set(SystemTime::now() + Duration::from_secs(days * 24 * 3600));
        manager.follow(&NoProgress).await.expect("the store can be read");
        assert_eq!(manager.usage().await.expect("readable").stages.len(), left, "after {days} days");
    }
}

#[tokio::test]
async fn what_does_not_fit_is_refused_before_any_file_is_asked_for() {
    let world = World::empty();
    pulled(&world, &["a", "b"]).await;
    world.hub.add_model("org/c", "v1", tiny_model_with_seed(200));
    world.hub.http().forget_requests();
    let free = at(&world, 10, |builder| builder).usage().await.expect("readable").free.expect("a disk");
    let few = at(&world, 10, |builder| builder.quota(1000));
    let full = at(&world, 10, |builder| builder.keep_free(free * 2));
    few.store().put_bytes("garbage".into()).await.expect("it is put");
    for (manager, names_) in [(few, "of a quota of 1000 are taken"), (full, "must stay so")] {
        let before = snapshot(&world.store("store").join("models"));
        let error = manager.pull(&selection("org/c@v1"), &NoProgress).await.expect_err("there is no room");
        check_error(
            &error,
            ErrorKind::NoSpace,
            &[
                "no room for model:org/c@v1",
                "more bytes are needed",
                "too many",
                "are free",
                "could be evicted",
                names_,
            ],
        );
        let hint = error.hint().expect("there is a way out");
        assert!(hint.contains("mlmgr du") && hint.contains("mlmgr rm"), "{hint}");
        assert_eq!(error.kind().exit_code(), 7);
        assert_eq!(snapshot(&world.store("store").join("models")), before, "nothing went");
    }
    assert!(!world.hub.requests().is_empty(), "the listing was asked for");
    assert_eq!(file_requests(&world), 0);
}

#[tokio::test]
async fn a_plan_says_what_would_go_and_changes_nothing() {
    let world = World::empty();
    pulled(&world, &["a", "b"]).await;
    world.hub.add_model("org/c", "v1", tiny_model_with_seed(200));
    let quota = room_for_one_less(&at(&world, 10, |builder| builder)).await;
    let manager = at(&world, 10, |builder| builder.quota(quota));
    world.hub.http().forget_requests();
    let wanted = selection("org/c@v1");
    let before = snapshot(&world.store("store").join("models"));
    let plan = manager.plan(&wanted).await.expect("the hub has it");
    let space = manager.plan_space(&wanted, &plan).await.expect("a plan");
    let evict: Vec<_> = space.evict.iter().map(|one| &*one.manifest.model).collect();
    assert_eq!((evict, space.fits(), space.quota), (vec!["org/a"], true, Some(quota)));
    assert_eq!(space.to_fetch(), plan.bytes_to_fetch(), "also of files whose digests are not known");
    manager.check_space(&wanted, &space).expect("it fits");
    assert_eq!(snapshot(&world.store("store").join("models")), before);
    assert_eq!(file_requests(&world), 0);

    // Garbage goes before any model, and the plan knows.
    let garbage = vec![7; plan.bytes_to_fetch() as usize];
    manager.store().put_bytes(garbage.into()).await.expect("it is put");
    let roomy = at(&world, 10, |builder| builder.quota(quota + plan.bytes_to_fetch()));
    let space = roomy.plan_space(&wanted, &plan).await.expect("a plan");
    assert_eq!((space.evict.len(), space.fits()), (0, true), "{space:?}");
    assert_eq!(roomy.pull(&wanted, &NoProgress).await.expect("there is room").evicted, []);
    assert_eq!(names(&roomy).await, ["org/a", "org/b", "org/c"]);
}
