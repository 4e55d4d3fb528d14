//! Room, by the program: a quota, what it evicts and spares, what it refuses, and where the space is.

use serde_json::{Value, json};
use testkit::onnx::tiny_model_with_seed;

use crate::{
    exit_codes::fails,
    program::{TASK, TEXT, World, ran},
};

/// A world with `org/a` and `org/b` installed and `org/c` to be had, and a quota that is one model short.
fn short_of_room() -> (World, String) {
    let world = World::new();
    for (seed, model) in ["org/a", "org/b", "org/c"].iter().enumerate() {
        world.hub.add_model(model, "v1", tiny_model_with_seed(100 + seed as u64));
    }
    world.json(&["pull", "org/a@v1"]);
    world.json(&["pull", "org/b@v1"]);
    let usage = world.json(&["du"]);
    let number = |value: &Value| value.as_u64().expect("a number of bytes");
    let model = &usage["models"][0];
    // The hub does not say that the small files are the same.
    let quota = number(&usage["bytes"]) + number(&model["bytes"]) - number(&model["own_bytes"]);
    (world, quota.to_string())
}

fn models(world: &World) -> Vec<Value> {
    let report = world.json(&["ls"]);
    report["models"].as_array().expect("a list").iter().map(|model| model["model"].clone()).collect()
}

/// Requests for files, as opposed to listings.
fn file_requests(world: &World) -> usize {
    world.hub.requests().iter().filter(|request| request.path().contains("/resolve/")).count()
}

#[test]
fn a_quota_evicts_what_is_not_pinned_and_says_so() {
    let (world, quota) = short_of_room();
    for arguments in [&["plan", "org/c@v1"][..], &["pull", "org/c@v1", "--dry-run"]] {
        let ran = world.run(&[arguments, &["--quota", &quota]].concat());
        assert_eq!(ran.code, Some(0), "{ran:?}");
        assert!(ran.stdout.contains("org/a@v1 would be evicted: "), "{}", ran.stdout);
    }
    assert_eq!(models(&world), ["org/a", "org/b"], "nothing was changed");
    let plan = world.json(&["plan", "org/c@v1", "--quota", &quota]);
    assert_eq!(plan["space"]["evict"][0]["manifest"]["model"], "org/a");
    assert_eq!(plan["space"]["evict"][0]["pins"], json!(["model:org/a@v1"]));
    assert_eq!((&plan["fits"], &plan["space"]["needed"]), (&json!(true), &plan["bytes_to_fetch"]));

    let ran_ = world.run(&["pin", "org/a"]);
    assert_eq!(ran_.stdout, "model:org/a@v1: what it uses stays until it is removed\n");
    let listed = world.run(&["ls"]).stdout;
    assert!(listed.contains("model:org/a@v1 (pinned)"), "{listed}");
    let ran_ = ran(world.command(&["pull", "org/c@v1"]).env("MLMGR_QUOTA", &quota));
    assert_eq!(ran_.code, Some(0), "{ran_:?}");
    assert!(ran_.stderr.contains("evicted org/b@v1 to make room: "), "{}", ran_.stderr);
    assert!(ran_.stdout.contains("org/b@v1, used by model:org/b@v1, was evicted: "), "{}", ran_.stdout);
    assert_eq!(models(&world), ["org/a", "org/c"]);

    assert_eq!(world.json(&["unpin", "org/a"])["usages"], json!(["model:org/a@v1"]));
    let file = world.path("home-made.toml");
    std::fs::write(&file, format!("quota = '{quota}'")).expect("the folder can be written to");
    let file = file.to_str().expect("the path is UTF-8");
    let pulled = world.json(&["pull", "org/b@v1", "--config", file]);
    assert_eq!(pulled["installed"]["evicted"][0]["model"], "org/a");
    fails(&world, &["pin", "org/a"], 5, "not-installed", &["org/a", "model:org/c@v1"]);
}

