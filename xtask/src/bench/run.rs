//! Time and peak memory of `mlmgr run` as a whole program, cold and warm.

use super::measure::{Measured, measure};
use crate::{
    demo::{Mlmgr, World},
    repo,
    report::{Row, finish, median},
};

/// How often each case is measured.
const RUNS: usize = 7;
/// The command: one sentence to one embedding.
const COMMAND: [&str; 4] = ["run", "feature-extraction", "A man is playing a guitar.", "--json"];

/// Runs the benchmark.
pub(crate) fn run() -> Result<(), String> {
    println!("Building mlmgr for release.");
    let status = repo::cargo().args(["build", "--release", "--locked", "--package", "mlmgr-cli"]).status();
    if !status.is_ok_and(|status| status.success()) {
        return Err("mlmgr does not build".to_owned());
    }
    let world = World::start()?;
    let program = repo::root().join("target/release").join(format!("mlmgr{}", std::env::consts::EXE_SUFFIX));
    let mlmgr = Mlmgr::new(&world)?.with_program(program);

    println!("\nmlmgr run, {RUNS} runs each, medians; all-MiniLM-L6-v2 in int8, servers on loopback.\n");
    let mut cold = Vec::new();
    for _ in 0..RUNS {
        let store = world.store();
        if store.exists() {
            std::fs::remove_dir_all(&store).map_err(|error| format!("cannot empty the store: {error}"))?;
        }
        cold.push(measure(&mlmgr.command(&COMMAND))?);
    }
    world.stop();
    let warm = (0..RUNS).map(|_| measure(&mlmgr.command(&COMMAND))).collect::<Result<Vec<_>, _>>()?;

    let mut rows = Vec::new();
    rows_of(&mut rows, "cold: settings, download, verification, answer", &cold);
    rows_of(&mut rows, "warm: everything stored, servers stopped", &warm);
    finish("run", &rows)
}

fn rows_of(rows: &mut Vec<Row>, name: &str, runs: &[Measured]) {
    let wall = median(runs.iter().map(|run| run.wall_ms).collect());
    rows.push(Row::plain(format!("{name}: time"), wall, "ms"));
    let usages: Vec<_> = runs.iter().filter_map(|run| run.usage).collect();
    if usages.is_empty() {
        println!("SKIPPED: processor time and peak memory: this system does not tell them");
        return;
    }
    let cpu = median(usages.iter().map(|usage| usage.cpu_ms).collect());
    rows.push(Row::plain(format!("{name}: processor time"), cpu, "ms"));
    let peak = median(usages.iter().map(|usage| usage.peak_mib).collect());
    rows.push(Row::plain(format!("{name}: peak memory"), peak, "MiB"));
}
