//! A complete sentence-embedding model of a few kilobytes, files and all, for tests that only need *a* model.

use serde_json::json;

use super::{
    BertSize, Weights, bert,
    tokenizer::{tokenizer_config_json, tokenizer_json, vocabulary},
};

/// The whole words that the tiny model's tokenizer knows; other words fall into letters.
pub const TINY_WORDS: &[&str] = &[
    "the", "a", "an", "is", "are", "in", "on", "of", "to", "and", "cat", "dog", "bird", "house", "tree",
    "river", "sleeps", "runs", "flies", "eats", "big", "small", "red", "green", "hello", "world", ".", ",",
    "!", "?", "-",
];

const LAYERS: usize = 2;
const HIDDEN: usize = 16;
const HEADS: usize = 2;
const INTERMEDIATE: usize = 32;
const POSITIONS: usize = 40;
const SEED: u64 = 1;

fn tiny(weights: Weights, seed: u64) -> Vec<u8> {
    let size = BertSize {
        vocabulary: vocabulary().len(),
        hidden: HIDDEN,
        heads: HEADS,
        layers: LAYERS,
        intermediate: INTERMEDIATE,
        positions: POSITIONS,
    };
    bert(size, weights, seed)
}

/// Returns a two-layer BERT in fp32: inputs `input_ids`, `attention_mask`, `token_type_ids` (int64 `[batch, tokens]`,
/// at most 40 tokens, ids below 88), output `last_hidden_state` (float32 `[batch, tokens, 16]`).
pub fn embedding_model() -> Vec<u8> {
    tiny(Weights::F32, SEED)
}

/// Returns [`embedding_model`] with dynamic int8 quantisation.
pub fn embedding_model_int8() -> Vec<u8> {
    tiny(Weights::Int8, SEED)
}

/// Returns every file of the tiny model, as a hub lists them: path and content.
pub fn tiny_model() -> Vec<(String, Vec<u8>)> {
    tiny_model_with_seed(SEED)
}

/// Returns the tiny model with other weights: another revision, with other digests and other answers.
pub fn tiny_model_with_seed(seed: u64) -> Vec<(String, Vec<u8>)> {
    let config = json!({
        "model_type": "bert", "architectures": ["BertModel"], "hidden_size": HIDDEN, "num_attention_heads": HEADS,
        "num_hidden_layers": LAYERS, "intermediate_size": INTERMEDIATE, "hidden_act": "gelu",
        "layer_norm_eps": 1e-12, "max_position_embeddings": POSITIONS, "type_vocab_size": 2,
        "vocab_size": vocabulary().len(), "pad_token_id": 0,
    });
    let special = json!({"pad_token": "[PAD]", "unk_token": "[UNK]", "cls_token": "[CLS]", "sep_token": "[SEP]",
                         "mask_token": "[MASK]"});
    let text = |value: serde_json::Value| format!("{value:#}\n").into_bytes();
    let card = "---\nlicense: mit\n---\n\nA tiny model with random weights, for tests.\n";
    [
        ("README.md", card.into()),
        ("config.json", text(config)),
        ("onnx/model.onnx", tiny(Weights::F32, seed)),
        ("onnx/model_quantized.onnx", tiny(Weights::Int8, seed)),
        ("special_tokens_map.json", text(special)),
        ("tokenizer.json", text(tokenizer_json())),
        ("tokenizer_config.json", text(tokenizer_config_json())),
    ]
    .map(|(path, content): (&str, Vec<u8>)| (path.to_owned(), content))
    .into()
}
