//! `cargo xtask e2e NAME`: our clients against the servers that others wrote.

mod scenarios;
mod settings;
mod stores;

pub(crate) use settings::settings;
pub(crate) use stores::stores;

/// Which build of the tests is run; each shares its dependencies with other commands.
#[derive(Clone, Copy, Debug)]
pub(crate) enum Build {
    /// Of one crate: the least to build.
    Crate,
    /// Of the workspace, which `cargo xtask test` has built by then.
    Workspace,
}

/// Whether the scenarios ran, and passed.
#[derive(Debug)]
pub(crate) enum Outcome {
    /// All of them did.
    Passed,
    /// Not all ran: which, and why.
    Skipped(String),
}

/// Runs the scenarios named by `arguments`.
pub(crate) fn run(arguments: &[String]) -> Result<(), String> {
    let outcome = match arguments.iter().map(String::as_str).collect::<Vec<_>>().as_slice() {
        ["settings"] => settings(Build::Crate)?,
        ["stores"] => stores(Build::Crate)?,
        _ => {
            return Err(
                "say `e2e settings`: rs-client against a real Kinto server; or `e2e stores`: the blob store \
                        on real object stores, with hub-client; both on loopback"
                    .to_owned(),
            );
        }
    };
    if let Outcome::Skipped(what) = outcome {
        println!("SKIPPED: {what}");
    }
    Ok(())
}
