//! Which files of a model a task needs, and why.

mod error;
mod shards;
mod tasks;

use serde::{Deserialize, Serialize};

use crate::{Dtype, FileKind, RepoPath, Task, WeightsFormat};
use tasks::{Family, Graphs};

pub use error::MissingFileError;
pub use tasks::default_model;

/// Says what a model's files are wanted for.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[non_exhaustive]
pub struct FileRequest {
    /// What is to be done.
    pub task: Task,
    /// The number format; without one, [`Dtype::default`].
    #[serde(default)]
    pub dtype: Option<Dtype>,
    /// The file with the weights, instead of the one that task and number format lead to.
    #[serde(default)]
    pub model_file: Option<RepoPath>,
}

/// A file that is to be fetched, and the reason.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[non_exhaustive]
pub struct NeededFile {
    /// The file.
    pub path: RepoPath,
    /// What it is.
    pub kind: FileKind,
    /// Whether the task fails without it. One that is not required is fetched where the hub has it.
    pub required: bool,
    /// What it is for, in plain words, and why it stands in for another where it does.
    pub reason: String,
}

impl FileRequest {
    /// Asks for what `task` needs, with the default number format.
    pub fn new(task: Task) -> Self {
        Self { task, dtype: None, model_file: None }
    }

    /// Asks for a number format.
    #[must_use]
    pub fn with_dtype(mut self, dtype: Dtype) -> Self {
        self.dtype = Some(dtype);
        self
    }

    /// Names the file with the weights.
    #[must_use]
    pub fn with_model_file(mut self, path: RepoPath) -> Self {
        self.model_file = Some(path);
        self
    }
}

/// Returns the files that `request` needs.
///
/// With a `listing` of what the hub has, the answer is complete: optional files only where they are listed,
/// external data and further shards as listed, and another number format, in the order of
/// [`Dtype::fallbacks`], where the wanted one is missing (the reason says so). Graphs are looked for in
/// `onnx/`, then at the top.
///
/// Without a listing the answer is a proposal: the required files under their usual names, and the optional
/// ones for the caller to try.
///
/// A task that is not known gets what a model with one graph has: `config.json`, `onnx/model*.onnx`, and the
/// tokenizer's and processor's files where they exist. Nothing is returned twice.
///
/// # Errors
///
/// [`MissingFileError`] if a required file is not listed, or if the task leaves the choice of the file to
/// [`FileRequest::model_file`] and there is none, or more than one to choose from.
pub fn needed_files(
    request: &FileRequest,
    listing: Option<&[RepoPath]>,
) -> Result<Vec<NeededFile>, MissingFileError> {
    let family = tasks::family(request.task.as_str());
    let mut set = Set { request, listing, files: Vec::new() };
    let chosen = request.model_file.as_ref().map(|path| set.locate(path));
    match (family, chosen) {
        (Family::Nothing, None) => (),
        (Family::Gguf, None) => set.only(is_gguf, "GGUF")?,
        (Family::StaticEmbeddings, None) => set.static_embeddings()?,
        (family, Some(path)) => set.chosen(family.graphs(), path)?,
        (Family::Graphs(graphs), None) => {
            set.configuration(&graphs)?;
            set.graphs(&graphs)?;
        }
    }
    if !set.files.is_empty() {
        set.optional("README.md", "the model card: what the model is for, its limits and its licence");
    }
    Ok(set.files)
}

/// The answer while it grows.
struct Set<'a> {
    request: &'a FileRequest,
    listing: Option<&'a [RepoPath]>,
    files: Vec<NeededFile>,
}

