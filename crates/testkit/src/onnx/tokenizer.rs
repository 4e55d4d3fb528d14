//! A small WordPiece tokenizer in the JSON of Hugging Face's `tokenizers`, of the same shape as a BERT model's.

use serde_json::{Value, json};

use super::tiny::TINY_WORDS;

const SPECIAL: [&str; 5] = ["[PAD]", "[UNK]", "[CLS]", "[SEP]", "[MASK]"];

/// Returns the tokens in the order of their ids: special tokens, words, letters, continuing letters.
///
/// Every word of lower-case ASCII letters can be written with it.
pub(super) fn vocabulary() -> Vec<String> {
    let letters = || ('a'..='z').map(String::from);
    let words = SPECIAL.iter().chain(TINY_WORDS).copied().map(String::from);
    words.chain(letters()).chain(letters().map(|letter| format!("##{letter}"))).collect()
}

/// Returns a `tokenizer.json`: lower case, `[CLS] text [SEP]`, truncation at 24 tokens and padding to 24.
///
/// The fixed padding is there because real models carry it, and pipelines do better without.
pub fn tokenizer_json() -> Value {
    let vocabulary = vocabulary();
    let vocabulary: serde_json::Map<String, Value> =
        vocabulary.into_iter().enumerate().map(|(id, token)| (token, json!(id))).collect();
    let added: Vec<Value> = SPECIAL
        .iter()
        .enumerate()
        .map(|(id, token)| {
            json!({"id": id, "content": token, "special": true, "single_word": false,
                   "lstrip": false, "rstrip": false, "normalized": false})
        })
        .collect();
    let special = |token: &str, id: u32| json!({"id": token, "ids": [id], "tokens": [token]});
    json!({
        "version": "1.0",
        "truncation": {"max_length": 24, "strategy": "LongestFirst", "stride": 0, "direction": "Right"},
        "padding": {"strategy": {"Fixed": 24}, "direction": "Right", "pad_to_multiple_of": null,
                    "pad_id": 0, "pad_type_id": 0, "pad_token": "[PAD]"},
        "added_tokens": added,
        "normalizer": {"type": "BertNormalizer", "clean_text": true, "handle_chinese_chars": true,
                       "strip_accents": null, "lowercase": true},
        "pre_tokenizer": {"type": "BertPreTokenizer"},
        "post_processor": {
            "type": "TemplateProcessing",
            "single": [{"SpecialToken": {"id": "[CLS]", "type_id": 0}},
                       {"Sequence": {"id": "A", "type_id": 0}},
                       {"SpecialToken": {"id": "[SEP]", "type_id": 0}}],
            "pair": [{"SpecialToken": {"id": "[CLS]", "type_id": 0}},
                     {"Sequence": {"id": "A", "type_id": 0}},
                     {"SpecialToken": {"id": "[SEP]", "type_id": 0}},
                     {"Sequence": {"id": "B", "type_id": 1}},
                     {"SpecialToken": {"id": "[SEP]", "type_id": 1}}],
            "special_tokens": {"[CLS]": special("[CLS]", 2), "[SEP]": special("[SEP]", 3)},
        },
        "decoder": {"type": "WordPiece", "prefix": "##", "cleanup": true},
        "model": {"type": "WordPiece", "unk_token": "[UNK]", "continuing_subword_prefix": "##",
                  "max_input_chars_per_word": 100, "vocab": vocabulary},
    })
}

/// Returns the `tokenizer_config.json` that goes with [`tokenizer_json`].
pub fn tokenizer_config_json() -> Value {
    json!({
        "tokenizer_class": "BertTokenizer", "do_lower_case": true, "clean_up_tokenization_spaces": false,
        "model_max_length": 40, "max_length": 24, "padding_side": "right", "truncation_side": "right",
        "truncation_strategy": "longest_first", "stride": 0, "pad_token": "[PAD]", "unk_token": "[UNK]",
        "cls_token": "[CLS]", "sep_token": "[SEP]", "mask_token": "[MASK]", "pad_token_type_id": 0,
    })
}
