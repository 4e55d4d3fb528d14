//! Files made to do harm are refused by name, or do none; the net that catches panics never has to.

use pipelines::{ErrorKind, LoadOptions, RunOptions};
use proptest::prelude::*;
use serde_json::{Value, json};
use testkit::onnx::tokenizer_json;

use crate::{
    support::{embed, load, tiny, tiny_with},
    vocabularies::{base64, byte_pairs, charsmap, echo, unigram, word_level},
};

/// Loads a tokenizer that must be refused; the message must say `what`.
fn refused(tokenizer: &Value, what: &str) {
    let error = load(&echo(tokenizer)).map(|_| ()).expect_err(what);
    let message = error.to_string();
    assert_eq!(error.kind(), ErrorKind::InvalidModel, "{message}");
    assert!(message.contains("tokenizer.json") && message.contains(what), "{what:?} is not in {message:?}");
    assert!(!message.contains("panic"), "{message}");
}

fn changed(mut tokenizer: Value, pointer: &str, value: Value) -> Value {
    *tokenizer.pointer_mut(pointer).expect("the place is there") = value;
    tokenizer
}

fn with(mut tokenizer: Value, key: &str, value: Value) -> Value {
    tokenizer[key] = value;
    tokenizer
}

#[test]
fn padding_and_stride_of_any_size_do_no_harm() {
    let huge = json!(1_u64 << 40);
    for (pointer, value) in [
        ("/padding/strategy", json!({"Fixed": huge})),
        ("/padding/pad_to_multiple_of", huge.clone()),
        ("/truncation/stride", huge),
        ("/truncation/stride", json!(24)),
        ("/truncation/strategy", json!("OnlySecond")),
        ("/decoder", json!({"type": "Replace", "pattern": {"Regex": "("}, "content": ""})),
    ] {
        let files = tiny_with("tokenizer.json", |file| *file = changed(file.take(), pointer, value));
        let pipeline = load(&files).expect(pointer);
        let text = "cat ".repeat(50);
        let embedding = embed(&*pipeline, &[&text], &RunOptions::default()).expect(pointer).remove(0);
        assert_eq!((embedding.tokens, embedding.truncated), (24, true), "{pointer}");
    }
}

#[test]
fn lengths_without_room_are_refused() {
    let tokenizer = tokenizer_json;
    refused(&changed(tokenizer(), "/truncation/max_length", json!(0)), "max_length above 0");
    refused(&changed(tokenizer(), "/truncation/max_length", json!(-1)), "max_length above 0");
    refused(&changed(tokenizer(), "/truncation/max_length", json!(1)), "adds 2 special tokens");
    refused(&changed(tokenizer(), "/truncation/max_length", json!(2)), "adds 2 special tokens");
    refused(&changed(tokenizer(), "/padding/pad_id", json!(1_u64 << 40)), "padding has a token id");
    refused(&changed(tokenizer(), "/padding/direction", json!("Up")), "neither Left nor Right");
    let files = tiny_with("config.json", |file| file["max_position_embeddings"] = json!(2));
    assert_eq!(load(&files).map(|_| ()).expect_err("no room").kind(), ErrorKind::InvalidModel);
}

#[test]
fn templates_that_point_nowhere_are_refused() {
    let change =
        |pointer: &str, value| changed(tokenizer_json(), &format!("/post_processor{pointer}"), value);
    let text = |id| json!({"Sequence": {"id": id, "type_id": 0}});
    let special = |id| json!({"SpecialToken": {"id": id, "type_id": 0}});
    refused(&change("/single/0", special("[NONE]")), "[NONE], which is not given");
    refused(&change("/single/1", text("B")), "text B twice, or where there is none");
    refused(&change("/pair/1", special("[NONE]")), "[NONE], which is not given");
    refused(&change("/single", json!([text("A"), text("A")])), "text A twice");
    refused(&change("/single", Value::from(vec![special("[SEP]"); 33])), "more than 32 pieces");
    refused(&change("/single/0", json!({})), "not one thing");
    refused(&change("/special_tokens/[CLS]/ids", json!([2, 2])), "not one for each of its tokens");
    refused(&change("/special_tokens/[CLS]/ids", json!([1_u64 << 33])), "token id");
    // Said to be a template, but with the fields of another processor.
    let disguised = json!({"type": "TemplateProcessing", "cls": ["a", 1], "sep": ["b", 2], "trim_offsets": true,
                           "add_prefix_space": true});
    refused(&change("", disguised), "special_tokens is not an object");
    refused(&change("", json!({"type": "Telepathy"})), "Telepathy is not known");
}

