//! What blob-store takes to publish, open, list and collect, beside what a copy takes and what cacache takes.
//!
//! Every figure is from a process of its own; those that are compared take turns.

use std::{
    fs,
    path::{Path, PathBuf},
    process::{Command, Stdio},
};

use serde::{Deserialize, de::DeserializeOwned};

use super::{
    measure::{Ran, ran, text},
    stores_pairs::{Pairs, middle},
};
use crate::{
    repo,
    report::{Row, finish, show},
};

/// Pairs of runs that are compared.
pub(super) const RUNS: usize = 5;
/// Runs of what takes long or varies little.
const FEW: usize = 3;
/// MiB of the large blob.
const LARGE: &str = "512";
/// Number and bytes of the small blobs.
const SMALL: [&str; 2] = ["10000", "1024"];
/// Models of the store that is listed, ten times as many, and files of each.
const MODELS: [&str; 2] = ["1000", "10000"];
const FILES: &str = "100";

/// What every measured program says.
#[derive(Debug, Deserialize)]
pub(super) struct Timed {
    pub(super) wall_ms: f64,
    pub(super) written_bytes: Option<f64>,
    digest: Option<String>,
}

/// What an opening says.
#[derive(Debug, Deserialize)]
struct Opened {
    wall_us: f64,
}

/// The programs, and a folder for what they write.
pub(super) struct Bench {
    ours: PathBuf,
    cacache: Option<PathBuf>,
    folder: PathBuf,
}

/// Runs the benchmark.
pub(crate) fn run() -> Result<(), String> {
    let ours = built(repo::root(), &["--locked", "--package", "blob-store", "--bench", "stores"])?;
    let peer = repo::root().join("xtask/peers/cacache");
    let cacache = match built(&peer, &["--locked", "--target-dir", text(&repo::root().join("target/peers"))?])
    {
        Ok(program) => Some(program),
        Err(why) => {
            println!("SKIPPED: the comparison with cacache: {why}");
            None
        }
    };
    // Not in the system's folder for such things, which is often no disk.
    let parent = repo::root().join("target/bench");
    fs::create_dir_all(&parent).map_err(|error| format!("no folder for the benchmark: {error}"))?;
    let folder = tempfile::tempdir_in(parent).map_err(|error| format!("no temporary folder: {error}"))?;
    let bench = Bench { ours, cacache, folder: folder.path().to_owned() };
    println!("\nEach run in a fresh process, compared runs alternating, medians of {RUNS} or {FEW}.\n");
    let mut rows = Vec::new();
    // It takes minutes: each part is shown when it is done, and all of it in the end.
    for part in [Bench::large, Bench::opening, Bench::small, Bench::listing] {
        let done = part(&bench)?;
        show(&done);
        println!();
        rows.extend(done);
    }
    finish("stores", &rows)
}

/// Builds a program for measuring, and returns where it is.
fn built(folder: &Path, arguments: &[&str]) -> Result<PathBuf, String> {
    #[derive(Deserialize)]
    struct Built {
        executable: Option<PathBuf>,
    }
    println!("Building {} for release.", folder.display());
    let output = repo::cargo()
        .current_dir(folder)
        .args(["build", "--release", "--message-format", "json-render-diagnostics"])
        .args(arguments)
        .stderr(Stdio::inherit())
        .output()
        .map_err(|error| format!("cargo did not start: {error}"))?;
    if !output.status.success() {
        return Err("it does not build".to_owned());
    }
    let lines = String::from_utf8_lossy(&output.stdout);
    let mut built = lines.lines().rev().filter_map(|line| serde_json::from_str::<Built>(line).ok());
    built.find_map(|built| built.executable).ok_or_else(|| "cargo does not say where it is".to_owned())
}

impl Bench {
    pub(super) fn path(&self, name: &str) -> Result<String, String> {
        Ok(text(&self.folder.join(name))?.to_owned())
    }

