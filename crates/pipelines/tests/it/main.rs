//! Feature extraction through the public interface: what it answers, what it refuses, and that nothing makes it panic.

mod answers;
mod hostile;
mod lengths;
mod loading;
mod real;
mod support;
mod vocabularies;
