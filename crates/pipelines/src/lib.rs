//! Runs tasks: a tokenizer or processor around a runtime session.
