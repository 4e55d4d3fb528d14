//! The other kinds of tokenizer: each gives the tokens that its vocabulary says.

use pipelines::RunOptions;
use serde_json::{Value, json};
use testkit::onnx::{Array, DataType, Graph, Node};

use crate::support::{Files, embed, load, tiny};

/// A model whose embedding of a token is its id.
pub(crate) fn echo(tokenizer: &Value) -> Files {
    let graph = Graph::new(17)
        .input("input_ids", DataType::I64, ["batch".into(), "tokens".into()])
        .node(Node::new("Cast", ["input_ids"], ["float"]).attr("to", 1))
        .initializer("axes", Array::i64([1], [2]))
        .node(Node::new("Unsqueeze", ["float", "axes"], ["last_hidden_state"]))
        .output_of_any_shape("last_hidden_state", DataType::F32)
        .build();
    let mut files = tiny();
    files.insert("onnx/model.onnx".to_owned(), graph.into());
    files.insert("tokenizer.json".to_owned(), tokenizer.to_string().into());
    files
}

/// The ids that a tokenizer gives a text.
pub(crate) fn ids(tokenizer: &Value, text: &str) -> Vec<u32> {
    let pipeline = load(&echo(tokenizer)).expect("the tokenizer loads");
    let embedding =
        embed(&*pipeline, &[text], &RunOptions::default()).expect("the text has tokens").remove(0);
    embedding.values.iter().map(|id| *id as u32).collect()
}

pub(crate) fn word_level() -> Value {
    json!({"version": "1.0", "pre_tokenizer": {"type": "Whitespace"},
           "model": {"type": "WordLevel", "unk_token": "?", "vocab": {"?": 0, "cat": 1, "dog": 2, "<s>": 3, "</s>": 4}}})
}

pub(crate) fn byte_pairs() -> Value {
    json!({"version": "1.0", "pre_tokenizer": {"type": "Whitespace"},
           "model": {"type": "BPE", "unk_token": "?", "dropout": null, "continuing_subword_prefix": null,
                     "end_of_word_suffix": null, "fuse_unk": false, "byte_fallback": false, "ignore_merges": false,
                     "vocab": {"?": 0, "a": 1, "b": 2, "c": 3, "ab": 4, "abc": 5},
                     "merges": [["a", "b"], ["ab", "c"]]}})
}

pub(crate) fn unigram() -> Value {
    json!({"version": "1.0", "pre_tokenizer": {"type": "Metaspace", "replacement": "▁", "prepend_scheme": "always"},
           "model": {"type": "Unigram", "unk_id": 0, "byte_fallback": false,
                     "vocab": [["<unk>", 0.0], ["▁", -3.0], ["▁ca", -1.0], ["t", -1.0], ["c", -4.0], ["a", -4.0]]}})
}

#[test]
fn word_level_takes_whole_words() {
    assert_eq!(ids(&word_level(), "dog cat bird"), [2, 1, 0]);
}

#[test]
fn byte_pairs_merge_in_order_in_both_notations() {
    assert_eq!(ids(&byte_pairs(), "abc cab x"), [5, 3, 4, 0]);
    let mut old = byte_pairs();
    old["model"]["merges"] = json!(["#version: 0.2", "a b", "ab c"]);
    assert_eq!(ids(&old, "abc cab x"), [5, 3, 4, 0]);
    old["model"].as_object_mut().expect("a model").remove("type");
    assert_eq!(ids(&old, "abc"), [5], "files from before 2021 have no type");
}

#[test]
fn byte_pairs_with_a_prefix_for_continuing_parts() {
    let mut tokenizer = byte_pairs();
    tokenizer["model"]["continuing_subword_prefix"] = json!("##");
    tokenizer["model"]["vocab"] = json!({"?": 0, "a": 1, "##b": 2, "ab": 3});
    tokenizer["model"]["merges"] = json!([["a", "##b"]]);
    assert_eq!(ids(&tokenizer, "ab"), [3]);
}

#[test]
fn dropout_is_for_training_only() {
    let mut tokenizer = byte_pairs();
    tokenizer["model"]["dropout"] = json!(1.0);
    assert_eq!(ids(&tokenizer, "abc"), [5]);
}

#[test]
fn unigram_takes_the_most_likely_pieces() {
    assert_eq!(ids(&unigram(), "cat at"), [2, 3, 1, 5, 3]);
    assert_eq!(ids(&unigram(), "zz"), [1, 0]);
}

#[test]
fn special_tokens_of_every_processor() {
    let mut tokenizer = word_level();
    let pair = json!(["</s>", 4]);
    for (processor, expected) in [
        (json!({"type": "BertProcessing", "cls": ["<s>", 3], "sep": pair}), vec![3, 1, 4]),
        (
            json!({"type": "RobertaProcessing", "cls": ["<s>", 3], "sep": pair, "trim_offsets": true,
                   "add_prefix_space": true}),
            vec![3, 1, 4],
        ),
        (
            json!({"type": "ByteLevel", "add_prefix_space": true, "trim_offsets": true, "use_regex": true}),
            vec![1],
        ),
        (
            json!({"type": "Sequence", "processors": [
                {"type": "ByteLevel", "add_prefix_space": true, "trim_offsets": true, "use_regex": true},
                {"type": "TemplateProcessing",
                 "single": [{"Sequence": {"id": "A", "type_id": 0}}, {"SpecialToken": {"id": "</s>", "type_id": 0}}],
                 "pair": [{"Sequence": {"id": "A", "type_id": 0}}, {"Sequence": {"id": "B", "type_id": 1}}],
                 "special_tokens": {"</s>": {"id": "</s>", "ids": [4], "tokens": ["</s>"]}}}]}),
            vec![1, 4],
        ),
    ] {
        tokenizer["post_processor"] = processor;
        assert_eq!(ids(&tokenizer, "cat"), expected, "{tokenizer}");
    }
}

