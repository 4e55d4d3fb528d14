//! Every kind of error: its exit code, one line that names the thing, and a way out.

use serde_json::{Value, json};
use testkit::http::{Fault, FaultKind};

use crate::program::{MODEL, OPTIONS, RULES, Ran, TASK, TEXT, World, ran, record};

/// Checks how a command failed, for people and for programs.
pub(crate) fn fails(world: &World, arguments: &[&str], code: i32, kind: &str, names: &[&str]) -> Ran {
    let people = world.run(arguments);
    assert_eq!(people.code, Some(code), "{people:?}");
    let line =
        people.stderr.lines().find(|line| line.starts_with("mlmgr: ")).expect("there is an error line");
    for name in names {
        assert!(line.contains(name), "{name:?} is not in: {line}");
    }
    let programs = ran(world.command(arguments).arg("--json"));
    assert_eq!(programs.code, Some(code), "{programs:?}");
    let error: Value = serde_json::from_str(programs.stderr.trim()).expect("the error is one JSON object");
    assert_eq!(error["error"]["kind"], kind, "{error}");
    assert_eq!(error["error"]["exit_code"], code);
    people
}

#[test]
fn usage_is_2() {
    let world = World::new();
    world.json(&["sync"]);
    fails(&world, &["resolve", "no task!"], 2, "invalid-input", &["no task!"]);
    fails(&world, &["pull", "a/b/c"], 2, "invalid-input", &["a/b/c"]);
    fails(&world, &["pull", "a/b@..", "-q"], 2, "invalid-input", &["a/b@.."]);
    fails(&world, &["pull", "a/b", "--dtype", "q99"], 2, "invalid-input", &["q99"]);
    fails(&world, &["pull", TASK, "--dtype", "q8"], 2, "invalid-input", &[TASK]);
    fails(&world, &["run", TASK, ""], 2, "invalid-input", &["input 1 is empty"]);
    for arguments in [&["no-such-command"][..], &["resolve"], &["sync", "--nope"], &["run", "-q", "-v", TASK]]
    {
        assert_eq!(world.run(arguments).code, Some(2), "{arguments:?}");
        let programs = ran(world.command(arguments).arg("--json"));
        let error: Value = serde_json::from_str(programs.stderr.trim()).expect("the error is JSON");
        assert_eq!((programs.code, &error["error"]["exit_code"]), (Some(2), &json!(2)));
    }
    let mut other = record("other", "v1");
    other["modelId"] = "org/other".into();
    world.settings.set_record(OPTIONS, other);
    world.json(&["sync"]);
    let ran = fails(&world, &["resolve", TASK], 2, "ambiguous", &["embed", "other"]);
    assert!(ran.stderr.contains("hint: choose one with --model"), "{}", ran.stderr);
    assert_eq!(world.json(&["resolve", TASK, "--model", MODEL])["selection"]["record"], "embed");
}

#[test]
fn the_network_is_3() {
    let world = World::new();
    fails(
        &world,
        &["run", TASK, TEXT, "--offline"],
        3,
        "offline",
        &["no model is installed for task feature-extraction"],
    );
    world.settings.stop();
    world.hub.stop();
    fails(&world, &["sync"], 3, "unavailable", &["settings server"]);
}

#[test]
fn a_hub_that_is_down_is_3_and_what_is_missing_is_said() {
    let world = World::new();
    world.json(&["sync"]);
    world.hub.stop();
    fails(&world, &["run", TASK, TEXT], 3, "unavailable", &["no model is installed", "org/tiny@v1"]);
}

