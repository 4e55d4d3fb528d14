//! Weights without graphs: GGUF, safetensors and static embeddings.

use super::{
    MissingFileError,
    choose::{First, Set, name},
    shards,
};
use crate::{Dtype, FileKind, RepoPath, WeightsFormat};

impl Set<'_> {
    /// The one file of a sort, with its shards.
    pub(super) fn only(
        &mut self,
        is: fn(&RepoPath) -> bool,
        sort: &'static str,
    ) -> Result<(), MissingFileError> {
        let known = self.known;
        let all: Vec<&RepoPath> = known.files().filter(|path| known.is_complete() && is(path)).collect();
        let mut firsts = all.iter().filter(|path| shards::is_first(path));
        match (firsts.next(), firsts.next()) {
            (Some(path), None) => self.shards(path, &format!("the only {sort} file on the hub")),
            _ => Err(MissingFileError::not_chosen(sort, self.request, known.is_complete(), all)),
        }
    }

    /// One file of safetensors, or an index with its shards.
    pub(super) fn safetensors(&mut self) -> Result<(), MissingFileError> {
        const WHOLE: &str = "model.safetensors";
        const INDEX: &str = "model.safetensors.index.json";
        let mut candidates = Vec::new();
        if self.request.dtype == Some(Dtype::Fp16) {
            candidates.push((name("model.fp16.safetensors"), "the weights; fp16 was asked for".to_owned()));
        }
        candidates.push((name(WHOLE), "the weights".to_owned()));
        candidates.push((name(INDEX), "says which shard of the weights has which tensor".to_owned()));
        match self.first(candidates) {
            First::Found(path, reason) => {
                self.push(path.clone(), true, reason);
                if path.as_str() == INDEX { self.indexed(&path) } else { Ok(()) }
            }
            First::Open(candidates) => {
                candidates.into_iter().for_each(|(path, reason)| self.ask(path, reason));
                Ok(())
            }
            First::Missing if self.known.is_complete() => self.only(is_safetensors, "safetensors"),
            First::Missing => self.required(name(WHOLE), "the weights"),
        }
    }

    /// The shards of an index: as it says itself, or as far as a listing shows them.
    pub(super) fn indexed(&mut self, index: &RepoPath) -> Result<(), MissingFileError> {
        let known = self.known;
        let reason = format!("a shard of {}", index.file_name());
        if let Some(shards) = known.shards(index) {
            return shards.iter().try_for_each(|path| self.required(path.clone(), reason.as_str()));
        }
        if !known.is_complete() {
            if known.has(index) == Some(true) {
                self.read(index.clone(), "says which shard of the weights has which tensor");
            }
            return Ok(());
        }
        for path in known.files().filter(|path| shards::belongs(index, path)) {
            self.push(path.clone(), true, reason.as_str());
        }
        Ok(())
    }

    /// The table in the wanted number format, with the longest vectors.
    pub(super) fn static_embeddings(&mut self) -> Result<(), MissingFileError> {
        let known = self.known;
        let mut tables: Vec<(&RepoPath, Dtype, u32)> = Vec::new();
        for path in known.files().filter(|_| known.is_complete()) {
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
                let note = match dtype == wanted {
                    true => String::new(),
                    false => format!("; the hub lacks {wanted}, and this is the nearest it has"),
                };
                self.embeddings(
                    path.clone(),
                    &format!("one vector of {dims} numbers a token, as {dtype}{note}"),
                )
            }
            None => {
                let (sort, listed) = ("static embeddings", known.is_complete());
                Err(MissingFileError::not_chosen(sort, self.request, listed, Vec::new()))
            }
        }
    }

    /// A table of embeddings and the tokenizer beside it, compressed as the table is, or else the other way.
    pub(super) fn embeddings(&mut self, table: RepoPath, reason: &str) -> Result<(), MissingFileError> {
        let mut names = ["tokenizer.json", "tokenizer.json.zst"];
        if table.file_name().ends_with(".zst") {
            names.reverse();
        }
        let tokenizer = "turns text into the token ids that the table is indexed by";
        let beside: Vec<_> = names
            .into_iter()
            .filter_map(|name| Some((table.sibling(name).ok()?, tokenizer.to_owned())))
            .collect();
        let usual = beside.first().map(|(path, _)| path.clone());
        match (self.first(beside), usual) {
            (First::Found(path, _), _) => self.push(path, true, tokenizer),
            (First::Open(candidates), _) => {
                candidates.into_iter().for_each(|(path, reason)| self.ask(path, reason));
            }
            (First::Missing, Some(path)) => self.required(path, tokenizer)?,
            (First::Missing, None) => (),
        }
        self.required(table, reason)
    }
}

fn is_safetensors(path: &RepoPath) -> bool {
    matches!(FileKind::of(path), FileKind::Weights { format: WeightsFormat::Safetensors, .. })
}