#[test]
fn no_room_is_7_with_numbers_and_a_way_out() {
    let (world, _) = short_of_room();
    world.hub.http().forget_requests();
    let limits = [(["--quota", "1kB"], "of a quota of 1000"), (["--keep-free", "1000TiB"], "must stay so")];
    for (limit, numbers) in limits {
        let names = ["no room for model:org/c@v1", "more bytes are needed", "too many", "are free", numbers];
        let pull = [&["pull", "org/c@v1"][..], &limit].concat();
        let ran = fails(&world, &pull, 7, "no-space", &names);
        assert!(
            ran.stderr.contains("hint: see what takes space with mlmgr du, remove it with mlmgr rm"),
            "{ran:?}"
        );
        let plan = [&["plan", "org/c@v1"][..], &limit].concat();
        let ran = fails(&world, &plan, 7, "no-space", &names);
        assert!(ran.stdout.contains("it does not fit: "), "the plan is shown all the same: {}", ran.stdout);
        assert!(ran.stdout.contains("to fetch"), "{}", ran.stdout);
    }
    assert_eq!(file_requests(&world), 0);
    assert_eq!(models(&world), ["org/a", "org/b"]);
    // What is installed needs no room.
    world.json(&["pull", "org/a@v1", "--quota", "0"]);
    fails(&world, &["ls", "--quota", "much"], 2, "invalid-input", &["\"much\" is no size"]);
    fails(&world, &["ls", "--keep-free", "1.5"], 2, "invalid-input", &[]);
}

#[test]
fn a_run_makes_room_too() {
    let (world, quota) = short_of_room();
    let answer = ran(world.command(&["run", TASK, TEXT, "--quota", &quota]).arg("-q"));
    assert_eq!((answer.code, answer.stderr.as_str()), (Some(0), ""), "{answer:?}");
    assert_eq!(models(&world), ["org/b", "org/tiny"]);
}

#[test]
fn du_tells_where_the_space_is() {
    let world = World::new();
    assert!(world.run(&["du"]).stdout.contains("no model is installed"), "also of an empty store");
    let (world, quota) = short_of_room();
    world.json(&["pin", "org/b"]);
    let ran = world.run(&["du", "--quota", &quota, "--keep-free", "1KiB"]);
    assert_eq!(ran.code, Some(0), "{ran:?}");
    for part in [
        "OWN",
        "SHARED",
        "LAST USED",
        "just now",
        "(pinned)",
        " files\n",
        "a quota of ",
        ", 1.0 KiB to stay free; ",
    ] {
        assert!(ran.stdout.contains(part), "{part:?} is not in: {}", ran.stdout);
    }
    let usage = world.json(&["du", "--quota", &quota]);
    let (a, b) = (&usage["models"][0], &usage["models"][1]);
    assert_eq!((&a["pinned"], &b["pinned"], &a["open"]), (&json!(false), &json!(true), &json!(false)));
    assert_eq!(a["used_by"], json!(["model:org/a@v1"]));
    let number = |value: &Value| value.as_u64().expect("a number of bytes");
    assert_eq!(number(&usage["bytes"]), number(&a["bytes"]) + number(&b["own_bytes"]));
    assert_eq!((usage["quota"].to_string(), &usage["keep_free"]), (quota, &json!(0)));
    assert_eq!((&usage["stages"], &usage["unreferenced_bytes"]), (&json!([]), &json!(0)));
    let removed = world.json(&["rm", "org/a"]);
    assert_eq!(removed["removed"]["bytes"], a["own_bytes"], "as du said");
}

#[test]
fn what_an_interrupted_download_left_is_shown() {
    let (world, _) = short_of_room();
    let folder = world.path("store").join("models/staging");
    std::fs::create_dir_all(&folder).expect("the folder can be made");
    std::fs::write(folder.join("of-a-dead-process"), [0; 2048]).expect("it can be written");
    let ran = world.run(&["du"]);
    assert!(ran.stdout.contains("2.0 KiB in 1 file left by interrupted downloads\n"), "{}", ran.stdout);
    let usage = world.json(&["du"]);
    assert_eq!((&usage["staged_bytes"], &usage["stages"][0]["owned"]), (&json!(2048), &json!(false)));
}
