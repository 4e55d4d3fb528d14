//! Keeps verified bytes under their content id, with named manifests, on a file system or an object store.
