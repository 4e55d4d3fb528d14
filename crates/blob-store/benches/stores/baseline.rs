//! What publishing is compared with: copying a file and hashing it, on two threads, with everything synced.

use std::{
    fs::{self, File},
    io::{self, Read, Write},
    path::PathBuf,
    thread,
    time::Instant,
};

use content_id::Hasher;
use serde_json::json;

use super::{Outcome, ms, noise};

/// Writes a file of so many MiB.
pub(super) fn make_file(path: &std::path::Path, mib: u64) -> Outcome {
    let mut file = File::create(path)?;
    for n in 0..mib {
        file.write_all(&noise(1 << 20, n + 1))?;
    }
    file.sync_all()?;
    Ok(json!({"bytes": mib << 20}))
}

/// One thread copies with what the system has for it, the other one reads and hashes.
pub(super) fn copy_and_hash(file: PathBuf, to: PathBuf) -> Outcome {
    let start = Instant::now();
    let from = file.clone();
    let hashing = thread::spawn(move || -> io::Result<_> {
        let (mut file, mut hasher, mut piece) = (File::open(from)?, Hasher::default(), vec![0; 1 << 20]);
        loop {
            match file.read(&mut piece)? {
                0 => return Ok(hasher.finish()),
                length => hasher.update(&piece[..length]),
            }
        }
    });
    let mut copy = File::create_new(&to)?;
    io::copy(&mut File::open(file)?, &mut copy)?;
    copy.sync_all()?;
    let id = hashing.join().map_err(|_| "hashing panicked")??;
    let wall_ms = ms(start);
    if let Some(folder) = to.parent() {
        File::open(folder)?.sync_all()?;
    }
    let wall_ms = ms(start).max(wall_ms);
    fs::remove_file(to)?;
    Ok(json!({"wall_ms": wall_ms, "digest": id.digest}))
}
