//! all-MiniLM-L6-v2, a model people use: similar sentences are near, others are not.

use std::{env, fs, path::Path};

use pipelines::{Embedding, LoadOptions, Pipeline, RunOptions, cosine_similarity};

use crate::support::{Files, distance, embed};

/// Reads the model in `folder`, or `None` if its graph is not there.
fn model(folder: &Path, onnx_file: &str) -> Option<Box<dyn Pipeline>> {
    let mut files = Files::new();
    for path in ["config.json", "tokenizer.json", "tokenizer_config.json", onnx_file] {
        files.insert(path.to_owned(), fs::read(folder.join(path)).ok()?.into());
    }
    let options = LoadOptions { onnx_file: onnx_file.to_owned(), ..LoadOptions::default() };
    Some(pipelines::load("feature-extraction", &files, &options).expect("the model loads"))
}

fn embeddings(pipeline: &dyn Pipeline, texts: &[&str]) -> Vec<Embedding> {
    embed(pipeline, texts, &RunOptions::sentence_embedding()).expect("the texts have embeddings")
}

fn similarity(pipeline: &dyn Pipeline, a: &str, b: &str) -> f32 {
    let pair = embeddings(pipeline, &[a, b]);
    cosine_similarity(&pair[0].values, &pair[1].values).expect("no embedding is zero")
}

fn check_similarities(pipeline: &dyn Pipeline) {
    let paraphrase = similarity(pipeline, "The cat sits outside.", "A cat is sitting outdoors.");
    let related = similarity(pipeline, "The cat sits outside.", "A dog plays in the garden.");
    let unrelated = similarity(pipeline, "The cat sits outside.", "Interest rates rose again in March.");
    assert!(paraphrase > 0.8, "paraphrase: {paraphrase}");
    assert!(unrelated < 0.2, "unrelated: {unrelated}");
    assert!(unrelated < related && related < paraphrase, "{unrelated} {related} {paraphrase}");

    let long = embeddings(pipeline, &[&"word ".repeat(300)]).remove(0);
    assert_eq!((long.tokens, long.truncated, long.shape), (128, true, vec![384]));
}

#[test]
fn the_int8_model_of_the_fixtures() {
    let folder = Path::new(env!("CARGO_MANIFEST_DIR"))
        .join("../../fixtures/hub/sentence-transformers/all-MiniLM-L6-v2");
    let pipeline =
        model(&folder, "onnx/model_quantized.onnx").expect("the fixture is part of the repository");
    check_similarities(&*pipeline);
}

#[test]
fn the_fp32_model() {
    let Some(models) = env::var_os("MLMGR_MODELS") else {
        println!("skipped: MLMGR_MODELS is not set");
        return;
    };
    let folder = Path::new(&models).join("all-MiniLM-L6-v2");
    let Some(pipeline) = model(&folder, "onnx/model.onnx") else {
        println!("skipped: {} has no onnx/model.onnx", folder.display());
        return;
    };
    check_similarities(&*pipeline);
    // What the model's card on the hub shows for this sentence.
    let known = embeddings(&*pipeline, &["This is an example sentence"]).remove(0);
    assert!(
        distance(&known.values[..4], &[0.067_657, 0.063_496, 0.048_713, 0.079_305]) < 1e-4,
        "{:?}",
        &known.values[..4]
    );
}