    /// Runs our own program.
    pub(super) fn ours<T: DeserializeOwned>(&self, arguments: &[&str]) -> Result<Ran<T>, String> {
        ran(Command::new(&self.ours).args(arguments))
    }

    /// Our own program, to be run beside others.
    pub(super) fn command(&self, arguments: &[&str]) -> Command {
        let mut command = Command::new(&self.ours);
        command.args(arguments);
        command
    }

    /// Removes a store.
    pub(super) fn clear(&self, name: &str) -> Result<(), String> {
        let path = self.folder.join(name);
        if !path.exists() {
            return Ok(());
        }
        fs::remove_dir_all(&path).map_err(|error| format!("cannot remove {}: {error}", path.display()))
    }

    /// One large blob, beside copying and hashing it; and two processes that publish the same one.
    fn large(&self) -> Result<Vec<Row>, String> {
        let (file, copy, store) = (self.path("large")?, self.path("copy")?, self.path("store")?);
        self.ours::<serde_json::Value>(&["file", &file, LARGE])?;
        let mut pairs = Pairs::default();
        let mut peaks = Vec::new();
        for _ in 0..RUNS {
            let theirs = self.ours::<Timed>(&["copy", &file, &copy])?;
            self.clear("store")?;
            let ours = self.ours::<Timed>(&["publish", &file, &store])?;
            if ours.own.digest != theirs.own.digest {
                return Err("what was published is not what was copied".to_owned());
            }
            peaks.extend(ours.whole.usage.map(|usage| usage.peak_mib));
            pairs.push(ours.own.wall_ms, theirs.own.wall_ms);
        }
        self.clear("store")?;
        let name = format!("publish {LARGE} MiB");
        let mut rows = vec![
            pairs.row(name.clone(), "copy and hash on two threads, with fsync, ms"),
            Row::plain(format!("{name}, by the copy"), pairs.ratio(), "x").at_most(1.15),
        ];
        if peaks.is_empty() {
            println!("SKIPPED: {name}: peak memory: this system does not tell it");
        } else {
            rows.push(Row::plain(format!("{name}: peak memory"), middle(peaks), "MiB").at_most(32.0));
        }
        rows.extend(self.twice(&file, &store)?);
        fs::remove_file(self.folder.join("large")).map_err(|error| format!("cannot remove: {error}"))?;
        Ok(rows)
    }

    /// From the name of a model to the bytes of all its files, everything cached.
    fn opening(&self) -> Result<Vec<Row>, String> {
        let cases = [
            ("a model of 12 files", "12", "40000", "200", 200.0),
            ("a model of 2,000 files of 16 KiB", "2000", "16384", "50", 5000.0),
            ("a model of 2,000 files of 1 KiB", "2000", "1024", "50", 5000.0),
        ];
        let mut rows = Vec::new();
        for (what, files, bytes, times, bar) in cases {
            let store = self.path("models")?;
            self.ours::<serde_json::Value>(&["models", &store, "2", files, bytes, "crash"])?;
            let open = |verify: &str| -> Result<f64, String> {
                let runs = (0..FEW).map(|_| self.ours::<Opened>(&["open", &store, "1", times, verify]));
                Ok(middle(runs.map(|run| Ok(run?.own.wall_us)).collect::<Result<Vec<f64>, String>>()?))
            };
            rows.push(Row::plain(format!("open {what}"), open("plain")?, "us").at_most(bar));
            rows.push(Row::plain(format!("open {what}, verified"), open("verify")?, "us"));
            self.clear("models")?;
        }
        Ok(rows)
    }

