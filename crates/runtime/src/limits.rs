//! How large a model, its parts and one run may be.

/// Bounds on what a model may make this crate read, keep and compute.
///
/// A model's bytes are hostile until proven otherwise. Every bound is checked before the memory it stands for is
/// allocated, and exceeding one is an error of kind [`LimitExceeded`](crate::ErrorKind::LimitExceeded).
///
/// ```
/// let limits = runtime::Limits { run_bytes: 64 << 20, ..Default::default() };
/// assert_eq!(limits.file_bytes, 2 << 30);
/// ```
#[derive(Clone, Debug, PartialEq, Eq)]
#[allow(clippy::exhaustive_structs, reason = "built with struct update syntax from its default")]
pub struct Limits {
    /// Largest model file, in bytes. Default 2 GiB, which is all that protobuf allows.
    pub file_bytes: u64,
    /// Largest number of nodes in the graph. Default 100,000.
    pub nodes: usize,
    /// Largest number of initialisers. Default 100,000.
    pub initializers: usize,
    /// Largest number of attributes of one node. Default 256.
    pub attributes: usize,
    /// Largest number of inputs, and of outputs, of one node. Default 4,096.
    pub arity: usize,
    /// Largest number of dimensions of a tensor. Default 16.
    pub rank: usize,
    /// Largest number of elements of one tensor. Default 2^31.
    pub elements: u64,
    /// Memory that decoding the file may take beyond the file itself, in bytes: numbers that are not stored as
    /// raw data, names, nodes. Default 1 GiB.
    pub decoded_bytes: u64,
    /// Memory that the intermediate values of one run may take at any moment, in bytes; weights and the caller's
    /// inputs are not counted. Default 1 GiB.
    pub run_bytes: u64,
}

impl Default for Limits {
    fn default() -> Self {
        Self {
            file_bytes: 2 << 30,
            nodes: 100_000,
            initializers: 100_000,
            attributes: 256,
            arity: 4096,
            rank: 16,
            elements: 1 << 31,
            decoded_bytes: 1 << 30,
            run_bytes: 1 << 30,
        }
    }
}
