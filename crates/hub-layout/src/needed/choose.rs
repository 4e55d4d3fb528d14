//! Chooses files with what is known of the hub.

use super::{
    Backend, FileChoice, FileRequest, Inventory, MissingFileError, NeededFile, shards,
    tasks::{self, Family, Graphs},
};
use crate::{FileKind, RepoPath, WeightsFormat};

pub(super) fn choose(request: &FileRequest, known: &Inventory) -> Result<FileChoice, MissingFileError> {
    let task = tasks::family(request.task.as_str());
    let family = match request.backend {
        Some(Backend::LlamaCpp) => Family::Gguf,
        Some(Backend::StaticEmbeddings) => Family::StaticEmbeddings,
        Some(Backend::OpenAi) => Family::Nothing,
        // A task that no graph performs is none either for those who run graphs.
        Some(Backend::Candle | Backend::Onnx | Backend::OnnxNative | Backend::BestOnnx) | None => task,
    };
    let mut set = Set { request, known, files: Vec::new(), asked: Vec::new(), read: Vec::new() };
    let named = request.model_file.as_ref().map(|path| set.locate(path));
    match (family, named) {
        (Family::Nothing, None) => (),
        (Family::Gguf, None) => set.only(is_gguf, "GGUF")?,
        (Family::StaticEmbeddings, None) => set.static_embeddings()?,
        (family, Some(path)) => set.named(family.graphs(), path)?,
        (Family::Graphs(graphs), None) if request.backend == Some(Backend::Candle) => {
            set.configuration(&graphs)?;
            set.safetensors()?;
        }
        (Family::Graphs(graphs), None) => {
            set.configuration(&graphs)?;
            set.graphs(&graphs)?;
        }
    }
    if !set.files.is_empty() {
        set.optional("README.md", "the model card: what the model is for, its limits and its licence");
    }
    Ok(set.finish())
}

/// The answer while it grows.
pub(super) struct Set<'a> {
    pub(super) request: &'a FileRequest,
    pub(super) known: &'a Inventory,
    /// What is needed, as far as is known: of some it must be asked whether they are there.
    files: Vec<NeededFile>,
    /// What may stand in for others.
    asked: Vec<NeededFile>,
    /// What must be read before it is known what is needed.
    read: Vec<NeededFile>,
}

