//! Real models give the outputs that onnxruntime recorded.

use std::{
    env, fs,
    path::{Path, PathBuf},
};

use runtime::{LoadOptions, Model, Session, SessionOptions, Tensor, map_file};
use testkit::onnx::read_npz;

use crate::support::{cosine, largest_difference, tensor};

fn fixtures() -> PathBuf {
    Path::new(env!("CARGO_MANIFEST_DIR")).join("../../fixtures")
}

fn load(path: &Path) -> Session {
    let bytes = map_file(path).expect("the model file is there");
    let model = Model::load(bytes, &LoadOptions::default()).expect("the model is valid");
    Session::new(&model, &SessionOptions::default()).expect("the model is supported")
}

/// Runs the recorded inputs and hands each output with its expected elements to `check`.
fn replay(session: &Session, folder: &Path, case: &str, check: impl Fn(&str, &[f32], &[f32])) {
    let read = |kind: &str| {
        let path = folder.join(format!("{case}.{kind}.npz"));
        let bytes = fs::read(&path).unwrap_or_else(|error| panic!("{}: {error}", path.display()));
        read_npz(&bytes).expect("a recorded file")
    };
    let inputs = read("inputs");
    let inputs: Vec<(&str, Tensor)> =
        inputs.iter().map(|(name, array)| (name.as_str(), tensor(array))).collect();
    let outputs = session.run(&inputs).expect("the model runs");
    let expected = read("expected");
    assert_eq!(outputs.len(), expected.len(), "every output was recorded");
    for (name, found) in outputs {
        let expected = tensor(&expected[&name]);
        assert_eq!(found.shape(), expected.shape(), "{case} {name}");
        let (found, expected) = (found.as_f32().expect("floats"), expected.as_f32().expect("floats"));
        check(&format!("{case} {name}"), found, expected);
    }
}

fn is_close(what: &str, found: &[f32], expected: &[f32]) {
    let difference = largest_difference(found, expected);
    println!("{what}: largest difference {difference:e}");
    assert!(difference <= 1e-4, "{what}: largest difference {difference:e}");
}

fn points_the_same_way(what: &str, found: &[f32], expected: &[f32]) {
    let cosine = cosine(found, expected);
    println!("{what}: cosine {cosine:.6}, largest difference {:e}", largest_difference(found, expected));
    assert!(cosine >= 0.999, "{what}: cosine {cosine}");
}

#[test]
fn minilm_int8_equals_onnxruntime() {
    let hub = fixtures().join("hub/sentence-transformers/all-MiniLM-L6-v2/onnx/model_quantized.onnx");
    let session = load(&hub);
    let folder = fixtures().join("onnx/all-MiniLM-L6-v2");
    for case in ["model_quantized.b1_s16", "model_quantized.b1_s128"] {
        replay(&session, &folder, case, points_the_same_way);
    }
}

#[test]
fn every_recorded_model_equals_onnxruntime() {
    let Some(models) = env::var_os("MLMGR_MODELS").map(PathBuf::from) else {
        println!("skipped: MLMGR_MODELS is not set");
        return;
    };
    for name in ["all-MiniLM-L6-v2", "tiny-token-classification"] {
        let folder = models.join(name);
        let (floats, integers) =
            (load(&folder.join("onnx/model.onnx")), load(&folder.join("onnx/model_quantized.onnx")));
        for size in ["b1_s16", "b1_s128"] {
            replay(&floats, &folder.join("io"), &format!("model.{size}"), is_close);
            replay(&integers, &folder.join("io"), &format!("model_quantized.{size}"), points_the_same_way);
        }
    }
    let folder = models.join("mobilenetv2");
    replay(&load(&folder.join("onnx/model.onnx")), &folder.join("io"), "model.b1", is_close);
    let integers = load(&folder.join("onnx/model_quantized.onnx"));
    replay(&integers, &folder.join("io"), "model_quantized.b1", points_the_same_way);
}
