//! How much a model's files and an input may ask for.

/// Bounds on what a pipeline reads, keeps and computes; [`Limits::default`] suits models of every size that runs on
/// one machine.
///
/// The limits of the graph itself are the runtime's, in [`runtime::Limits`].
#[derive(Clone, Debug, PartialEq, Eq)]
#[allow(clippy::exhaustive_structs, reason = "built with struct update syntax from its default")]
pub struct Limits {
    /// Largest `tokenizer.json`, in bytes. Default: 32 MiB (the largest multilingual ones are about 17 MiB).
    pub tokenizer_bytes: usize,
    /// Most values (commas and colons) in `tokenizer.json`, since each takes many times its bytes in memory.
    /// Default: 2 million.
    pub tokenizer_values: usize,
    /// Largest of the other JSON files, in bytes. Default: 1 MiB.
    pub config_bytes: usize,
    /// Most tokens of one text; what the model's files allow is cut down to it. Default: 8192.
    pub tokens: usize,
    /// Most texts in one call. Default: 4096.
    pub texts: usize,
    /// Largest single text, in bytes; longer than any model reads. Default: 16 MiB.
    pub text_bytes: usize,
    /// Most bytes that normalising one text may produce. The part of a text beyond it is not looked at where its
    /// tokens would be truncated anyway, and is an error otherwise. Default: 16 MiB.
    pub normalized_bytes: usize,
    /// Most texts that are computed at once. Default: 32.
    pub batch_texts: usize,
    /// Most tokens, padding included, that are computed at once, if that is more than one text. Default: 4096.
    pub batch_tokens: usize,
}

impl Default for Limits {
    fn default() -> Self {
        const MIB: usize = 1 << 20;
        Self {
            tokenizer_bytes: 32 * MIB,
            tokenizer_values: 2_000_000,
            config_bytes: MIB,
            tokens: 8192,
            texts: 4096,
            text_bytes: 16 * MIB,
            normalized_bytes: 16 * MIB,
            batch_texts: 32,
            batch_tokens: 4096,
        }
    }
}