#[test]
fn merges_outside_the_vocabulary_are_refused() {
    let merges = |merges| changed(byte_pairs(), "/model/merges", merges);
    refused(&merges(json!([["abc", "abc"]])), "is not in the vocabulary");
    refused(&merges(json!([["a", "zzz"]])), "is not in the vocabulary");
    refused(&merges(json!(["a b c"])), "is not in the vocabulary");
    refused(&merges(json!([["a"]])), "not a pair");
    refused(&merges(json!({})), "merges is not a list");
    let prefix = |prefix: &str, second: &str| {
        let mut tokenizer = merges(json!([["a", second]]));
        tokenizer["model"]["continuing_subword_prefix"] = json!(prefix);
        tokenizer["model"]["vocab"][second] = json!(9);
        tokenizer
    };
    refused(&prefix("######", "b"), "lacks the prefix");
    // The prefix would be cut off in the middle of a character.
    refused(&prefix("#", "é"), "lacks the prefix");
    refused(&prefix(&"#".repeat(65), "b"), "longer than 64 bytes");
    refused(&changed(byte_pairs(), "/model/vocab/ab", json!(u64::MAX)), "token id");
}

#[test]
fn pieces_that_make_a_deep_or_wide_tree_are_refused() {
    let vocabulary = |pieces: Vec<Value>| changed(unigram(), "/model/vocab", Value::from(pieces));
    refused(&vocabulary(vec![json!(["a".repeat(100_000), 0.0])]), "256 bytes");
    refused(&vocabulary(vec![json!(["a", "b"])]), "and a number");
    refused(&changed(unigram(), "/model/unk_id", json!(99)), "is not a tokenizer");

    // 8,200 pieces of 250 bytes that share nothing but their length.
    let pieces = (0..8_200).map(|piece| json!([format!("{piece:0>4x}{}", "a".repeat(246)), 0.0])).collect();
    let error = load(&echo(&vocabulary(pieces))).map(|_| ()).expect_err("too many nodes");
    assert_eq!(error.kind(), ErrorKind::LimitExceeded, "{error}");
}

#[test]
fn words_and_parts_of_no_or_any_length_are_refused() {
    refused(&changed(tokenizer_json(), "/model/max_input_chars_per_word", json!(1_000_000)), "up to 1000");
    refused(
        &changed(tokenizer_json(), "/model/continuing_subword_prefix", json!("#".repeat(100))),
        "64 bytes",
    );
    let fixed = json!({"type": "FixedLength", "length": 0});
    refused(&with(word_level(), "pre_tokenizer", fixed), "no length above 0");
    refused(&changed(tokenizer_json(), "/model/type", json!("Oracle")), "the model Oracle is not known");
}

#[test]
fn normalizers_that_blow_a_text_up_are_refused() {
    let double = json!({"type": "Replace", "pattern": {"String": "a"}, "content": "aa"});
    let doubled = |times| json!({"type": "Sequence", "normalizers": vec![double.clone(); times]});
    refused(&with(word_level(), "normalizer", doubled(40)), "10000 times longer");
    let nothing = json!({"type": "Replace", "pattern": {"Regex": "x*"}, "content": "y".repeat(20_000)});
    refused(&with(word_level(), "normalizer", nothing), "10000 times longer");
    let before = json!({"type": "Prepend", "prepend": "y".repeat(20_000)});
    refused(&with(word_level(), "normalizer", before), "10000 times longer");
    refused(&with(word_level(), "normalizer", json!({"type": "Telepathy"})), "Telepathy is not known");
    let long = json!({"type": "Replace", "pattern": {"Regex": "a".repeat(5000)}, "content": ""});
    refused(&with(word_level(), "normalizer", long), "longer than 4096 bytes");
    let broken = json!({"type": "Replace", "pattern": {"Regex": "(("}, "content": ""});
    refused(&with(word_level(), "normalizer", broken), "is not a tokenizer");

    // Thirteen times double is allowed; then less of a text is looked at.
    let pipeline = load(&echo(&with(word_level(), "normalizer", doubled(13)))).expect("it loads");
    let error =
        embed(&*pipeline, &[&"a".repeat(100_000)], &RunOptions::default()).expect_err("it would fill memory");
    assert_eq!(error.kind(), ErrorKind::LimitExceeded, "{error}");
}

#[test]
fn nesting_is_bounded() {
    for (key, list, inner) in [
        ("normalizer", "normalizers", json!({"type": "NFC"})),
        ("pre_tokenizer", "pretokenizers", json!({"type": "Whitespace"})),
        (
            "post_processor",
            "processors",
            json!({"type": "ByteLevel", "add_prefix_space": true, "trim_offsets": true}),
        ),
    ] {
        let nested = (0..50).fold(inner.clone(), |inner, _| json!({"type": "Sequence", list: [inner]}));
        refused(&with(word_level(), key, nested), "too deeply nested");
        let many = json!({"type": "Sequence", list: vec![inner; 100]});
        refused(&with(word_level(), key, many), "too many parts");
    }
    let mut files = tiny();
    files.insert("tokenizer.json".to_owned(), "[".repeat(100_000).into());
    assert_eq!(load(&files).map(|_| ()).expect_err("too deep").kind(), ErrorKind::InvalidModel);
}

