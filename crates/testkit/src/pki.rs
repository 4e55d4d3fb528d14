//! Throw-away certificate chains and content signatures.
