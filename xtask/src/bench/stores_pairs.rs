//! Figures that are compared, and what two processes do that publish the same.

use std::process::Stdio;

use super::stores::{Bench, RUNS, Timed};
use crate::report::{Row, median};

/// Runs of ours and of a peer, in turns.
#[derive(Debug, Default)]
pub(super) struct Pairs {
    ours: Vec<f64>,
    theirs: Vec<f64>,
}

impl Pairs {
    pub(super) fn push(&mut self, ours: f64, theirs: f64) {
        self.ours.push(ours);
        self.theirs.push(theirs);
    }

    /// The times, ours and theirs.
    pub(super) fn row(&self, name: String, peer: &str) -> Row {
        let row = Row::plain(name, middle(self.ours.clone()), "ms");
        let theirs = middle(self.theirs.clone());
        if theirs.is_nan() {
            return row;
        }
        Row { peer: Some(peer.to_owned()), peer_value: Some(theirs), ..row }
    }

    /// The median of ours by theirs, pair by pair, so that a machine that slows down does no harm.
    pub(super) fn ratio(&self) -> f64 {
        middle(self.ours.iter().zip(&self.theirs).map(|(ours, theirs)| ours / theirs).collect())
    }

    /// The median of theirs by ours, pair by pair.
    pub(super) fn inverse_ratio(&self) -> f64 {
        middle(self.ours.iter().zip(&self.theirs).map(|(ours, theirs)| theirs / ours).collect())
    }
}

pub(super) fn middle(values: Vec<f64>) -> f64 {
    median(values)
}

impl Bench {
    /// Two processes that publish the same file at the same time: how often its bytes are written.
    pub(super) fn twice(&self, file: &str, store: &str) -> Result<Vec<Row>, String> {
        let mut copies = Vec::new();
        for _ in 0..RUNS.min(3) {
            self.clear("store")?;
            let start = || {
                let mut command = self.command(&["share", file, store]);
                command.stdout(Stdio::piped()).spawn().map_err(|error| format!("it did not start: {error}"))
            };
            let both = [start()?, start()?];
            let (mut written, mut told) = (0.0, true);
            for child in both {
                let output = child.wait_with_output().map_err(|error| format!("it did not end: {error}"))?;
                if !output.status.success() {
                    return Err("a process could not publish beside another one".to_owned());
                }
                let run: Timed = serde_json::from_slice(&output.stdout)
                    .map_err(|error| format!("what a measured program printed cannot be read: {error}"))?;
                written += run.written_bytes.unwrap_or_default();
                told &= run.written_bytes.is_some();
            }
            if !told {
                println!(
                    "SKIPPED: two processes with the same blob: this system does not tell what they write"
                );
                return Ok(Vec::new());
            }
            let bytes = std::fs::metadata(file).map_err(|error| format!("no file: {error}"))?.len();
            copies.push(written / bytes as f64);
        }
        self.clear("store")?;
        // Once, and what the file system needs beside it.
        Ok(vec![
            Row::plain("two processes publish the same: times that it is written", middle(copies), "x")
                .at_most(1.05),
        ])
    }
}
