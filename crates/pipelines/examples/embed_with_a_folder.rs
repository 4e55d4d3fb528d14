//! Embeds two sentences with a model folder: `cargo run -p pipelines --example embed_with_a_folder [FOLDER]`.

use std::{collections::BTreeMap, error::Error, fs, path::PathBuf};

use bytes::Bytes;
use pipelines::{Input, LoadOptions, Output, RunOptions, cosine_similarity};

fn main() -> Result<(), Box<dyn Error>> {
    let fixture =
        concat!(env!("CARGO_MANIFEST_DIR"), "/../../fixtures/hub/sentence-transformers/all-MiniLM-L6-v2");
    let folder = std::env::args_os().nth(1).map_or_else(|| PathBuf::from(fixture), PathBuf::from);
    let options = LoadOptions { onnx_file: "onnx/model_quantized.onnx".to_owned(), ..LoadOptions::default() };
    let mut files = BTreeMap::new();
    for path in ["tokenizer.json", "tokenizer_config.json", "config.json", &options.onnx_file] {
        files.insert(path.to_owned(), Bytes::from(fs::read(folder.join(path))?));
    }
    let pipeline = pipelines::load("feature-extraction", &files, &options)?;
    let texts = ["The cat sits outside.", "A cat is sitting outdoors."].map(str::to_owned);
    if let Output::Embeddings(found) =
        pipeline.run(&Input::Texts(texts.into()), &RunOptions::sentence_embedding())?
    {
        println!("similarity: {:?}", cosine_similarity(&found[0].values, &found[1].values));
    }
    Ok(())
}
