//! Integration tests of the hub's layout.
