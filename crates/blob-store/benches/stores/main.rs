//! What `cargo xtask bench stores` measures: each command is one run in a process of its own, and prints its figures as
//! a line of JSON.

mod baseline;
mod models;
mod publish;

use std::{path::Path, process::ExitCode};

use serde_json::Value;

type Outcome = Result<Value, Box<dyn std::error::Error>>;

const USAGE: &str = "file PATH MIB | copy FILE TO | publish FILE STORE | share FILE STORE | small STORE COUNT BYTES DURABILITY WAY | \
    models STORE MODELS FILES BYTES DURABILITY | open STORE MODEL TIMES VERIFY | list STORE | collect STORE";

fn main() -> ExitCode {
    let arguments: Vec<String> = std::env::args().skip(1).filter(|it| it != "--bench").collect();
    let runtime = tokio::runtime::Builder::new_multi_thread().enable_all().build().expect("a runtime");
    match runtime.block_on(run(&arguments.iter().map(String::as_str).collect::<Vec<_>>())) {
        Ok(figures) => {
            println!("{figures}");
            ExitCode::SUCCESS
        }
        Err(error) => {
            eprintln!("{error}");
            ExitCode::FAILURE
        }
    }
}

async fn run(arguments: &[&str]) -> Outcome {
    match *arguments {
        ["file", path, mib] => baseline::make_file(Path::new(path), mib.parse()?),
        ["copy", file, to] => baseline::copy_and_hash(file.into(), to.into()),
        ["publish", file, store] => publish::file(Path::new(file), Path::new(store)).await,
        ["share", file, store] => publish::share(Path::new(file), Path::new(store)).await,
        ["small", store, count, bytes, durability, way] => {
            let store = models::store(store, durability)?;
            publish::small(&store, count.parse()?, bytes.parse()?, way).await
        }
        ["models", store, count, files, bytes, durability] => {
            let store = models::store(store, durability)?;
            models::make(&store, count.parse()?, files.parse()?, bytes.parse()?).await
        }
        ["open", store, model, times, verify] => {
            models::open(&models::store(store, "full")?, model, times.parse()?, verify == "verify").await
        }
        ["list", store] => models::list(&models::store(store, "full")?).await,
        ["collect", store] => models::collect(&models::store(store, "full")?).await,
        // `cargo test --benches` and the like run it without anything to measure.
        [] => Ok(Value::String(format!("nothing to measure; say {USAGE}"))),
        _ => Err(format!("say {USAGE}").into()),
    }
}

/// Bytes that differ everywhere, and for every seed.
fn noise(length: usize, seed: u64) -> Vec<u8> {
    let mut state = seed.wrapping_mul(0x9e37_79b9_7f4a_7c15) | 1;
    let mut bytes = Vec::with_capacity(length + 8);
    bytes.extend_from_slice(&seed.to_le_bytes());
    while bytes.len() < length {
        state ^= state << 13;
        state ^= state >> 7;
        state ^= state << 17;
        bytes.extend_from_slice(&state.to_le_bytes());
    }
    bytes.truncate(length);
    bytes
}

/// Bytes that this process has sent to disks so far, where the system tells.
fn written() -> Option<u64> {
    let text = std::fs::read_to_string("/proc/self/io").ok()?;
    text.lines().find_map(|line| line.strip_prefix("write_bytes: "))?.trim().parse().ok()
}

fn ms(since: std::time::Instant) -> f64 {
    since.elapsed().as_secs_f64() * 1000.0
}
