//! Integration tests of the hub's layout.

mod choosing;
mod configs;
mod grammars;
mod hubs;
mod kinds;
mod names;
mod needed;
mod properties;
mod rules;
mod strategies;
