//! Plans what a model needs from a hub and downloads it, verified, into a blob store.
