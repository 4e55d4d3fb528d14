//! Times one program as a whole and reads its peak memory.
//!
//! The operating system tells the peak memory of the largest child only, so each measurement runs in a fresh
//! process of this program that has no other child.

use std::{
    path::Path,
    process::{Command, Stdio},
    time::Instant,
};

use serde::{Deserialize, Serialize, de::DeserializeOwned};

/// What one run of a program took.
#[derive(Clone, Debug, Serialize, Deserialize)]
pub(crate) struct Measured {
    /// Milliseconds from start to end.
    pub(crate) wall_ms: f64,
    /// What the system counted, where it tells.
    pub(crate) usage: Option<Usage>,
    /// What it printed.
    pub(crate) output: String,
}

/// What the operating system counted for a program that has ended.
#[derive(Clone, Copy, Debug, Serialize, Deserialize)]
pub(crate) struct Usage {
    /// Processor time in milliseconds, user and system, of all threads.
    pub(crate) cpu_ms: f64,
    /// Peak resident memory in MiB.
    pub(crate) peak_mib: f64,
}

/// Measures `command` through a fresh process; it must succeed.
pub(crate) fn measure(command: &Command) -> Result<Measured, String> {
    let here = std::env::current_exe().map_err(|error| format!("cannot find this program: {error}"))?;
    let mut fresh = Command::new(here);
    fresh.arg("measure").arg(command.get_program()).args(command.get_args());
    if let Some(folder) = command.get_current_dir() {
        fresh.current_dir(folder);
    }
    for (name, value) in command.get_envs() {
        match value {
            Some(value) => fresh.env(name, value),
            None => fresh.env_remove(name),
        };
    }
    let output = fresh.stderr(Stdio::inherit()).output();
    let output = output.map_err(|error| format!("the measuring process did not start: {error}"))?;
    if !output.status.success() {
        return Err("the measured program failed".to_owned());
    }
    serde_json::from_slice(&output.stdout).map_err(|error| format!("the measurement cannot be read: {error}"))
}

/// Runs the program given by `arguments` and prints what it took; this is the fresh process.
pub(crate) fn run_measured(arguments: &[String]) -> Result<(), String> {
    let (program, arguments) = arguments.split_first().ok_or("say which program to measure")?;
    let start = Instant::now();
    let output = Command::new(program).args(arguments).stderr(Stdio::inherit()).output();
    let wall_ms = start.elapsed().as_secs_f64() * 1000.0;
    let output = output.map_err(|error| format!("{program} did not start: {error}"))?;
    if !output.status.success() {
        return Err(format!("{program} ended with {}", output.status));
    }
    let output = String::from_utf8_lossy(&output.stdout).into_owned();
    let measured = Measured { wall_ms, usage: usage(), output };
    println!("{}", serde_json::to_string(&measured).map_err(|error| error.to_string())?);
    Ok(())
}

/// The children that have ended: there was one.
#[cfg(unix)]
fn usage() -> Option<Usage> {
    use nix::sys::{
        resource::{UsageWho, getrusage},
        time::TimeValLike,
    };
    let usage = getrusage(UsageWho::RUSAGE_CHILDREN).ok()?;
    let cpu = usage.user_time().num_microseconds() + usage.system_time().num_microseconds();
    // Linux counts KiB, macOS bytes.
    let unit = if cfg!(target_os = "macos") { 1.0 } else { 1024.0 };
    Some(Usage { cpu_ms: cpu as f64 / 1000.0, peak_mib: usage.max_rss() as f64 * unit / f64::from(1 << 20) })
}

#[cfg(not(unix))]
fn usage() -> Option<Usage> {
    None
}

/// One run of a measured program: by its own clock, and from outside.
pub(super) struct Ran<T> {
    pub(super) own: T,
    pub(super) whole: Measured,
}

/// Runs a program in a fresh process and reads what it prints.
pub(super) fn ran<T: DeserializeOwned>(command: &Command) -> Result<Ran<T>, String> {
    let whole = measure(command)?;
    let own = serde_json::from_str(&whole.output);
    let own = own.map_err(|error| format!("what a measured program printed cannot be read: {error}"))?;
    Ok(Ran { own, whole })
}

/// A path as an argument of a program.
pub(super) fn text(path: &Path) -> Result<&str, String> {
    path.to_str().ok_or_else(|| format!("{} is no text", path.display()))
}
