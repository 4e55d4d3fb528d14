//! How many tokens of a text are read, and which: the documented rule over the model's files.

use pipelines::{LoadOptions, RunOptions};
use serde_json::{Value, json};

use crate::support::{Files, distance, embed, load, tiny, tiny_with, tokens_of};

fn long_text() -> String {
    "cat dog bird tree ".repeat(20)
}

/// A change to a JSON file.
type Change = fn(&mut Value);

fn merged(parts: [(&str, Change); 3]) -> Files {
    let mut files = tiny();
    for (path, change) in parts {
        let changed = tiny_with(path, change);
        files.insert(path.to_owned(), changed[path].clone());
    }
    files
}

/// The number of tokens read of a long text.
fn read(files: &Files) -> usize {
    let embedding = tokens_of(files, &long_text());
    assert!(embedding.truncated);
    embedding.tokens
}

#[test]
fn the_first_length_that_is_stated_counts() {
    let untouched: Change = |_| {};
    let no_truncation: Change = |file| file["truncation"] = Value::Null;
    let no_max_length: Change = |file| file["max_length"] = Value::Null;
    let files = |tokenizer, config, model| {
        merged([("tokenizer.json", tokenizer), ("tokenizer_config.json", config), ("config.json", model)])
    };
    assert_eq!(read(&files(untouched, untouched, untouched)), 24, "tokenizer.json first");
    assert_eq!(
        read(&files(no_truncation, |file| file["max_length"] = json!(20), untouched)),
        20,
        "then max_length"
    );
    let at_30: Change = |file| {
        file["max_length"] = Value::Null;
        file["model_max_length"] = json!(30);
    };
    assert_eq!(read(&files(no_truncation, at_30, untouched)), 30, "then model_max_length");
    assert_eq!(read(&files(no_truncation, no_max_length, untouched)), 40, "model_max_length is 40");
    assert_eq!(read(&files(untouched, untouched, |file| file["max_position_embeddings"] = json!(9))), 9);
    let shifted: Change = |file| {
        file["model_type"] = json!("xlm-roberta");
        file["max_position_embeddings"] = json!(18);
        file["pad_token_id"] = json!(1);
    };
    assert_eq!(
        read(&files(untouched, untouched, shifted)),
        16,
        "positions start after the padding token's id"
    );
    // What exporters write for "no limit" fits no machine word.
    let huge: Change = |file| {
        file["max_length"] = Value::Null;
        file["model_max_length"] = json!(1e30);
    };
    assert_eq!(read(&files(no_truncation, huge, untouched)), 40, "then the positions of config.json");
}

#[test]
fn the_callers_limit_is_never_exceeded() {
    let mut options = LoadOptions::default();
    options.limits.tokens = 5;
    let pipeline = pipelines::load("feature-extraction", &tiny(), &options).expect("the tiny model loads");
    let embedding = embed(&*pipeline, &[&long_text()], &RunOptions::default()).expect("it runs").remove(0);
    assert_eq!((embedding.tokens, embedding.truncated), (5, true));
}

#[test]
fn the_configuration_files_may_be_missing() {
    let mut files = tiny();
    files.remove("tokenizer_config.json");
    files.remove("config.json");
    assert_eq!(read(&files), 24);
}

#[test]
fn a_text_is_cut_where_the_tokenizer_says() {
    let text = "cat ".repeat(30);
    let whole = |files: &Files, text: &str| tokens_of(files, text);
    let right = whole(&tiny(), &format!("{text} dog"));
    assert!(distance(&right.values, &whole(&tiny(), &text).values) < 1e-6, "the end does not count");
    let left = tiny_with("tokenizer.json", |file| file["truncation"]["direction"] = json!("Left"));
    let with_dog = whole(&left, &format!("{text} dog"));
    assert!(with_dog.truncated);
    assert!(distance(&with_dog.values, &whole(&left, &text).values) > 1e-3, "the end counts");
    assert!(distance(&whole(&left, &format!("dog {text}")).values, &whole(&left, &text).values) < 1e-6);
}

#[test]
fn a_text_of_exactly_the_most_tokens_is_whole() {
    let text = "cat ".repeat(22);
    let embedding = tokens_of(&tiny(), &text);
    assert_eq!((embedding.tokens, embedding.truncated), (24, false));
    let embedding = tokens_of(&tiny(), &format!("{text} dog"));
    assert_eq!((embedding.tokens, embedding.truncated), (24, true));
    // The same without special tokens, where the tokenizer itself stops early and says nothing.
    let bare = tiny_with("tokenizer.json", |file| file["post_processor"] = Value::Null);
    for (count, tokens, truncated) in [(23, 23, false), (24, 24, false), (25, 24, true), (90, 24, true)] {
        let embedding = tokens_of(&bare, &"cat ".repeat(count));
        assert_eq!((embedding.tokens, embedding.truncated), (tokens, truncated), "{count} words");
    }
    let bare_left = tiny_with("tokenizer.json", |file| {
        file["post_processor"] = Value::Null;
        file["truncation"]["direction"] = json!("Left");
    });
    let last = tokens_of(&bare_left, &format!("{}dog", "cat ".repeat(24)));
    let expected = tokens_of(&bare_left, &format!("{}dog", "cat ".repeat(23)));
    assert_eq!((last.tokens, last.truncated, expected.truncated), (24, true, false));
    assert!(distance(&last.values, &expected.values) < 1e-6);
}

#[test]
fn a_model_without_special_tokens_has_no_embedding_of_nothing() {
    let bare = tiny_with("tokenizer.json", |file| file["post_processor"] = Value::Null);
    let pipeline = load(&bare).expect("it loads");
    let error = embed(&*pipeline, &["cat", ""], &RunOptions::default()).expect_err("no token at all");
    assert_eq!(error.to_string(), "text 2 of 2 has no token that the model knows");
}

#[test]
fn padding_on_the_left_is_left_out_too() {
    // This graph counts positions from the start of the row, so that the shorter text must be as long as the other.
    let left = tiny_with("tokenizer.json", |file| file["padding"]["direction"] = json!("Left"));
    let pipeline = load(&left).expect("it loads");
    let options = RunOptions::default();
    let embeddings = embed(&*pipeline, &["cat dog", "cat", "cat dog"], &options).expect("they run");
    assert_eq!(embeddings[1].shape, [3, 16]);
    assert!(distance(&embeddings[0].values, &embeddings[2].values) < 1e-6);
    let right = embed(&*load(&tiny()).expect("it loads"), &["cat dog", "cat", "cat dog"], &options)
        .expect("they run");
    assert!(distance(&embeddings[0].values, &right[0].values) < 1e-5);
}

#[test]
fn a_very_long_text_is_read_only_as_far_as_it_counts() {
    let mut options = LoadOptions::default();
    // The normalizer can make a text 9 times longer.
    options.limits.normalized_bytes = 9 * 200;
    let pipeline = pipelines::load("feature-extraction", &tiny(), &options).expect("the tiny model loads");
    let options = RunOptions::default();
    let long = embed(&*pipeline, &[&"cat ".repeat(5000)], &options).expect("it runs").remove(0);
    assert_eq!((long.tokens, long.truncated), (24, true));
    let error = embed(&*pipeline, &[&" ".repeat(5000)], &options).expect_err("nobody knows what follows");
    assert_eq!(error.kind(), pipelines::ErrorKind::LimitExceeded, "{error}");
}
