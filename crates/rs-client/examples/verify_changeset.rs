//! Verifies a changeset that lies in a file, as a client verifies what a server sends. Uses no network.
//!
//! `cargo run --example verify_changeset -- CHANGESET CHAIN ROOT_HASH SIGNER SECONDS`: two files, the SHA-256 of
//! the trusted root, the name that must have signed, and the time in seconds since 1970. Prints `ok` and ends
//! with 0, or prints what is wrong and ends with 1.

use std::{
    env,
    error::Error,
    fs,
    process::ExitCode,
    time::{Duration, SystemTime},
};

use rs_client::{Limits, Trust, verify_changeset};

fn main() -> Result<ExitCode, Box<dyn Error>> {
    let arguments: Vec<String> = env::args().skip(1).collect();
    let [changeset, chain, root, signer, seconds] = arguments.as_slice() else {
        return Err("usage: verify_changeset CHANGESET CHAIN ROOT_HASH SIGNER SECONDS".into());
    };
    let trust = Trust::new(vec![root.parse()?], signer);
    let at = SystemTime::UNIX_EPOCH + Duration::from_secs(seconds.parse()?);
    match verify_changeset(fs::read(changeset)?, fs::read(chain)?, &trust, at, &Limits::default()) {
        Ok(collection) => {
            println!("ok: {} with {} records", collection.name, collection.records.len());
            Ok(ExitCode::SUCCESS)
        }
        Err(error) => {
            let problem = error.certificate().map(|problem| format!(" {problem:?}")).unwrap_or_default();
            println!("{:?}{problem}: {error}", error.kind());
            Ok(ExitCode::FAILURE)
        }
    }
}
