//! The main job, by the program: from a signed record to an answer.

use testkit::{
    http::{Fault, FaultKind},
    onnx::tiny_model,
};

use crate::program::{MODEL, OPTIONS, RUNTIMES, TASK, TEXT, World, ran, record};

#[test]
fn from_a_record_to_an_answer_and_on_to_the_next() {
    let world = World::new();
    let ran = world.run(&["sync"]);
    assert_eq!(ran.code, Some(0), "{ran:?}");
    assert!(ran.stdout.contains("ml-inference-options: updated and verified: 1 new"), "{}", ran.stdout);

    let ran = world.run(&["resolve", TASK]);
    assert!(ran.stdout.contains("feature-extraction uses org/tiny@v1, dtype q8"), "{}", ran.stdout);
    assert!(
        ran.stdout.contains(
            "- record embed was chosen: it is the only one there is, and for task feature-extraction"
        ),
        "{}",
        ran.stdout
    );

    let plan = world.json(&["plan", TASK]);
    assert_eq!(plan["bytes_to_fetch"], plan["total_bytes"]);
    assert!(plan["plan"]["files"].as_array().is_some_and(|files| files.len() > 3));
    assert_eq!(world.json(&["ls"])["models"], serde_json::json!([]));

    let ran = world.run(&["pull", TASK]);
    assert!(ran.stdout.contains("org/tiny@v1 is installed from 127.0.0.1"), "{}", ran.stdout);
    assert!(ran.stderr.contains("fetching onnx/model_quantized.onnx ("), "{}", ran.stderr);
    assert!(ran.stderr.contains("verified onnx/model_quantized.onnx"), "{}", ran.stderr);

    let requests = world.requests();
    let ran = world.run(&["run", TASK, TEXT, "a big dog", "The cat sleeps!"]);
    assert_eq!(ran.code, Some(0), "{ran:?}");
    assert!(ran.stdout.contains("16 numbers from"), "{}", ran.stdout);
    assert!(ran.stdout.contains("similarity (cosine):"), "{}", ran.stdout);
    assert_eq!(ran.stdout.matches("+1.000").count(), 3, "{}", ran.stdout);
    let first = world.json(&["run", TASK, TEXT]);
    assert_eq!(first["engine"]["revision"], "v1");
    assert_eq!(first["output"]["embeddings"][0]["values"].as_array().map(Vec::len), Some(16));
    assert_eq!(world.json(&["pull", TASK])["installed"]["fetched"], serde_json::Value::Null);
    assert_eq!(world.requests(), requests, "what is installed needs no request");

    world.change_record();
    let ran = world.run(&["sync"]);
    assert!(ran.stdout.contains("moved from org/tiny@v1 to org/tiny@v2"), "{}", ran.stdout);
    assert!(ran.stdout.contains("1 old file removed"), "{}", ran.stdout);
    let second = world.json(&["run", TASK, TEXT]);
    assert_eq!(second["engine"]["revision"], "v2");
    assert_ne!(first["output"], second["output"]);
    let models = world.json(&["ls"]);
    assert_eq!(models["models"].as_array().map(Vec::len), Some(1));
    assert_eq!(models["models"][0]["used_by"][0], "task:feature-extraction");

    world.settings.stop();
    world.hub.stop();
    assert_eq!(world.json(&["run", TASK, TEXT])["output"], second["output"]);
    let ran = world.run(&["run", TASK, TEXT]);
    assert!(ran.stderr.contains("it is installed, and no request was made"), "{}", ran.stderr);
    let ran = world.run(&["rm", TASK]);
    assert!(ran.stdout.contains("1 model and"), "{}", ran.stdout);
    assert_eq!(world.json(&["ls"])["models"], serde_json::json!([]));
}

#[test]
fn run_alone_does_it_all() {
    let world = World::new();
    assert_eq!(world.json(&["run", TASK, TEXT])["engine"]["model"], MODEL);
}

#[test]
fn settings_only_stops_early() {
    let world = World::new();
    world.json(&["run", TASK, TEXT]);
    world.change_record();
    let report = world.json(&["sync", "--settings-only"]);
    assert_eq!(report["models"], serde_json::json!([]));
    assert_eq!(report["settings"][0]["updated"][0], "embed");
    assert_eq!(world.json(&["run", TASK, TEXT])["engine"]["revision"], "v1");
    assert_eq!(world.json(&["sync"])["models"][0]["outcome"], "updated");
}