impl Set<'_> {
    fn finish(self) -> FileChoice {
        let Self { known, files, asked, read, .. } = self;
        let (unknown, there): (Vec<_>, Vec<_>) =
            files.into_iter().partition(|file| known.has(&file.path).is_none());
        let asked: Vec<NeededFile> = unknown.into_iter().chain(asked).collect();
        match (asked.is_empty(), read.is_empty()) {
            (false, _) => FileChoice::Ask(asked),
            (true, false) => FileChoice::Read(read),
            (true, true) => FileChoice::Ready(there),
        }
    }

    /// Takes a file, unless the hub is known to lack it.
    pub(super) fn push(&mut self, path: RepoPath, required: bool, reason: impl Into<String>) {
        match self.files.iter_mut().find(|file| file.path == path) {
            // What was optional may turn out to be the very file that was named.
            Some(file) if required && !file.required => (file.required, file.reason) = (true, reason.into()),
            Some(_) => (),
            None if self.known.has(&path) == Some(false) => (),
            None => self.files.push(needed(path, required, reason)),
        }
    }

    /// Asks for a file that may stand in for another.
    pub(super) fn ask(&mut self, path: RepoPath, reason: impl Into<String>) {
        let is_asked = self.asked.iter().chain(&self.files).any(|file| file.path == path);
        if !is_asked && self.known.has(&path).is_none() {
            self.asked.push(needed(path, false, reason));
        }
    }

    /// Notes that an index of shards must be read.
    pub(super) fn read(&mut self, path: RepoPath, reason: impl Into<String>) {
        self.read.push(needed(path, true, reason));
    }

    pub(super) fn required(
        &mut self,
        path: RepoPath,
        reason: impl Into<String>,
    ) -> Result<(), MissingFileError> {
        if self.known.has(&path) == Some(false) {
            return Err(MissingFileError::not_listed(path, self.request, self.request.dtype, self.known));
        }
        self.push(path, true, reason);
        Ok(())
    }

    pub(super) fn optional(&mut self, path: &'static str, reason: &str) {
        self.push(name(path), false, reason);
    }

    /// Returns the first of some files that the hub has, if none before it may yet turn out to be there.
    ///
    /// The first one is asked for alone, the others all at once when that is missing.
    pub(super) fn first(&self, candidates: Vec<(RepoPath, String)>) -> First {
        let mut unknown = Vec::new();
        for (n, (path, reason)) in candidates.into_iter().enumerate() {
            match self.known.has(&path) {
                Some(false) => (),
                Some(true) if unknown.is_empty() => return First::Found(path, reason),
                Some(true) => break,
                None if n == 0 => return First::Found(path, reason),
                None => unknown.push((path, reason)),
            }
        }
        if unknown.is_empty() { First::Missing } else { First::Open(unknown) }
    }

    /// What stands beside the weights.
    pub(super) fn configuration(&mut self, graphs: &Graphs) -> Result<(), MissingFileError> {
        self.required(name("config.json"), "the model's architecture and labels")?;
        let (path, reason) = ("tokenizer.json", "turns text into the token ids that the model reads");
        match graphs.tokenizer {
            Some(true) => self.required(name(path), reason)?,
            Some(false) => self.optional(path, reason),
            None => (),
        }
        self.processor(graphs.processor)?;
        if graphs.tokenizer.is_some() {
            self.optional("tokenizer_config.json", "options of the tokenizer, such as the longest input");
            self.optional("special_tokens_map.json", "which tokens begin, end and fill an input");
        }
        if graphs.processor.is_some() {
            self.optional("processor_config.json", "how several inputs are put together");
        }
        if graphs.generates || self.request.class.is_some_and(|class| class.generates()) {
            self.optional("generation_config.json", "defaults of generation, such as the longest output");
            self.optional("chat_template.jinja", "how a conversation becomes one text");
        }
        Ok(())
    }

    /// The processor of images or audio: newer models have it in `processor_config.json` alone.
    fn processor(&mut self, wanted: Option<bool>) -> Result<(), MissingFileError> {
        let reason = "says how images or audio become the numbers that the model reads";
        let [older, newer] = ["preprocessor_config.json", "processor_config.json"];
        let lacks = |path| self.known.has(&name(path)) == Some(false);
        match wanted {
            Some(true) if lacks(older) && !lacks(newer) => self.required(name(newer), reason),
            Some(true) => self.required(name(older), reason),
            Some(false) => {
                self.optional(older, reason);
                Ok(())
            }
            None => Ok(()),
        }
    }

    /// Where a file that was asked for is: as written, or in `onnx/`.
    fn locate(&self, path: &RepoPath) -> RepoPath {
        match format!("onnx/{path}").parse::<RepoPath>() {
            Ok(inside) if self.known.has(path) == Some(false) && self.known.has(&inside) != Some(false) => {
                inside
            }
            _ => path.clone(),
        }
    }

    /// What the file with the weights needs, when it was named.
    fn named(&mut self, graphs: Option<Graphs>, path: RepoPath) -> Result<(), MissingFileError> {
        let reason = "the weights; this file was asked for";
        match FileKind::of(&path) {
            FileKind::Weights { format: WeightsFormat::Gguf, .. } => self.shards(&path, reason),
            FileKind::StaticEmbeddings { .. } => self.embeddings(path, reason),
            kind => {
                if let Some(graphs) = graphs {
                    self.configuration(&graphs)?;
                }
                self.shards(&path, reason)?;
                match kind {
                    FileKind::Weights { format: WeightsFormat::Onnx, .. } => self.external_data(&path),
                    FileKind::WeightsIndex { .. } => self.indexed(&path),
                    _ => Ok(()),
                }
            }
        }
    }

    /// The file itself, and the other shards where its name is that of one of several.
    pub(super) fn shards(&mut self, path: &RepoPath, reason: &str) -> Result<(), MissingFileError> {
        match shards::of(path) {
            Some(all) => {
                all.into_iter().try_for_each(|shard| self.required(shard, format!("{reason}, in shards")))
            }
            None => self.required(path.clone(), reason),
        }
    }
}

/// What is known of the first of some files.
pub(super) enum First {
    /// It is this one, if it is there.
    Found(RepoPath, String),
    /// It may be one of these.
    Open(Vec<(RepoPath, String)>),
    /// There is none of them.
    Missing,
}

fn needed(path: RepoPath, required: bool, reason: impl Into<String>) -> NeededFile {
    NeededFile { kind: FileKind::of(&path), path, required, reason: reason.into() }
}

/// GGUF, without those that only turn images into tokens for another.
fn is_gguf(path: &RepoPath) -> bool {
    matches!(FileKind::of(path), FileKind::Weights { format: WeightsFormat::Gguf, .. })
        && !path.file_name().to_ascii_lowercase().starts_with("mmproj")
}

/// A name written in this crate.
pub(super) fn name(text: &'static str) -> RepoPath {
    text.parse().expect("a constant path is valid")
}