impl Set<'_> {
    fn is_listed(&self, path: &RepoPath) -> bool {
        self.listing.is_some_and(|listing| listing.contains(path))
    }

    fn push(&mut self, path: RepoPath, required: bool, reason: impl Into<String>) {
        match self.files.iter_mut().find(|file| file.path == path) {
            // What was optional may turn out to be the very file that was named.
            Some(file) if required && !file.required => (file.required, file.reason) = (true, reason.into()),
            Some(_) => (),
            None => {
                let kind = FileKind::of(&path);
                self.files.push(NeededFile { path, kind, required, reason: reason.into() });
            }
        }
    }

    fn required(&mut self, path: RepoPath, reason: impl Into<String>) -> Result<(), MissingFileError> {
        if self.listing.is_some() && !self.is_listed(&path) {
            return Err(MissingFileError::not_listed(path, self.request, self.listing));
        }
        self.push(path, true, reason);
        Ok(())
    }

    fn optional(&mut self, path: &'static str, reason: &str) {
        let path = name(path);
        if self.listing.is_none() || self.is_listed(&path) {
            self.push(path, false, reason);
        }
    }

    /// What stands beside the weights.
    fn configuration(&mut self, graphs: &Graphs) -> Result<(), MissingFileError> {
        self.required(name("config.json"), "the model's architecture and labels")?;
        const TOKENIZER: (&str, &str) =
            ("tokenizer.json", "turns text into the token ids that the model reads");
        const PROCESSOR: (&str, &str) =
            ("preprocessor_config.json", "says how images or audio become the numbers that the model reads");
        for (wanted, (path, reason)) in [(graphs.tokenizer, TOKENIZER), (graphs.processor, PROCESSOR)] {
            match wanted {
                Some(true) => self.required(name(path), reason)?,
                Some(false) => self.optional(path, reason),
                None => (),
            }
        }
        if graphs.tokenizer.is_some() {
            self.optional("tokenizer_config.json", "options of the tokenizer, such as the longest input");
            self.optional("special_tokens_map.json", "which tokens begin, end and fill an input");
        }
        if graphs.processor.is_some() {
            self.optional("processor_config.json", "how several inputs are put together");
        }
        if graphs.generates {
            self.optional("generation_config.json", "defaults of generation, such as the longest output");
            self.optional("chat_template.jinja", "how a conversation becomes one text");
        }
        Ok(())
    }

    /// The ONNX graphs: the first set of base names for which everything is there.
    fn graphs(&mut self, graphs: &Graphs) -> Result<(), MissingFileError> {
        let [first, others @ ..] = graphs.bases else { return Ok(()) };
        let found = [*first]
            .into_iter()
            .chain(others.iter().copied())
            .find_map(|bases| bases.iter().map(|base| self.graph(base)).collect::<Option<Vec<_>>>());
        let Some(found) = found else {
            let missing = first.iter().find(|base| self.graph(base).is_none()).unwrap_or(&first[0]);
            let path = onnx_path("onnx/", missing, self.dtype());
            return Err(MissingFileError::not_listed(path, self.request, self.listing));
        };
        for (path, reason) in found {
            self.push(path.clone(), true, reason);
            self.external_data(&path);
        }
        Ok(())
    }

    /// The file of one graph, in the wanted number format or the nearest one there is.
    fn graph(&self, base: &str) -> Option<(RepoPath, String)> {
        let wanted = self.dtype();
        let asked = match self.request.dtype {
            Some(dtype) => format!("{dtype} was asked for"),
            None => format!("{wanted} is the default"),
        };
        if self.listing.is_none() {
            let path = onnx_path("onnx/", base, wanted);
            return Some((path, format!("the weights and graph {base:?}; {asked}")));
        }
        for folder in ["onnx/", ""] {
            for dtype in [wanted].into_iter().chain(wanted.fallbacks()) {
                if dtype.onnx_suffix().is_none() {
                    continue;
                }
                let path = onnx_path(folder, base, dtype);
                if self.is_listed(&path) {
                    let note = match dtype == wanted {
                        true => asked,
                        false => format!("{asked}, which the hub lacks; {dtype} is the nearest it has"),
                    };
                    return Some((path, format!("the weights and graph {base:?}; {note}")));
                }
            }
        }
        None
    }

    fn dtype(&self) -> Dtype {
        self.request.dtype.unwrap_or_default()
    }

    /// `<graph>_data`, `<graph>_data_1` and so on, and `<graph>.data`.
    fn external_data(&mut self, graph: &RepoPath) {
        let Some(listing) = self.listing else {
            if let Ok(path) = format!("{graph}_data").parse() {
                self.push(
                    path,
                    false,
                    format!("weights that {} keeps outside, if it does", graph.file_name()),
                );
            }
            return;
        };
        let belongs = |path: &&RepoPath| {
            let rest = path.as_str().strip_prefix(graph.as_str());
            rest.is_some_and(|rest| !rest.is_empty())
                && matches!(FileKind::of(path), FileKind::ExternalData { .. })
        };
        let mut chunks: Vec<&RepoPath> = listing.iter().filter(belongs).collect();
        chunks.sort_by_key(|path| match FileKind::of(path) {
            FileKind::ExternalData { chunk, .. } => chunk,
            _ => 0,
        });
        for path in chunks {
            self.push(path.clone(), true, format!("weights that {} keeps outside", graph.file_name()));
        }
    }

    /// Where a file that was asked for is: as written, or in `onnx/`.
    fn locate(&self, path: &RepoPath) -> RepoPath {
        let inside = format!("onnx/{path}").parse::<RepoPath>();
        match inside {
            Ok(inside) if !self.is_listed(path) && self.is_listed(&inside) => inside,
            _ => path.clone(),
        }
    }

    /// What the file with the weights needs, when it was named.
    fn chosen(&mut self, graphs: Option<Graphs>, path: RepoPath) -> Result<(), MissingFileError> {
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
                    _ => (),
                }
                Ok(())
            }
        }
    }

    /// The file itself, and the other shards where its name is that of one of several.
    fn shards(&mut self, path: &RepoPath, reason: &str) -> Result<(), MissingFileError> {
        match shards::of(path) {
            Some(all) => {
                all.into_iter().try_for_each(|shard| self.required(shard, format!("{reason}, in shards")))
            }
            None => self.required(path.clone(), reason),
        }
    }

    /// The shards of an index, as far as a listing shows them.
    fn indexed(&mut self, index: &RepoPath) {
        for path in self.listing.unwrap_or_default().iter().filter(|path| shards::belongs(index, path)) {
            self.push(path.clone(), true, format!("a shard of {}", index.file_name()));
        }
    }

    /// The one file of a sort, with its shards.
    fn only(&mut self, is: fn(FileKind) -> bool, sort: &'static str) -> Result<(), MissingFileError> {
        let all = |listing: &[RepoPath]| -> Vec<RepoPath> {
            listing.iter().filter(|path| is(FileKind::of(path))).cloned().collect()
        };
        let all = self.listing.map(all);
        let mut firsts = all.iter().flatten().filter(|path| shards::is_first(path));
        match (firsts.next(), firsts.next()) {
            (Some(path), None) => self.shards(path, &format!("the only {sort} file on the hub")),
            _ => Err(MissingFileError::not_chosen(sort, self.request, all)),
        }
    }

    /// The table in the wanted number format, with the longest vectors.
    fn static_embeddings(&mut self) -> Result<(), MissingFileError> {
        let mut tables: Vec<(&RepoPath, Dtype, u32)> = Vec::new();
        for path in self.listing.unwrap_or_default() {
            if let FileKind::StaticEmbeddings { dtype, dims } = FileKind::of(path) {
                tables.push((path, dtype, dims));
            }
        }
        let wanted = self.request.dtype.unwrap_or(Dtype::Fp32);
        let best = [wanted]
            .into_iter()
            .chain(wanted.fallbacks())
            .find_map(|dtype| tables.iter().filter(|table| table.1 == dtype).max_by_key(|table| table.2));
        match best {
            Some(&(path, dtype, dims)) => {
                self.embeddings(path.clone(), &format!("one vector of {dims} numbers a token, as {dtype}"))
            }
            None => Err(MissingFileError::not_chosen(
                "static embeddings",
                self.request,
                self.listing.map(|_| Vec::new()),
            )),
        }
    }

    /// A table of embeddings and the tokenizer beside it, compressed or not.
    fn embeddings(&mut self, table: RepoPath, reason: &str) -> Result<(), MissingFileError> {
        let beside = |name: &str| table.sibling(name).ok();
        let plain = beside("tokenizer.json");
        let compressed = beside("tokenizer.json.zst");
        let listed = [plain.clone(), compressed].into_iter().flatten().find(|path| self.is_listed(path));
        if let Some(tokenizer) = listed.or(plain) {
            self.required(tokenizer, "turns text into the token ids that the table is indexed by")?;
        }
        self.required(table, reason)
    }
}

fn is_gguf(kind: FileKind) -> bool {
    matches!(kind, FileKind::Weights { format: WeightsFormat::Gguf, .. })
}

/// A name written in this crate.
fn name(text: &'static str) -> RepoPath {
    text.parse().expect("a constant path is valid")
}

fn onnx_path(folder: &str, base: &str, dtype: Dtype) -> RepoPath {
    let suffix = dtype.onnx_suffix().unwrap_or_default();
    format!("{folder}{base}{suffix}.onnx").parse().expect("constant parts make a valid path")
}