    /// Many small blobs, beside cacache.
    fn small(&self) -> Result<Vec<Row>, String> {
        let [count, bytes] = SMALL;
        let store = self.path("small")?;
        let ours = |durability: &str, way: &str| {
            Ok::<_, String>(self.ours::<Timed>(&["small", &store, count, bytes, durability, way])?.own)
        };
        // Who says that it is stored says that it survives a power cut; or neither of the two does.
        let cases = [
            ("each durable when acknowledged", "full", "full", Some(5.0)),
            ("durable at the end", "full", "end", None),
            ("not durable", "crash", "none", None),
        ];
        let mut rows = Vec::new();
        for (what, our_way, their_way, bar) in cases {
            let mut pairs = Pairs::default();
            for _ in 0..FEW {
                let theirs = match &self.cacache {
                    None => f64::NAN,
                    Some(program) => {
                        let folder = self.path("cacache")?;
                        let mut command = Command::new(program);
                        let ran: Ran<Timed> = ran(command.args([&folder, count, bytes, their_way]))?;
                        self.clear("cacache")?;
                        ran.own.wall_ms
                    }
                };
                self.clear("small")?;
                pairs.push(ours(our_way, "many")?.wall_ms, theirs);
            }
            let name = format!("publish {count} blobs of {bytes} bytes at once, {what}");
            rows.push(pairs.row(name.clone(), "cacache 13, ms"));
            if self.cacache.is_some() {
                let row = Row::plain(format!("{name}: faster than cacache 13"), pairs.inverse_ratio(), "x");
                rows.push(match bar {
                    Some(bar) => row.at_least(bar),
                    None => row,
                });
            }
        }
        self.clear("small")?;
        ours("full", "many")?;
        let again = (0..FEW).map(|_| ours("full", "again")).collect::<Result<Vec<_>, _>>()?;
        let name = format!("put {count} blobs that are there");
        rows.push(Row::plain(name.clone(), middle(again.iter().map(|it| it.wall_ms).collect()), "ms"));
        let written: Vec<f64> = again.iter().filter_map(|it| it.written_bytes).collect();
        if !written.is_empty() {
            let most = written.into_iter().fold(0.0, f64::max);
            rows.push(Row::plain(format!("{name}: bytes written"), most, "").at_most(0.0));
        }
        self.clear("small")?;
        Ok(rows)
    }

    /// Many models: sizes of all, and a collection; and ten times as many.
    fn listing(&self) -> Result<Vec<Row>, String> {
        let (mut lists, mut collects) = (Vec::new(), Vec::new());
        let mut rows = Vec::new();
        for (models, bars) in MODELS.into_iter().zip([Some((300.0, 3000.0)), None]) {
            let store = self.path("many")?;
            self.ours::<serde_json::Value>(&["models", &store, models, FILES, "64", "crash"])?;
            let runs = |what: &str| -> Result<f64, String> {
                let runs = (0..FEW).map(|_| Ok(self.ours::<Timed>(&[what, &store])?.own.wall_ms));
                Ok(middle(runs.collect::<Result<Vec<f64>, String>>()?))
            };
            let (list, collect) = (runs("list")?, runs("collect")?);
            let row = |what: &str, value: f64| {
                Row::plain(format!("{what} {models} models of {FILES} blobs"), value, "ms")
            };
            let (mut sized, mut swept) = (row("list and size", list), row("collect garbage over", collect));
            if let Some((list, collect)) = bars {
                (sized, swept) = (sized.at_most(list), swept.at_most(collect));
                // A tenth more that nothing names: all of these go.
                self.ours::<serde_json::Value>(&["models", &store, "11000", "0", "100", "crash"])?;
                let swept = self.ours::<Timed>(&["collect", &store])?.own.wall_ms;
                rows.push(row("remove 11000 blobs that nothing names from", swept).at_most(collect));
            }
            rows.extend([sized, swept]);
            lists.push(list);
            collects.push(collect);
            self.clear("many")?;
        }
        // Ten times the work in ten times the time, and a half for caches that are too small.
        for (what, times) in [("list and size", lists), ("collect garbage", collects)] {
            rows.push(
                Row::plain(format!("{what}: ten times as many"), times[1] / times[0], "x").at_most(15.0),
            );
        }
        Ok(rows)
    }
}
