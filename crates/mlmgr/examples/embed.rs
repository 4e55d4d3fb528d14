//! Compares two sentences with whatever model the settings name for feature-extraction, fetching it if need be.
//!
//! Asks Mozilla's production servers the first time, and nobody afterwards.

use mlmgr::{Input, Manager, NoProgress, Output, RunOptions, cosine_similarity};

#[tokio::main]
async fn main() -> Result<(), Box<dyn std::error::Error>> {
    let manager = Manager::open("target/models")?;
    let engine = manager.ready("feature-extraction", &NoProgress).await?;
    let texts = ["A cat sits on the mat.", "A kitten rests on a rug."].map(str::to_owned);
    let output = engine.run(&Input::Texts(texts.into()), &RunOptions::sentence_embedding())?;
    let Output::Embeddings(vectors) = output else { return Err("this task gives embeddings".into()) };
    println!("similarity {:?}", cosine_similarity(&vectors[0].values, &vectors[1].values));
    Ok(())
}
