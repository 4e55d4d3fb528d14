//! `cargo xtask demo`: the real `mlmgr` program against a settings server and two hubs on loopback.

mod child;
mod revision;
mod steps;
mod world;

use std::time::Instant;

pub(crate) use child::Mlmgr;
pub(crate) use world::World;

use crate::repo;

/// What the steps share.
struct Demo {
    world: World,
    mlmgr: Mlmgr,
    /// How many checks held so far.
    checks: usize,
}

/// Runs the command.
pub(crate) fn run(arguments: &[String]) -> Result<(), String> {
    let keep = match arguments.iter().map(String::as_str).collect::<Vec<_>>().as_slice() {
        [] => false,
        ["--keep"] => true,
        _ => return Err("say `demo` or `demo --keep`".to_owned()),
    };
    let start = Instant::now();
    println!(
        "mlmgr, from a signed record to an answer. Everything runs on this machine: a settings server and two model\n\
         hubs on loopback serve the files in fixtures/, and the real mlmgr program runs against them.\n"
    );
    build()?;
    let world = World::start()?;
    println!(
        "Started: a settings server at {}, signing with keys made just now;\n         a hub with the Hugging Face layout at {};\n         a hub with the Mozilla layout at {}.",
        world.settings.url(),
        world.hub.url(),
        world.mozilla.url()
    );
    let mlmgr = Mlmgr::new(&world)?;
    let mut demo = Demo { world, mlmgr, checks: 0 };
    for (index, step) in steps::STEPS.iter().enumerate() {
        println!("\n{}. {}\n", index + 1, step.title);
        (step.run)(&mut demo).map_err(|error| format!("step {}, {}: {error}", index + 1, step.title))?;
    }
    let seconds = start.elapsed().as_secs_f64();
    println!("\nDone: {} steps, {} checks held, {seconds:.0} s.\n", steps::STEPS.len(), demo.checks);
    demo.by_hand(keep)
}

/// Builds the program, in the profile that is built fastest and runs fast enough.
fn build() -> Result<(), String> {
    println!(
        "Building mlmgr (the dev profile, whose hot crates are optimised). From a fresh clone this takes some minutes,\n\
         afterwards seconds.\n$ cargo build --package mlmgr-cli"
    );
    let start = Instant::now();
    let status = repo::cargo().args(["build", "--locked", "--package", "mlmgr-cli"]).status();
    let status = status.map_err(|error| format!("cargo did not start: {error}"))?;
    if !status.success() {
        return Err("mlmgr does not build".to_owned());
    }
    println!("Built in {:.1} s.\n", start.elapsed().as_secs_f64());
    Ok(())
}

impl Demo {
    /// Notes that something is as it should be, or ends the demo.
    fn check(&mut self, what: &str, holds: bool) -> Result<(), String> {
        if !holds {
            return Err(format!("this does not hold: {what}"));
        }
        self.checks += 1;
        println!("  \u{2713} {what}");
        Ok(())
    }

    /// Ends with what to try next, against servers that stay if `keep` says so.
    fn by_hand(&self, keep: bool) -> Result<(), String> {
        if !keep {
            println!(
                "To try it by hand, run `cargo xtask demo --keep`: it leaves the servers running and says what to set.\n\
                 Against the production servers, with nothing set (this needs the network):\n"
            );
            println!("  {} sync\n  {0} resolve feature-extraction\n", self.mlmgr.shown_program());
            println!("`mlmgr --help` and `mlmgr run --help` say more.");
            return Ok(());
        }
        println!("The servers stay until Ctrl-C. In another terminal:\n");
        for (name, value) in self.mlmgr.environment() {
            println!("  export {name}={value}");
        }
        for command in [
            "sync",
            "resolve feature-extraction",
            "plan feature-extraction",
            "pull feature-extraction",
            "run feature-extraction \"A man is playing a guitar.\" \"Someone plays the guitar.\"",
            "ls",
            "runtime pull",
            "rm feature-extraction",
        ] {
            println!("  {} {command}", self.mlmgr.shown_program());
        }
        let runtime = tokio::runtime::Builder::new_current_thread().enable_all().build();
        let runtime = runtime.map_err(|error| format!("cannot wait for Ctrl-C: {error}"))?;
        // Dropping the world afterwards stops the servers and removes the store.
        runtime.block_on(tokio::signal::ctrl_c()).map_err(|error| format!("cannot wait for Ctrl-C: {error}"))
    }
}
