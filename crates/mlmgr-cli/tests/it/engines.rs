//! The two engines behind `--engine`, in a build that has both.

use serde_json::{Value, json};

use crate::program::{MODEL, OPTIONS, TASK, TEXT, World};

#[test]
fn both_engines_give_the_same_answer_in_fp32() {
    let world = World::new();
    let record =
        json!({"id": "embed", "taskName": TASK, "modelId": MODEL, "modelRevision": "v1", "dtype": "fp32"});
    world.settings.set_record(OPTIONS, record);
    let embeddings = ["native", "candle-onnx"].map(|engine| {
        let report = world.json(&["run", TASK, TEXT, "--engine", engine]);
        numbers(&report["output"]["embeddings"][0]["values"])
    });
    let [native, reference] = embeddings;
    assert_eq!((native.len(), reference.len()), (16, 16));
    for (native, reference) in native.iter().zip(&reference) {
        assert!((native - reference).abs() < 1e-4, "{native} is not {reference}");
    }
    assert!(native.iter().any(|number| number.abs() > 0.01), "zeros would agree too");
}

#[test]
fn the_reference_engine_names_the_operator_it_lacks() {
    let world = World::new();
    let ran = world.run(&["run", TASK, TEXT, "--engine", "candle-onnx"]);
    assert_eq!(ran.code, Some(8), "{ran:?}");
    assert!(ran.stderr.contains("candle-onnx has no operator D"), "{}", ran.stderr);
}

fn numbers(values: &Value) -> Vec<f64> {
    values.as_array().expect("it is a list").iter().filter_map(Value::as_f64).collect()
}
