//! What rs-client takes to verify a large collection and to sync with nothing new, beside what others take.

use std::{
    fs,
    io::{BufRead as _, BufReader, Write as _},
    path::{Path, PathBuf},
    process::{Child, ChildStdin, ChildStdout, Command, Stdio},
};

use serde::Deserialize;

use super::measure::{Ran, ran, text};
use crate::{
    python::{self, Wanted},
    repo,
    report::{Row, finish, median},
};

const RECORDS: &str = "10000";
/// How often each case is measured; the cases take turns.
const RUNS: usize = 11;
/// How often syncing is measured, and how many syncs one measurement is.
const POLLS: usize = 5;
const SYNCS: &str = "1000";

const PEER: &str = include_str!("settings.py");
const REQUIREMENTS: &str = include_str!("settings-requirements.txt");

/// What a measured program says about itself.
#[derive(Debug, Deserialize)]
struct Clocked {
    wall_ms: f64,
    cpu_ms: Option<f64>,
}

/// What it says about syncs with nothing new: the time of one, and what all have written.
#[derive(Debug, Deserialize)]
struct Polled {
    wall_ms: f64,
    cpu_ms: Option<f64>,
    written_bytes: Option<u64>,
    files_changed: bool,
}

/// Runs the benchmark.
pub(crate) fn run() -> Result<(), String> {
    let program = build()?;
    let folder = tempfile::tempdir().map_err(|error| format!("no temporary folder: {error}"))?;
    let python = match python::environment(Wanted {
        name: "bench-settings",
        at_least: (3, 9),
        requirements: REQUIREMENTS,
    })? {
        python::Outcome::Ready(environment) => Some(environment.python().to_owned()),
        python::Outcome::Skipped(why) => {
            println!("SKIPPED: the comparison with Python: {why}");
            None
        }
    };
    println!("\n{RECORDS} records, each run in a fresh process, runs alternating, medians of {RUNS}.\n");
    let mut rows = verification(&program, python.as_deref(), folder.path())?;
    rows.extend(syncing(&program, folder.path())?);
    finish("settings", &rows)
}

/// Builds the measured program and returns where it is.
fn build() -> Result<PathBuf, String> {
    #[derive(Deserialize)]
    struct Built {
        executable: Option<PathBuf>,
    }
    println!("Building the benchmark of rs-client for release.");
    let output = repo::cargo()
        .args(["build", "--release", "--locked", "--package", "rs-client", "--bench", "settings"])
        .args(["--message-format", "json-render-diagnostics"])
        .stderr(Stdio::inherit())
        .output()
        .map_err(|error| format!("cargo did not start: {error}"))?;
    if !output.status.success() {
        return Err("the benchmark does not build".to_owned());
    }
    let lines = String::from_utf8_lossy(&output.stdout);
    let built = lines.lines().rev().filter_map(|line| serde_json::from_str::<Built>(line).ok());
    let program = built.into_iter().find_map(|built| built.executable);
    program.ok_or_else(|| "cargo does not say where the benchmark is".to_owned())
}

