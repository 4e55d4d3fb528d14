//! How long a piece of work took, printed for the program that compares.

use std::{error::Error, time::Instant};

use serde_json::json;

/// Does `work`, prints its time and its processor time in milliseconds as JSON, and returns what it returned.
pub(crate) fn clocked<T>(work: impl FnOnce() -> Result<T, Box<dyn Error>>) -> Result<T, Box<dyn Error>> {
    let (start, cpu) = (Instant::now(), cpu_ms());
    let done = work()?;
    let (wall_ms, after) = (start.elapsed().as_secs_f64() * 1000.0, cpu_ms());
    let cpu_ms = cpu.zip(after).map(|(before, after)| after - before);
    println!("{}", json!({"wall_ms": wall_ms, "cpu_ms": cpu_ms}));
    Ok(done)
}

/// What this process has used of the processors so far, in all its threads; [`None`] where the system does not tell.
#[cfg(unix)]
pub(crate) fn cpu_ms() -> Option<f64> {
    use nix::sys::{
        resource::{UsageWho, getrusage},
        time::TimeValLike,
    };
    let usage = getrusage(UsageWho::RUSAGE_SELF).ok()?;
    Some((usage.user_time().num_microseconds() + usage.system_time().num_microseconds()) as f64 / 1000.0)
}

#[cfg(not(unix))]
pub(crate) fn cpu_ms() -> Option<f64> {
    None
}
