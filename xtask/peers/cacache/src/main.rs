//! Publishes small blobs with cacache 13, for `cargo xtask bench stores`: FOLDER COUNT BYTES DURABILITY.
//!
//! cacache syncs nothing. With `full` this program adds what is needed for the durability of blob-store, blob by blob:
//! it syncs the file, and then the folder with its name. With `end` it waits once, at the end, for everything.

use std::{fs::File, path::Path, thread, time::Instant};

type Failure = Box<dyn std::error::Error + Send + Sync>;

/// As many as blob-store uses on two cores.
const THREADS: usize = 2;

fn main() -> Result<(), Failure> {
    let arguments: Vec<String> = std::env::args().skip(1).collect();
    let [folder, count, bytes, durability] = arguments.as_slice() else {
        return Err("say FOLDER COUNT BYTES DURABILITY".into());
    };
    let (count, bytes): (u64, usize) = (count.parse()?, bytes.parse()?);
    let contents: Vec<Vec<u8>> = (0..count).map(|n| noise(bytes, n + 1)).collect();
    let start = Instant::now();
    thread::scope(|scope| {
        let share = contents.len().div_ceil(THREADS).max(1);
        let write = |contents| move || put(Path::new(folder), contents, durability == "full");
        let threads: Vec<_> = contents.chunks(share).map(|contents| scope.spawn(write(contents))).collect();
        threads.into_iter().try_for_each(|thread| thread.join().map_err(|_| "a thread panicked")?)
    })?;
    if durability == "end" {
        rustix::fs::syncfs(File::open(folder)?)?;
    }
    println!("{{\"wall_ms\": {}}}", start.elapsed().as_secs_f64() * 1000.0);
    Ok(())
}

fn put(folder: &Path, contents: &[Vec<u8>], durable: bool) -> Result<(), Failure> {
    for content in contents {
        let integrity = cacache::write_hash_sync(folder, content)?;
        if durable {
            let (_, hex) = integrity.to_hex();
            let within = folder.join("content-v2/sha256").join(&hex[..2]).join(&hex[2..4]);
            File::open(within.join(&hex[4..]))?.sync_all()?;
            File::open(within)?.sync_all()?;
        }
    }
    Ok(())
}

/// The same bytes that blob-store is given.
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