fn verification(program: &Path, python: Option<&Path>, folder: &Path) -> Result<Vec<Row>, String> {
    let made = command(program, &["make", text(folder)?, RECORDS]).status();
    if !made.is_ok_and(|status| status.success()) {
        return Err("the changeset to verify cannot be made".to_owned());
    }
    let body =
        fs::metadata(folder.join("changeset.json")).map_err(|error| format!("no changeset: {error}"))?;
    let ours = |what: &str| Ok::<_, String>(command(program, &[what, text(folder)?]));
    let peer = folder.join("peer.py");
    fs::write(&peer, PEER).map_err(|error| format!("cannot write {}: {error}", peer.display()))?;

    let (mut verify, mut alone, mut skim, mut others) = (Vec::new(), Vec::new(), Vec::new(), Vec::new());
    for _ in 0..RUNS {
        verify.push(ran::<Clocked>(&ours("verify")?)?);
        alone.push(ran(&ours("alone")?)?);
        skim.push(ran(&ours("skim")?)?);
        if let Some(python) = python {
            others.push(ran(&command(python, &["-I", text(&peer)?, text(folder)?]))?);
        }
    }

    let mut rows = Vec::new();
    let body = body.len() as f64;
    let wall = |runs: &[Ran<Clocked>]| median(runs.iter().map(|run| run.own.wall_ms).collect());
    rows.push(Row::plain("size of the changeset", body / f64::from(1 << 20), "MiB"));
    rows.push(Row::plain("verify", wall(&verify), "ms"));
    if let Some(cpu) = cpu(&verify) {
        rows.push(Row::plain("verify: processor time", cpu, "ms"));
    }
    if !others.is_empty() {
        let peer = "Python with canonicaljson-rs and cryptography, ms";
        for (what, pick) in WAYS {
            let Some(ratio) = ratio(&others, &verify, pick) else { continue };
            let row = Row::plain(format!("verify: times faster than Python{what}"), ratio, "x").at_least(5.0);
            rows.push(Row { peer: Some(peer.to_owned()), peer_value: middle(&others, pick), ..row });
        }
    }
    for (runs, peer, bar) in [
        (&alone, "SHA-384 and JSON into values alone", Some(2.0)),
        (&skim, "SHA-384 and JSON skipped over alone", None),
    ] {
        for (what, pick) in WAYS {
            let Some(ratio) = ratio(&verify, runs, pick) else { continue };
            let row = Row::plain(format!("verify: times {peer}{what}"), ratio, "x");
            let row = if let Some(bar) = bar { row.at_most(bar) } else { row };
            rows.push(Row { peer: Some(format!("{peer}, ms")), peer_value: middle(runs, pick), ..row });
        }
    }
    rows.extend(peak("verify: peak memory, bodies", &verify, body, 3.0));
    Ok(rows)
}

fn syncing(program: &Path, folder: &Path) -> Result<Vec<Row>, String> {
    let mut server = Server::start(program)?;
    let store = folder.join("store");
    let client = |what: &str, more: &[&str]| {
        let arguments = [&[what, text(&store)?, &server.about.url, &server.about.root], more].concat();
        Ok::<_, String>(command(program, &arguments))
    };
    let (mut first, mut load) = (Vec::new(), Vec::new());
    for _ in 0..RUNS {
        if store.exists() {
            fs::remove_dir_all(&store).map_err(|error| format!("cannot empty the store: {error}"))?;
        }
        first.push(ran::<Clocked>(&client("first", &[])?)?);
        load.push(ran::<Clocked>(&client("load", &[])?)?);
    }
    let poll = client("poll", &[SYNCS])?;
    server.requests()?;
    let (mut polls, mut requests) = (Vec::new(), Vec::new());
    for _ in 0..POLLS {
        polls.push(ran::<Polled>(&poll)?.own);
        // One sync before the measured ones reads the copy.
        requests.push(server.requests()? / (SYNCS.parse::<f64>().map_err(|error| error.to_string())? + 1.0));
    }

    let mut rows = Vec::new();
    let body = server.about.body_bytes;
    for (what, runs, bar) in [("first sync", &first, 4.0), ("load", &load, 3.0)] {
        rows.push(Row::plain(what, middle(runs, |run| Some(run.wall_ms)).unwrap_or(f64::NAN), "ms"));
        rows.extend(peak(&format!("{what}: peak memory, bodies"), runs, body, bar));
    }
    let nothing_new = |what: &str| format!("sync with nothing new: {what}");
    let most = |values: Vec<f64>| values.into_iter().fold(0.0, f64::max);
    rows.push(Row::plain(nothing_new("time"), median(polls.iter().map(|it| it.wall_ms).collect()), "ms"));
    let cpus: Vec<f64> = polls.iter().filter_map(|it| it.cpu_ms).collect();
    if !cpus.is_empty() {
        rows.push(Row::plain(nothing_new("processor time"), median(cpus), "ms").at_most(1.0));
    }
    rows.push(Row::plain(nothing_new("requests"), most(requests), "").at_most(1.0));
    let changed = polls.iter().filter(|it| it.files_changed).count();
    rows.push(Row::plain(nothing_new("runs that changed a file"), changed as f64, "").at_most(0.0));
    let written: Vec<f64> = polls.iter().filter_map(|it| Some(it.written_bytes? as f64)).collect();
    if !written.is_empty() {
        rows.push(Row::plain(nothing_new("bytes written to disk"), most(written), "").at_most(0.0));
    }
    Ok(rows)
}

