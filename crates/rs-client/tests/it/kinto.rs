//! A real settings server: Kinto with its plugins, started by each test.
//!
//! `cargo xtask e2e settings` prepares the folder that `MLMGR_KINTO` names, and runs these; without it they are
//! skipped.

mod admin;
mod answers;
mod attachments;
mod changes;
mod outage;
mod review;
mod server;
