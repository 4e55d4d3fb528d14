//! The tests of `blob-store`, in one binary.

mod backends;
