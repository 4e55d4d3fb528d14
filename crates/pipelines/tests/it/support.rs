//! A tiny model whose files a test can change, and short ways to run it.

use std::collections::BTreeMap;

use bytes::Bytes;
use pipelines::{Embedding, Error, Input, LoadOptions, Output, Pipeline, RunOptions};
use serde_json::Value;

/// The files of a model, by path.
pub(crate) type Files = BTreeMap<String, Bytes>;

/// The tiny model of the test kit: 16 numbers a vector, truncation at 24 tokens, 40 positions.
pub(crate) fn tiny() -> Files {
    testkit::onnx::tiny_model().into_iter().map(|(path, content)| (path, content.into())).collect()
}

/// The tiny model with one JSON file changed.
pub(crate) fn tiny_with(path: &str, change: impl FnOnce(&mut Value)) -> Files {
    let mut files = tiny();
    let mut value = serde_json::from_slice(&files[path]).expect("the tiny model's file is JSON");
    change(&mut value);
    files.insert(path.to_owned(), value.to_string().into());
    files
}

pub(crate) fn load(files: &Files) -> Result<Box<dyn Pipeline>, Error> {
    pipelines::load("feature-extraction", files, &LoadOptions::default())
}

pub(crate) fn embed(
    pipeline: &dyn Pipeline,
    texts: &[&str],
    options: &RunOptions,
) -> Result<Vec<Embedding>, Error> {
    let texts = Input::Texts(texts.iter().map(|text| (*text).to_owned()).collect());
    match pipeline.run(&texts, options)? {
        Output::Embeddings(embeddings) => Ok(embeddings),
        other => panic!("feature extraction gave {other:?}"),
    }
}

/// Embeds one text with the defaults: one vector a token.
pub(crate) fn tokens_of(files: &Files, text: &str) -> Embedding {
    let pipeline = load(files).expect("the model loads");
    embed(&*pipeline, &[text], &RunOptions::default()).expect("the text has an embedding").remove(0)
}

/// Returns the largest difference between two vectors.
pub(crate) fn distance(a: &[f32], b: &[f32]) -> f32 {
    assert_eq!(a.len(), b.len());
    a.iter().zip(b).map(|(a, b)| (a - b).abs()).fold(0.0, f32::max)
}