/// The settings server, in a process of its own; it ends with its input.
struct Server {
    child: Child,
    input: Option<ChildStdin>,
    output: BufReader<ChildStdout>,
    about: About,
}

#[derive(Debug, Default, Deserialize)]
struct About {
    url: String,
    root: String,
    body_bytes: f64,
}

impl Server {
    fn start(program: &Path) -> Result<Self, String> {
        let failed = || "the settings server did not start".to_owned();
        let mut serve = command(program, &["serve", RECORDS]);
        let child = serve.stdin(Stdio::piped()).stdout(Stdio::piped()).spawn();
        let mut child = child.map_err(|error| format!("{}: {error}", failed()))?;
        let (input, output) = (child.stdin.take(), child.stdout.take().ok_or_else(failed)?);
        let mut server = Self { child, input, output: BufReader::new(output), about: About::default() };
        server.about = serde_json::from_str(&server.line()?).map_err(|_| failed())?;
        Ok(server)
    }

    /// How many requests there were since the last call.
    fn requests(&mut self) -> Result<f64, String> {
        let asked = self.input.as_mut().map(|input| input.write_all(b"\n"));
        asked.transpose().map_err(|error| format!("the settings server is gone: {error}"))?;
        let line = self.line()?;
        line.trim().parse().map_err(|_| format!("the settings server said {line:?}"))
    }

    fn line(&mut self) -> Result<String, String> {
        let mut line = String::new();
        let read = self.output.read_line(&mut line);
        read.map_err(|error| format!("the settings server is gone: {error}"))?;
        Ok(line)
    }
}

impl Drop for Server {
    fn drop(&mut self) {
        self.input = None;
        let _ = self.child.wait();
    }
}

/// A figure of a run, where the system tells it.
type Figure = fn(&Clocked) -> Option<f64>;

/// What to compare: the time on the wall, which others' work disturbs, and processor time.
const WAYS: [(&str, Figure); 2] = [("", |run| Some(run.wall_ms)), (" (processor time)", |run| run.cpu_ms)];

fn middle(runs: &[Ran<Clocked>], pick: impl Fn(&Clocked) -> Option<f64>) -> Option<f64> {
    let values: Vec<f64> = runs.iter().filter_map(|run| pick(&run.own)).collect();
    (!values.is_empty()).then(|| median(values))
}

fn cpu(runs: &[Ran<Clocked>]) -> Option<f64> {
    middle(runs, |run| run.cpu_ms)
}

/// The median of `some` by `others`, pair by pair, so that a machine that slows down does no harm.
fn ratio(
    some: &[Ran<Clocked>],
    others: &[Ran<Clocked>],
    pick: impl Fn(&Clocked) -> Option<f64>,
) -> Option<f64> {
    let pairs = some.iter().zip(others);
    let ratios: Vec<f64> = pairs.filter_map(|(one, two)| Some(pick(&one.own)? / pick(&two.own)?)).collect();
    (!ratios.is_empty()).then(|| median(ratios))
}

/// The peak memory of whole processes, in bodies of the server's answer.
fn peak(name: &str, runs: &[Ran<Clocked>], body: f64, bar: f64) -> Option<Row> {
    let peaks: Vec<f64> = runs.iter().filter_map(|run| Some(run.whole.usage?.peak_mib)).collect();
    if peaks.is_empty() {
        println!("SKIPPED: {name}: this system does not tell");
        return None;
    }
    Some(Row::plain(name, median(peaks) * f64::from(1 << 20) / body, "x").at_most(bar))
}

fn command(program: &Path, arguments: &[&str]) -> Command {
    let mut command = Command::new(program);
    command.args(arguments).env("NO_PROXY", "127.0.0.1");
    command
}
