//! What a task is run on.

use crate::program::{TASK, TEXT, World, ran, ran_with};

#[test]
fn standard_input_has_one_text_a_line() {
    let world = World::new();
    let expected = world.json(&["run", TASK, TEXT, "a dog"]);
    for arguments in [&["run", TASK, "--json"][..], &["run", TASK, "-", "--json"]] {
        let ran = ran_with(&mut world.command(arguments), format!("{TEXT}\na dog\n").as_bytes());
        assert_eq!(ran.code, Some(0), "{ran:?}");
        let report: serde_json::Value = serde_json::from_str(&ran.stdout).expect("it is JSON");
        assert_eq!(report["output"], expected["output"]);
    }
}

#[test]
fn bad_standard_input_is_refused_before_any_request() {
    let world = World::new();
    for (input, name) in [
        (&b""[..], "standard input is empty"),
        (b"one\n\ntwo\n", "line 2 of standard input is empty"),
        (b"one\nt\xffwo\n", "line 2 of standard input is not UTF-8"),
    ] {
        let ran = ran_with(&mut world.command(&["run", TASK]), input);
        assert_eq!(ran.code, Some(2), "{ran:?}");
        assert!(ran.stderr.contains(name), "{}", ran.stderr);
        assert!(ran.stderr.contains("hint: "), "{}", ran.stderr);
    }
    let ran = ran_with(&mut world.command(&["run", TASK]), &vec![b'a'; (16 << 20) + 1]);
    assert_eq!(ran.code, Some(9), "{ran:?}");
    assert_eq!(world.requests(), 0);
}

#[test]
fn more_lines_than_one_call_takes_are_no_failure() {
    let world = World::new();
    let texts = 4097;
    let ran = ran_with(&mut world.command(&["run", TASK, "--json"]), "a\n".repeat(texts).as_bytes());
    assert_eq!(ran.code, Some(0), "{}", ran.stderr);
    let report: serde_json::Value = serde_json::from_str(&ran.stdout).expect("it is JSON");
    assert_eq!(report["output"]["embeddings"].as_array().map(Vec::len), Some(texts));
}

#[cfg(unix)]
#[test]
fn an_argument_that_is_not_utf_8_is_refused() {
    use std::os::unix::ffi::OsStrExt;
    let world = World::new();
    let mut command = world.command(&["run", TASK, "good"]);
    let ran = ran(command.arg(std::ffi::OsStr::from_bytes(b"b\xffd")));
    assert_eq!(ran.code, Some(2), "{ran:?}");
    assert!(ran.stderr.contains("input 2 is not UTF-8"), "{}", ran.stderr);
}

#[test]
fn options_of_the_task_have_an_effect() {
    let world = World::new();
    let shape = |arguments: &[&str]| {
        let all = [&["run", TASK, TEXT][..], arguments].concat();
        let report = world.json(&all);
        let embedding = &report["output"]["embeddings"][0];
        let values = embedding["values"].as_array().expect("there are values");
        let length: f64 =
            values.iter().filter_map(serde_json::Value::as_f64).map(|value| value * value).sum();
        (embedding["shape"].as_array().expect("there is a shape").len(), (length - 1.0).abs() < 1e-4)
    };
    assert_eq!(shape(&[]), (1, true));
    assert_eq!(shape(&["--no-normalize"]), (1, false));
    assert_eq!(shape(&["--no-normalize", "--normalize"]), (1, true));
    assert_eq!(shape(&["--pooling", "none", "--no-normalize"]).0, 2);
    assert_eq!(shape(&["--pooling", "cls"]), (1, true));
}

#[test]
fn a_long_text_is_cut_and_that_is_said() {
    let world = World::new();
    let ran = world.run(&["run", TASK, &TEXT.repeat(50)]);
    assert_eq!(ran.code, Some(0), "{ran:?}");
    assert!(ran.stdout.contains("cut to what the model takes"), "{}", ran.stdout);
}

#[test]
fn a_closed_pipe_is_no_failure() {
    let world = World::new();
    let mut command = world.command(&["run", TASK, TEXT, "--json"]);
    let mut child = command.stdout(std::process::Stdio::piped()).spawn().expect("the program starts");
    drop(child.stdout.take());
    assert_eq!(child.wait().expect("it ends").code(), Some(0));
}
