//! ONNX graphs and the weights that they keep outside.

use super::{
    MissingFileError,
    choose::{First, Set},
    config::MAX_CHUNKS,
    tasks::Graphs,
};
use crate::{Dtype, FileKind, RepoPath};

impl Set<'_> {
    /// The ONNX graphs: the first set of base names for which everything is there.
    pub(super) fn graphs(&mut self, graphs: &Graphs) -> Result<(), MissingFileError> {
        let of_class = self.request.class.map_or(&[][..], |class| class.bases(graphs.processor.is_none()));
        let mut missing = None;
        for bases in of_class.iter().chain(graphs.bases) {
            let found: Vec<First> = bases.iter().map(|base| self.graph(base)).collect();
            if let Some(at) = found.iter().position(|first| matches!(first, First::Missing)) {
                missing.get_or_insert(bases[at]);
                continue;
            }
            // As long as another set may be taken, what this one lacks is no error.
            let is_there =
                |first: &First| matches!(first, First::Found(path, _) if self.known.has(path) == Some(true));
            let settled = found.iter().all(is_there);
            for first in found {
                match first {
                    First::Found(path, reason) => {
                        self.push(path.clone(), true, reason);
                        let whole = self.external_data(&path);
                        if settled {
                            whole?;
                        }
                    }
                    First::Open(candidates) => {
                        candidates.into_iter().for_each(|(path, reason)| self.ask(path, reason));
                    }
                    First::Missing => unreachable!("a set with a missing graph was left above"),
                }
            }
            return Ok(());
        }
        match missing {
            Some(base) => {
                let (wanted, dtype) = (self.dtype(base), self.asked_dtype(base));
                let path = onnx_path("onnx/", base, wanted);
                Err(MissingFileError::not_listed(path, self.request, dtype, self.known))
            }
            None => Ok(()),
        }
    }

    /// The file of one graph, in the wanted number format or the nearest one there is.
    fn graph(&self, base: &str) -> First {
        let wanted = self.dtype(base);
        let asked = match self.asked_dtype(base) {
            Some(dtype) => format!("{dtype} was asked for"),
            None => format!("{wanted} is the default"),
        };
        let mut candidates = Vec::new();
        for folder in ["onnx/", ""] {
            for dtype in [wanted].into_iter().chain(wanted.fallbacks()) {
                if dtype.onnx_suffix().is_none() {
                    continue;
                }
                let note = match dtype == wanted {
                    true => asked.clone(),
                    false => format!("{asked}, which the hub lacks; {dtype} is the nearest it has"),
                };
                let reason = format!("the weights and graph {base:?}; {note}");
                candidates.push((onnx_path(folder, base, dtype), reason));
            }
        }
        self.first(candidates)
    }

    fn dtype(&self, base: &str) -> Dtype {
        self.asked_dtype(base).unwrap_or_default()
    }

    fn asked_dtype(&self, base: &str) -> Option<Dtype> {
        self.request.graph_dtypes.get(base).copied().or(self.request.dtype)
    }

    /// `<graph>_data`, `<graph>_data_1` and so on, and `<graph>.data` where it is listed.
    pub(super) fn external_data(&mut self, graph: &RepoPath) -> Result<(), MissingFileError> {
        let outside = format!("weights that {} keeps outside", graph.file_name());
        let known = self.known;
        let belongs = |path: &&RepoPath| {
            let rest = path.as_str().strip_prefix(graph.as_str());
            rest.is_some_and(|rest| !rest.is_empty())
                && matches!(FileKind::of(path), FileKind::ExternalData { .. })
        };
        let mut listed: Vec<&RepoPath> = match known.is_complete() {
            true => known.files().filter(belongs).collect(),
            false => Vec::new(),
        };
        listed.sort_by_key(|path| match FileKind::of(path) {
            FileKind::ExternalData { chunk, .. } => chunk,
            _ => 0,
        });
        if let Some(announced) = &self.request.external_data {
            // A listing knows better by what name they go, and whether there are more.
            let is_elsewhere = listed.iter().any(|path| path.as_str().ends_with(".data"));
            for n in 0..if is_elsewhere { 0 } else { announced.chunks(graph) } {
                if let Some(chunk) = chunk(graph, n) {
                    self.required(chunk, outside.as_str())?;
                }
            }
        } else if !known.is_complete() {
            self.chain(graph, &outside);
        }
        listed.into_iter().for_each(|path| self.push(path.clone(), true, outside.as_str()));
        Ok(())
    }

    /// Chunks in order, as long as there are more; of those that follow, as many are asked for at once as are there.
    fn chain(&mut self, graph: &RepoPath, outside: &str) {
        let mut there = 0;
        for n in 0..MAX_CHUNKS {
            let Some(chunk) = chunk(graph, n) else { return };
            match self.known.has(&chunk) {
                Some(true) => there = n + 1,
                Some(false) => return,
                None if n < there + there.max(1) => (),
                None => return,
            }
            // One that is there may still come after one that is not known.
            let is_there = there == n + 1;
            self.push(
                chunk,
                is_there,
                if is_there { outside.to_owned() } else { format!("{outside}, if it does") },
            );
        }
    }
}

/// The name of a chunk; of a graph whose name is as long as names may be there is none.
fn chunk(graph: &RepoPath, n: u32) -> Option<RepoPath> {
    match n {
        0 => format!("{graph}_data").parse().ok(),
        _ => format!("{graph}_data_{n}").parse().ok(),
    }
}

fn onnx_path(folder: &str, base: &str, dtype: Dtype) -> RepoPath {
    let suffix = dtype.onnx_suffix().unwrap_or_default();
    format!("{folder}{base}{suffix}.onnx").parse().expect("constant parts make a valid path")
}