#[test]
fn a_failed_update_says_why_and_the_old_model_runs() {
    let world = World::new();
    world.json(&["run", TASK, TEXT]);
    world.change_record();
    world.hub.fault(Fault::new("*model_quantized.onnx", FaultKind::FlipByte(1000)));
    let ran = ran(world.command(&["sync", "--json"]).arg("-v"));
    assert_eq!(ran.code, Some(4), "{ran:?}");
    let report: serde_json::Value = serde_json::from_str(&ran.stdout).expect("the report comes all the same");
    assert_eq!(report["models"][0]["outcome"], "failed");
    assert_eq!(report["models"][0]["error"]["exit_code"], 4);
    let last = ran.stderr.lines().last().expect("there is an error");
    let error: serde_json::Value = serde_json::from_str(last).expect("the error is JSON");
    assert_eq!(error["error"]["kind"], "untrusted");
    assert!(ran.stderr.contains("request: GET http://127.0.0.1"), "-v shows requests: {}", ran.stderr);
    assert_eq!(world.json(&["run", TASK, TEXT])["engine"]["revision"], "v1");
}

#[test]
fn models_can_be_named_outright() {
    let world = World::new();
    let pulled = world.json(&["pull", "org/tiny@v1", "--dtype", "fp32"]);
    assert_eq!(pulled["installed"]["usage"], "model:org/tiny@v1");
    assert!(world.run(&["rm", "org/tiny"]).stdout.contains("1 model and"));
}

#[test]
fn a_record_that_cannot_be_read_is_named() {
    let world = World::new();
    world.json(&["run", TASK, TEXT]);
    let mut unknown = record("embed", "v2");
    unknown["dtype"] = "q99".into();
    world.settings.set_record(OPTIONS, unknown);
    let ran = world.run(&["sync"]);
    assert_eq!(ran.code, Some(0), "{ran:?}");
    assert!(ran.stdout.contains("record embed was left out: dtype"), "{}", ran.stdout);
    assert_eq!(world.json(&["run", TASK, TEXT])["engine"]["revision"], "v1");
}

#[test]
fn a_runtime_file_can_be_written_out() {
    let world = World::new();
    for (id, version) in [("r1", "5.2.0"), ("r2", "5.10.0"), ("r3", "6.0.0")] {
        let name = mlmgr_name();
        world.settings.set_record(RUNTIMES, serde_json::json!({"id": id, "name": name, "version": version}));
        world.settings.set_attachment(RUNTIMES, id, name, format!("runtime {version}"));
    }
    world.json(&["sync"]);
    let out = world.path("runtime.wasm");
    let report = world.json(&["runtime", "pull", "--out", out.to_str().expect("the path is UTF-8")]);
    assert_eq!(report["runtime"]["version"], "5.10.0");
    assert_eq!(std::fs::read(out).expect("the copy is there"), b"runtime 5.10.0");
}

/// The file that `mlmgr runtime pull` fetches by default.
fn mlmgr_name() -> &'static str {
    "ort-wasm-simd-threaded.jsep.wasm"
}

#[test]
fn the_mozilla_layout_and_templates_work() {
    let world = World::new();
    let hub = testkit::hub::HubServer::start(testkit::hub::HubOptions::mozilla());
    hub.add_model(MODEL, "v1", tiny_model());
    let url = hub.url();
    for (layout, store) in [("mozilla", "one"), ("{model}/{revision}", "two")] {
        let store = world.path(store);
        let store = store.to_str().expect("the path is UTF-8");
        let place = ["run", TASK, TEXT, "--hub", &url, "--hub-layout", layout, "--store", store];
        assert_eq!(world.json(&place)["engine"]["revision"], "v1", "{layout}");
    }
    world.settings.set_record(OPTIONS, record("embed", "v1"));
}

#[test]
fn the_first_command_fetches_the_settings() {
    for arguments in [&["resolve", TASK][..], &["plan", TASK], &["pull", TASK], &["run", TASK, TEXT]] {
        let world = World::new();
        let offline = world.run(&[arguments, &["--offline"]].concat());
        assert_eq!(offline.code, Some(3), "{offline:?}");
        assert!(offline.stderr.contains("the settings were never fetched"), "{}", offline.stderr);
        assert_eq!(world.requests(), 0);
        world.json(arguments);
        world.settings.forget_requests();
        world.json(arguments);
        assert!(world.settings.requests().is_empty(), "{arguments:?} asks once");
    }
}