#[test]
fn every_normalizer_and_pre_tokenizer_is_known() {
    let bert = json!({"type": "BertNormalizer", "clean_text": true, "handle_chinese_chars": true,
                      "strip_accents": null, "lowercase": true});
    for normalizer in [
        bert,
        json!({"type": "Strip", "strip_left": true, "strip_right": true}),
        json!({"type": "StripAccents"}),
        json!({"type": "Nmt"}),
        json!({"type": "Lowercase"}),
        json!({"type": "NFC"}),
        json!({"type": "NFD"}),
        json!({"type": "NFKC"}),
        json!({"type": "NFKD"}),
        json!({"type": "Replace", "pattern": {"String": "  "}, "content": " "}),
        json!({"type": "Replace", "pattern": {"Regex": " {2,}"}, "content": " "}),
        json!({"type": "Sequence", "normalizers": [{"type": "NFD"}, {"type": "Lowercase"}, {"type": "StripAccents"}]}),
    ] {
        let mut tokenizer = word_level();
        tokenizer["normalizer"] = normalizer;
        assert_eq!(ids(&tokenizer, "cat dog"), [1, 2], "{tokenizer}");
    }
    for pre_tokenizer in [
        json!({"type": "BertPreTokenizer"}),
        json!({"type": "Whitespace"}),
        json!({"type": "WhitespaceSplit"}),
        json!({"type": "CharDelimiterSplit", "delimiter": " "}),
        json!({"type": "Split", "pattern": {"String": " "}, "behavior": "Removed", "invert": false}),
        json!({"type": "Split", "pattern": {"Regex": "\\s+(?!\\S)|\\s"}, "behavior": "Removed", "invert": false}),
        json!({"type": "Sequence", "pretokenizers": [
            {"type": "WhitespaceSplit"}, {"type": "Punctuation", "behavior": "Isolated"},
            {"type": "Digits", "individual_digits": true}, {"type": "UnicodeScripts"},
            {"type": "FixedLength", "length": 3}]}),
    ] {
        let mut tokenizer = word_level();
        tokenizer["pre_tokenizer"] = pre_tokenizer;
        assert_eq!(ids(&tokenizer, "cat dog"), [1, 2], "{tokenizer}");
    }
}

#[test]
fn byte_level_splits_keep_the_space() {
    let mut tokenizer = word_level();
    tokenizer["pre_tokenizer"] = json!({"type": "ByteLevel", "add_prefix_space": false, "trim_offsets": true,
                                        "use_regex": true});
    tokenizer["model"]["vocab"]["Ġdog"] = json!(5);
    assert_eq!(ids(&tokenizer, "cat dog"), [1, 5]);
}

#[test]
fn added_tokens_are_found_before_all_else() {
    let mut tokenizer = word_level();
    tokenizer["added_tokens"] = json!([
        {"id": 5, "content": "catdog", "special": false, "single_word": false, "lstrip": false, "rstrip": false,
         "normalized": false},
    ]);
    assert_eq!(ids(&tokenizer, "cat catdogdog"), [1, 5, 2]);
}

/// A map with one rule: `A` becomes the given text.
pub(crate) fn charsmap(text: &str) -> Vec<u8> {
    // The root's children lie in the block of units at 256, and those of "A" in the block at 512.
    let mut units = vec![0_u32; 768];
    let offset_to = |from: u32, to: u32| (from ^ to) << 10;
    units[0] = offset_to(0, 256);
    let a = 256 ^ u32::from(b'A');
    units[a as usize] = u32::from(b'A') | 1 << 8 | offset_to(a, 512);
    units[512] = 1 << 31;
    let mut map = u32::try_from(units.len() * 4).expect("small").to_le_bytes().to_vec();
    map.extend(units.iter().flat_map(|unit| unit.to_le_bytes()));
    map.extend(text.bytes().chain([0]));
    map
}

pub(crate) fn base64(bytes: &[u8]) -> String {
    const DIGITS: &[u8; 64] = b"ABCDEFGHIJKLMNOPQRSTUVWXYZabcdefghijklmnopqrstuvwxyz0123456789+/";
    let group = |group: &[u8]| {
        let bits =
            (0..3).fold(0_usize, |bits, index| bits << 8 | usize::from(*group.get(index).unwrap_or(&0)));
        let digit = |index: usize| match index <= group.len() {
            true => char::from(DIGITS[bits >> (18 - 6 * index) & 63]),
            false => '=',
        };
        [digit(0), digit(1), digit(2), digit(3)]
    };
    bytes.chunks(3).flat_map(group).collect()
}

#[test]
fn a_character_map_replaces_characters() {
    let mut tokenizer = word_level();
    tokenizer["normalizer"] =
        json!({"type": "Precompiled", "precompiled_charsmap": base64(&charsmap("dog "))});
    assert_eq!(ids(&tokenizer, "cat A"), [1, 2]);
    assert_eq!(ids(&tokenizer, "AA"), [2, 2]);
}
