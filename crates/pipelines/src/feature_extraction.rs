//! The task `feature-extraction`: a text to the vectors of its tokens, or to one vector.

use crate::{
    Embedding, Error, ErrorKind, Input, Limits, LoadOptions, ModelFiles, Output, Pipeline, RunOptions,
    batch::{batches, place},
    encoder::Encoder,
    files,
    pooling::pool,
    tokenizer::{self, Tokenizer},
};

/// The name of the task.
pub(crate) const TASK: &str = "feature-extraction";

/// A tokenizer and an encoder.
#[derive(Debug)]
pub(crate) struct FeatureExtraction {
    tokenizer: Tokenizer,
    encoder: Encoder,
    limits: Limits,
}

impl FeatureExtraction {
    /// Reads `tokenizer.json`, the two configuration files where there are any, and the graph.
    pub(crate) fn load(files: &dyn ModelFiles, options: &LoadOptions) -> Result<Self, Error> {
        let limits = options.limits.clone();
        let file = files::required(files, tokenizer::FILE)?;
        let tokenizer_config = files::config(files, "tokenizer_config.json", limits.config_bytes)?;
        let config = files::config(files, "config.json", limits.config_bytes)?;
        let mut tokenizer = Tokenizer::load(&file, tokenizer_config.as_ref(), config.as_ref(), &limits)?;
        let encoder = Encoder::load(files, options)?;
        if let Some(width) = encoder.width() {
            tokenizer.limit_tokens(width)?;
        }
        Ok(Self { tokenizer, encoder, limits })
    }

    fn embeddings(&self, texts: &[String], options: &RunOptions) -> Result<Vec<Embedding>, Error> {
        if texts.is_empty() {
            return Err(Error::new(ErrorKind::InvalidInput, "there is no text to embed"));
        }
        if texts.len() > self.limits.texts {
            let (is, allowed) = (texts.len(), self.limits.texts);
            return Err(Error::limit(format!("there are {is} texts; {allowed} are allowed in one call")));
        }
        let tokens = texts.iter().map(|text| self.tokenizer.encode(text)).collect::<Result<Vec<_>, _>>()?;
        let counts: Vec<usize> = tokens.iter().map(|tokens| tokens.ids.len()).collect();
        if let Some(text) = counts.iter().position(|count| *count == 0) {
            let message = format!("text {} of {} has no token that the model knows", text + 1, texts.len());
            return Err(Error::new(ErrorKind::InvalidInput, message));
        }
        let lengths = self.tokenizer.lengths();
        let mut embeddings: Vec<Option<Embedding>> = vec![None; texts.len()];
        for batch in batches(&counts, self.encoder.alone(), self.encoder.width(), &self.limits) {
            let rows: Vec<_> = batch.texts.iter().map(|text| &tokens[*text]).collect();
            let hidden = self.encoder.run(&rows, batch.width, lengths, options)?;
            let values = hidden.values.as_f32().expect("the encoder gives floats");
            for ((text, row), values) in
                batch.texts.iter().zip(&rows).zip(values.chunks_exact(batch.width * hidden.width))
            {
                let place = place(row.ids.len(), batch.width, lengths);
                let values = &values[place.start * hidden.width..place.end * hidden.width];
                let (shape, values) = pool(values, hidden.width, options);
                embeddings[*text] =
                    Some(Embedding { shape, values, tokens: row.ids.len(), truncated: row.truncated });
            }
        }
        Ok(embeddings.into_iter().map(|embedding| embedding.expect("every text is in one batch")).collect())
    }
}

impl Pipeline for FeatureExtraction {
    fn task(&self) -> &str {
        TASK
    }

    fn run(&self, input: &Input, options: &RunOptions) -> Result<Output, Error> {
        match input {
            Input::Texts(texts) => self.embeddings(texts, options).map(Output::Embeddings),
        }
    }
}
