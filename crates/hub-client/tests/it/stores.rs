//! Real object stores: moto's S3 server and Azurite, started by each test, and processes that share them.
//!
//! `cargo xtask e2e stores` prepares the folder that `MLMGR_STORES` names, and runs these; without it they are skipped,
//! and so are those of a server that is not in the folder.

mod azure;
mod process;
mod s3;
mod scenarios;
mod server;
