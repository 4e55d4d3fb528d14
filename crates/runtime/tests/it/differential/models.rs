//! Whole models on both engines.

use std::{env, fs, path::Path};

use runtime::{EngineKind, Tensor};
use testkit::onnx::{embedding_model, read_npz};

use super::case::{assert_same, run};
use crate::support::{i64s, largest_difference, tensor};

#[test]
fn a_tiny_bert_gives_the_same_on_both() {
    let model = embedding_model();
    let ids = i64s(&[2, 5], &[2, 15, 16, 20, 3, 2, 40, 3, 0, 0]);
    let mask = i64s(&[2, 5], &[1, 1, 1, 1, 1, 1, 1, 1, 0, 0]);
    let types = i64s(&[2, 5], &[0, 0, 1, 1, 1, 0, 0, 0, 0, 0]);
    let inputs = [("input_ids", ids), ("attention_mask", mask), ("token_type_ids", types)];
    let answer = |engine| run(&model, engine, &inputs).expect("it runs").remove(0).1;
    let native = answer(EngineKind::Native);
    assert_eq!(native.shape(), [2, 5, 16]);
    assert_same("the tiny model", &native, &answer(EngineKind::CandleOnnx));
}

#[test]
fn minilm_gives_the_same_on_both() {
    let Some(models) = env::var_os("MLMGR_MODELS") else {
        println!("skipped: MLMGR_MODELS is not set");
        return;
    };
    let folder = Path::new(&models).join("all-MiniLM-L6-v2");
    let read = |path: &str| fs::read(folder.join(path)).expect("the model folder has it");
    let recorded =
        |kind: &str| read_npz(&read(&format!("io/model.b1_s16.{kind}.npz"))).expect("recorded arrays");
    let model = read("onnx/model.onnx");
    let inputs = recorded("inputs");
    let inputs: Vec<(&str, Tensor)> =
        inputs.iter().map(|(name, array)| (name.as_str(), tensor(array))).collect();
    let answer = |engine| run(&model, engine, &inputs).expect("it runs").remove(0).1;
    let (native, reference) = (answer(EngineKind::Native), answer(EngineKind::CandleOnnx));
    let expected = tensor(&recorded("expected")["last_hidden_state"]);
    let apart = |a: &Tensor, b: &Tensor| {
        assert_eq!(a.shape(), b.shape());
        largest_difference(a.as_f32().expect("floats"), b.as_f32().expect("floats"))
    };
    for (what, a, b) in [
        ("native and reference", &native, &reference),
        ("native and onnxruntime", &native, &expected),
        ("reference and onnxruntime", &reference, &expected),
    ] {
        let difference = apart(a, b);
        println!("{what}: largest difference {difference:e}");
        assert!(difference < 1e-4, "{what}: {difference}");
    }
}
