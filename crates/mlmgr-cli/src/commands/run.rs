//! `mlmgr run`: a task on texts.

use mlmgr::{Embedding, EngineInfo, ErrorKind, Input, Output as Answer, RunOptions, cosine_similarity};
use serde_json::json;

use super::{Context, object, query, to_json};
use crate::{
    args::{Pooling, RunArgs},
    failure::Failure,
    input,
    output::Report,
    progress::progress,
    render::{table, vector},
};

/// The most texts whose similarities are shown to people.
const MATRIX_UP_TO: usize = 12;

/// How many texts are given to the engine at once.
const TEXTS_A_CALL: usize = 1024;

/// How much of a text stands before its numbers, in characters.
const TITLE: usize = 40;

pub(super) async fn run(context: &Context<'_>, args: &RunArgs) -> Result<Report, Failure> {
    let query = query(&args.task, &args.choice)?;
    let texts = input::texts(&args.inputs)?;
    let (engine, how) = match context.manager.engine(&query).await {
        Err(error) if error.kind() == ErrorKind::NotInstalled => {
            (context.manager.ready(query, &*progress(context.global)).await?, "")
        }
        installed => (installed?, "; it is installed, and no request was made"),
    };
    let pooling = match args.pooling {
        Pooling::None => mlmgr::Pooling::None,
        Pooling::Mean => mlmgr::Pooling::Mean,
        Pooling::Cls => mlmgr::Pooling::Cls,
    };
    let options = RunOptions { pooling, normalize: !args.no_normalize, ..RunOptions::default() };
    let info = engine.info()?;
    context.output.note(&format!("running {}@{}, file {}{how}", info.model, info.revision, info.file));
    let (answer, options) = compute(engine, texts.clone(), options).await?;
    let json = json!({
        "task": args.task, "engine": to_json(&info)?, "options": to_json(&options)?, "output": to_json(&answer)?,
    });
    Ok(Report { json: object("run", json), text: described(&texts, &answer, &info)?, failure: None })
}

/// Computes where it does not keep signals from being heard, as many texts at a time as a call takes.
async fn compute(
    engine: mlmgr::Engine,
    texts: Vec<String>,
    options: RunOptions,
) -> Result<(Answer, RunOptions), Failure> {
    let running = tokio::task::spawn_blocking(move || {
        let mut embeddings = Vec::new();
        for texts in texts.chunks(TEXTS_A_CALL) {
            match engine.run(&Input::Texts(texts.to_vec()), &options)? {
                Answer::Embeddings(more) => embeddings.extend(more),
                // One answer for all texts.
                other => return Ok((other, options)),
            }
        }
        Ok((Answer::Embeddings(embeddings), options))
    });
    running.await.map_err(|error| Failure::other(format!("the computation broke off: {error}")))?
}

/// Writes an answer for people.
fn described(texts: &[String], answer: &Answer, info: &EngineInfo) -> Result<String, Failure> {
    let Answer::Embeddings(embeddings) = answer else {
        return Err(Failure::unsupported(
            format!("the answer of {} can only be shown as JSON", info.task),
            "add --json",
        ));
    };
    let mut text = String::new();
    for (title, embedding) in texts.iter().zip(embeddings) {
        let shape: Vec<String> = embedding.shape.iter().map(ToString::to_string).collect();
        let cut = if embedding.truncated { ", cut to what the model takes" } else { "" };
        text.push_str(&format!(
            "{}\n  {} numbers from {} tokens{cut}: {}\n",
            short(title),
            shape.join(" x "),
            embedding.tokens,
            vector(&embedding.values)
        ));
    }
    if (2..=MATRIX_UP_TO).contains(&embeddings.len()) && embeddings.iter().all(|one| one.shape.len() == 1) {
        text.push_str("\nsimilarity (cosine):\n");
        text.push_str(&matrix(texts, embeddings));
    }
    Ok(text)
}

fn matrix(texts: &[String], embeddings: &[Embedding]) -> String {
    let mut head = vec![String::new()];
    head.extend((1..=embeddings.len()).map(|number| format!("{number:>6}")));
    let mut rows = vec![head];
    for (number, (one, title)) in embeddings.iter().zip(texts).enumerate() {
        let mut row = vec![(number + 1).to_string()];
        let similarity = |other: &Embedding| cosine_similarity(&one.values, &other.values);
        row.extend(embeddings.iter().map(|other| match similarity(other) {
            Some(similarity) => format!("{similarity:+.3}"),
            None => "none".to_owned(),
        }));
        row.push(short(title));
        rows.push(row);
    }
    table(&rows)
}

fn short(text: &str) -> String {
    let mut short: String = text.chars().take(TITLE).map(|c| if c.is_control() { ' ' } else { c }).collect();
    if text.chars().nth(TITLE).is_some() {
        short.push_str("...");
    }
    short
}
