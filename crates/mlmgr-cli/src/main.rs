//! The `mlmgr` program.
fn main() {}