#[test]
fn integrity_is_4() {
    let world = World::new();
    world.json(&["run", TASK, TEXT]);
    world.settings.tamper(OPTIONS, record("embed", "v2"));
    let ran = fails(&world, &["sync"], 4, "untrusted", &["ml-inference-options"]);
    assert!(ran.stdout.contains("what was verified before stays in use"), "{}", ran.stdout);
    assert_eq!(world.json(&["run", TASK, TEXT])["engine"]["revision"], "v1");
    world.settings.undo(OPTIONS);
    world.json(&["sync"]);

    world.settings.set_record(OPTIONS, record("embed", "v1"));
    let other = World::new();
    other.hub.fault(Fault::new("*model_quantized.onnx", FaultKind::FlipByte(9)));
    other.json(&["sync"]);
    fails(&other, &["pull", TASK], 4, "untrusted", &["onnx/model_quantized.onnx"]);
    let root = "0".repeat(64);
    fails(&other, &["sync", "--server-root", &root, "--store", "new"], 4, "untrusted", &[]);
}

#[test]
fn what_is_not_there_is_5() {
    let world = World::new();
    world.json(&["sync"]);
    fails(&world, &["resolve", "fill-mask"], 5, "not-found", &["fill-mask", TASK]);
    fails(&world, &["rm", TASK], 5, "not-installed", &[TASK]);
    fails(&world, &["rm", "a/b"], 5, "not-installed", &["a/b"]);
    fails(&world, &["pull", "a/b@v1"], 5, "not-found", &["a/b"]);
    fails(&world, &["pull", "org/tiny@v7"], 5, "not-found", &["v7"]);
    fails(&world, &["runtime", "pull"], 5, "not-found", &["ort-wasm"]);
}

#[test]
fn policy_is_6() {
    let world = World::new();
    let prefix = format!("{}/{MODEL}/", world.hub.url());
    world.settings.set_record(RULES, json!({"id": "d", "filter": "DENY", "urlPrefix": prefix}));
    world.json(&["sync"]);
    fails(&world, &["pull", TASK], 6, "denied", &["deny rule"]);
    let hub = ["plan", TASK, "--hub", "https://hub.example", "--offline"];
    fails(&world, &hub, 6, "denied", &["hub.example"]);
}

#[test]
fn storage_is_7() {
    let world = World::new();
    std::fs::write(world.path("file"), "not a folder").expect("the folder can be written to");
    let ran = world.run(&["sync", "--store", "file"]);
    assert_eq!(ran.code, Some(7), "{ran:?}");
}

#[cfg(unix)]
#[test]
fn a_full_disk_is_7_and_loses_nothing() {
    let world = World::new();
    world.json(&["sync"]);
    let pull = world.command(&["pull", TASK, "--json"]);
    // Files may have 8 KiB at most (or 4, by shell), which the weights do not fit in.
    let script = r#"trap '' XFSZ; ulimit -f 8; exec "$0" "$@""#;
    let mut limited = std::process::Command::new("/bin/sh");
    limited.args(["-c", script]).arg(pull.get_program()).args(pull.get_args());
    limited.current_dir(world.folder.path()).env_clear();
    limited.envs(pull.get_envs().filter_map(|(name, value)| Some((name, value?))));
    let ran = ran(&mut limited);
    assert_eq!(ran.code, Some(7), "{ran:?}");
    let error: Value = serde_json::from_str(ran.stderr.trim()).expect("the error is JSON");
    assert_eq!(error["error"]["kind"], "no-space", "{error}");
    assert_eq!(world.json(&["ls"])["models"], json!([]));
    assert_eq!(world.json(&["run", TASK, TEXT])["engine"]["revision"], "v1");
}

