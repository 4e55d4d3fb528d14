//! Tests of the manager: what chooses a model, and the whole way from a record to an answer.

mod bad_input;
mod damage;
mod happy;
mod holds;
mod records;
mod replay;
mod resolve;
mod rules;
mod runtimes;
mod space;
mod updates;
mod world;