#[test]
fn character_maps_that_lead_outside_themselves_are_refused() {
    let map = |bytes: &[u8]| {
        with(
            word_level(),
            "normalizer",
            json!({"type": "Precompiled", "precompiled_charsmap": base64(bytes)}),
        )
    };
    let good = charsmap("dog ");
    load(&echo(&map(&good))).expect("the map itself is good");
    refused(
        &with(word_level(), "normalizer", json!({"type": "Precompiled", "precompiled_charsmap": "!"})),
        "base64",
    );
    refused(&map(&[]), "is empty");
    refused(&map(&[0; 4]), "has no units");
    // Eight gigabytes, says the length.
    refused(&map(&[0xff; 16]), "shorter than it says");
    let patched = |at: usize, value: u32| {
        let mut bytes = good.clone();
        bytes[at..at + 4].copy_from_slice(&value.to_le_bytes());
        map(&bytes)
    };
    refused(&patched(4, 900 << 10), "leads outside itself");
    refused(&patched(4 + 512 * 4, 1 << 31 | 6), "leads outside its texts");
    let mut cut = charsmap("é");
    let text = cut.len() - 3;
    cut.truncate(text + 1);
    refused(&map(&cut), "not UTF-8");
    let mut inside = charsmap("é");
    inside[4 + 512 * 4] = 1;
    refused(&map(&inside), "leads outside its texts");
    refused(&map(&charsmap(&"y".repeat(20_000))), "10000 times longer");
}

#[test]
fn added_tokens_that_confuse_the_search_are_refused() {
    let token = |content: &str, lstrip: bool, rstrip: bool| {
        json!({"id": 9, "content": content, "special": false, "single_word": false, "lstrip": lstrip,
               "rstrip": rstrip, "normalized": false})
    };
    let tokens = |tokens: &[Value]| with(word_level(), "added_tokens", Value::from(tokens));
    refused(&tokens(&[token("a", false, true), token(" ", true, false)]), "exclude each other");
    refused(&tokens(&[token("", false, false)]), "empty");
    refused(&tokens(&[token(&"a".repeat(2000), false, false)]), "1024 bytes");
    refused(&tokens(&[json!({"id": 9, "content": "a"})]), "no special");
    refused(&tokens(&[json!({"id": -9, "content": "a"})]), "token id");
    load(&echo(&tokens(&[token("a", false, true), token(" ", false, false)]))).expect("this is in order");
}

#[test]
fn files_beyond_the_limits_are_refused() {
    let mut small = LoadOptions::default();
    small.limits.tokenizer_bytes = 100;
    let mut few = LoadOptions::default();
    few.limits.tokenizer_values = 100;
    let mut short = LoadOptions::default();
    short.limits.config_bytes = 100;
    for options in [small, few, short] {
        let error =
            pipelines::load("feature-extraction", &tiny(), &options).map(|_| ()).expect_err("too large");
        assert_eq!(error.kind(), ErrorKind::LimitExceeded, "{error}");
    }
}

#[test]
fn ids_that_the_graph_has_no_row_for_are_an_error_of_the_run() {
    let files = tiny_with("tokenizer.json", |file| file["model"]["vocab"]["cat"] = json!(5000));
    let pipeline = load(&files).expect("nothing is wrong with the tokenizer");
    let error = embed(&*pipeline, &["cat"], &RunOptions::default()).expect_err("there is no row 5000");
    assert_eq!(error.kind(), ErrorKind::Run, "{error}");
}

/// Values that have broken parsers before.
fn odd_value() -> impl Strategy<Value = Value> {
    prop_oneof![
        Just(Value::Null),
        any::<bool>().prop_map(Value::from),
        any::<i64>().prop_map(Value::from),
        any::<u64>().prop_map(Value::from),
        Just(json!(0)),
        Just(json!(1e300)),
        Just(json!("")),
        Just(json!("Sequence")),
        Just(json!([])),
        Just(json!({})),
        Just(json!({"type": "Sequence"})),
        "\\PC{0,8}".prop_map(Value::from),
    ]
}

/// Replaces or removes the `index`-th value of a tree, counted in the order of reading.
fn replace(tree: &mut Value, index: &mut usize, with: &Value) {
    if *index == 0 {
        *tree = with.clone();
    }
    *index = index.wrapping_sub(1);
    let children: Vec<&mut Value> = match tree {
        Value::Array(children) => children.iter_mut().collect(),
        Value::Object(children) => children.values_mut().collect(),
        _ => Vec::new(),
    };
    for child in children {
        if *index < usize::MAX / 2 {
            replace(child, index, with);
        }
    }
}

proptest! {
    #![proptest_config(ProptestConfig::with_cases(300))]

    /// Whatever is changed in a tokenizer, it is refused or it works, and never by way of a panic.
    #[test]
    fn a_changed_tokenizer_never_panics(
        kind in 0..4_usize,
        changes in prop::collection::vec((0..160_usize, odd_value()), 1..3),
        text in "[ a-dA\u{e9}\u{301}\\-\\[\\]CLS]{0,40}",
    ) {
        let mut tokenizer = [tokenizer_json, word_level, byte_pairs, unigram][kind]();
        for (index, value) in changes {
            replace(&mut tokenizer, &mut index.clone(), &value);
        }
        let result = load(&echo(&tokenizer)).and_then(|pipeline| embed(&*pipeline, &[&text], &RunOptions::default()));
        if let Err(error) = result {
            prop_assert!(!error.to_string().contains("panic"), "{}: {}", tokenizer, error);
        }
    }
}
