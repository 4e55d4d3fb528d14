//! A small HTTP server on loopback that logs requests and injects faults.
