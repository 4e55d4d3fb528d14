//! Servers, faults and certificates on loopback for tests and the demo; never a dependency of a shipped crate.