#[cfg(unix)]
#[test]
fn a_model_can_be_removed_where_nothing_can_be_written() {
    let world = World::new();
    world.json(&["run", TASK, TEXT]);
    let blobs = world.path("store/models/blobs");
    let rm = world.command(&["rm", TASK]);
    let mut limited = std::process::Command::new("/bin/sh");
    limited.args(["-c", r#"trap '' XFSZ; ulimit -f 0; exec "$0" "$@""#]);
    limited.arg(rm.get_program()).args(rm.get_args()).current_dir(world.folder.path()).env_clear();
    limited.envs(rm.get_envs().filter_map(|(name, value)| Some((name, value?))));
    // Here even the note that it is gone does not fit, but its files are.
    let ran = ran(&mut limited);
    assert_eq!(ran.code, Some(7), "{ran:?}");
    assert_eq!(files_under(&blobs), 0);
    world.json(&["rm", TASK]);
    assert_eq!(world.json(&["ls"])["models"], json!([]));
    assert_eq!(world.json(&["run", TASK, TEXT])["engine"]["revision"], "v1");
}

#[cfg(unix)]
fn files_under(folder: &std::path::Path) -> usize {
    let entries = std::fs::read_dir(folder).expect("the folder can be read");
    let paths = entries.map(|entry| entry.expect("the folder can be read").path());
    paths.map(|path| if path.is_dir() { files_under(&path) } else { 1 }).sum()
}

#[test]
fn models_that_cannot_run_are_8() {
    let world = World::new();
    let mut files = testkit::onnx::tiny_model();
    for (path, bytes) in &mut files {
        if path.ends_with(".onnx") {
            *bytes = b"not onnx".to_vec();
        }
    }
    world.hub.add_model(MODEL, "v1", files);
    fails(&world, &["run", TASK, TEXT], 8, "invalid-model", &["onnx/model_quantized.onnx"]);
    let mut files = testkit::onnx::tiny_model();
    for (_, bytes) in files.iter_mut().filter(|(path, _)| path == "tokenizer.json") {
        let mut tokenizer: Value = serde_json::from_slice(bytes).expect("the tokenizer is JSON");
        tokenizer["model"]["unk_token"] = "[NOT THERE]".into();
        *bytes = tokenizer.to_string().into_bytes();
    }
    world.hub.add_model(MODEL, "v2", files);
    world.settings.set_record(OPTIONS, record("embed", "v2"));
    world.json(&["sync", "--settings-only", "--store", "other"]);
    let other = ["run", TASK, "\u{4e00}", "--store", "other"];
    fails(&world, &other, 8, "invalid-model", &["tokenizer.json", "fails on a text"]);
    let mut task = record("mask", "v1");
    task["taskName"] = "fill-mask".into();
    world.settings.set_record(OPTIONS, task);
    world.json(&["sync"]);
    fails(&world, &["run", "fill-mask", TEXT], 8, "unsupported", &["fill-mask"]);
    if !cfg!(feature = "candle-onnx") {
        fails(&world, &["ls", "--engine", "candle-onnx"], 8, "unsupported", &["candle-onnx"]);
    }
}

#[cfg(unix)]
#[test]
fn an_interrupt_is_130_and_loses_nothing() {
    interrupted("-INT", 130);
}

#[cfg(unix)]
#[test]
fn a_termination_is_143_and_loses_nothing() {
    interrupted("-TERM", 143);
}

/// Sends a signal in the middle of a download.
#[cfg(unix)]
fn interrupted(signal: &str, code: i32) {
    let world = World::new();
    world.json(&["sync"]);
    world.hub.fault(Fault::new("*model_quantized.onnx", FaultKind::StallAfter(100)).times(1));
    let mut command = world.command(&["pull", TASK, "--progress", "plain"]);
    let mut child = command.stderr(std::process::Stdio::piped()).spawn().expect("the program starts");
    let stderr = child.stderr.take().expect("it was piped");
    let mut lines = std::io::BufRead::lines(std::io::BufReader::new(stderr));
    assert!(lines.any(|line| line.is_ok_and(|line| line.starts_with("fetching onnx/"))), "it began");
    let killed = std::process::Command::new("kill").args([signal, &child.id().to_string()]).status();
    assert!(killed.expect("kill is there").success());
    assert_eq!(child.wait().expect("it ends").code(), Some(code));
    world.hub.http().release();
    assert_eq!(world.json(&["ls"])["models"], json!([]));
    assert_eq!(world.json(&["run", TASK, TEXT])["engine"]["revision"], "v1");
}
