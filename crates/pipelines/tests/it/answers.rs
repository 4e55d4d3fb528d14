//! What feature extraction answers.

use pipelines::{ErrorKind, Input, LoadOptions, Pooling, RunOptions, cosine_similarity};
use proptest::prelude::*;
use serde_json::json;

use crate::support::{distance, embed, load, tiny};

const TEXTS: [&str; 4] =
    ["The cat sleeps.", "a", "A big red bird flies to the river and eats.", "HELLO world!"];

#[test]
fn without_pooling_every_token_has_a_vector() {
    let pipeline = load(&tiny()).expect("the tiny model loads");
    let embeddings = embed(&*pipeline, &["the cat sleeps."], &RunOptions::default()).expect("it runs");
    // [CLS] the cat sleeps . [SEP]
    assert_eq!(embeddings[0].tokens, 6);
    assert_eq!(embeddings[0].shape, [6, 16]);
    assert_eq!(embeddings[0].values.len(), 6 * 16);
    assert!(!embeddings[0].truncated);
    assert_eq!(pipeline.task(), "feature-extraction");
}

#[test]
fn pooling_and_length_follow_from_the_vectors_of_the_tokens() {
    let pipeline = load(&tiny()).expect("the tiny model loads");
    let run = |pooling, normalize| {
        let options = RunOptions { pooling, normalize, ..RunOptions::default() };
        embed(&*pipeline, &["the cat sleeps"], &options).expect("it runs").remove(0)
    };
    let tokens = run(Pooling::None, false);
    let rows: Vec<&[f32]> = tokens.values.chunks(16).collect();
    let mean: Vec<f32> =
        (0..16).map(|column| rows.iter().map(|row| row[column]).sum::<f32>() / rows.len() as f32).collect();
    assert!(distance(&run(Pooling::Mean, false).values, &mean) < 1e-6);
    assert_eq!(run(Pooling::Cls, false).values, rows[0]);
    assert_eq!(run(Pooling::Mean, false).shape, [16]);

    let length = |vector: &[f32]| vector.iter().map(|value| value * value).sum::<f32>().sqrt();
    for pooling in [Pooling::None, Pooling::Mean, Pooling::Cls] {
        let (plain, unit) = (run(pooling, false), run(pooling, true));
        for (plain, unit) in plain.values.chunks(16).zip(unit.values.chunks(16)) {
            assert!((length(unit) - 1.0).abs() < 1e-5);
            assert!(cosine_similarity(plain, unit).expect("neither is zero") > 0.999_999);
        }
    }
}

#[test]
fn padding_changes_nothing() {
    let pipeline = load(&tiny()).expect("the tiny model loads");
    let options = RunOptions::sentence_embedding();
    let together = embed(&*pipeline, &TEXTS, &options).expect("they run");
    for (text, embedding) in TEXTS.iter().zip(&together) {
        let alone = embed(&*pipeline, &[text], &options).expect("it runs").remove(0);
        assert_eq!(alone.tokens, embedding.tokens, "{text}");
        assert!(distance(&alone.values, &embedding.values) < 1e-5, "{text}");
    }
}

#[test]
fn dynamic_quantisation_does_not_mix_the_texts_of_a_call() {
    let options = LoadOptions { onnx_file: "onnx/model_quantized.onnx".to_owned(), ..LoadOptions::default() };
    let pipeline =
        pipelines::load("feature-extraction", &tiny(), &options).expect("the tiny int8 model loads");
    let run = |texts: &[&str]| embed(&*pipeline, texts, &RunOptions::sentence_embedding()).expect("they run");
    let together = run(&TEXTS);
    for (text, embedding) in TEXTS.iter().zip(&together) {
        assert_eq!(run(&[text])[0], *embedding, "{text}");
    }
    let exact = embed(&*load(&tiny()).expect("it loads"), &TEXTS, &RunOptions::sentence_embedding());
    for (exact, int8) in exact.expect("they run").iter().zip(&together) {
        let cosine = cosine_similarity(&exact.values, &int8.values).expect("neither is zero");
        assert!(cosine > 0.99, "{cosine}");
    }
}

#[test]
fn many_texts_come_back_in_order() {
    let mut options = LoadOptions::default();
    options.limits.batch_texts = 3;
    options.limits.batch_tokens = 30;
    let pipeline = pipelines::load("feature-extraction", &tiny(), &options).expect("the tiny model loads");
    let texts: Vec<String> = (0..20).map(|count| "cat ".repeat(count % 7)).collect();
    let texts: Vec<&str> = texts.iter().map(String::as_str).collect();
    let embeddings = embed(&*pipeline, &texts, &RunOptions::sentence_embedding()).expect("they run");
    let counts: Vec<usize> = embeddings.iter().map(|embedding| embedding.tokens - 2).collect();
    assert_eq!(counts, (0..20).map(|count| count % 7).collect::<Vec<_>>());
    assert!(distance(&embeddings[3].values, &embeddings[10].values) < 1e-5);
    assert!(distance(&embeddings[3].values, &embeddings[4].values) > 1e-3);
}

#[test]
fn no_text_is_an_error_and_an_empty_text_is_not() {
    let pipeline = load(&tiny()).expect("the tiny model loads");
    let error =
        pipeline.run(&Input::Texts(Vec::new()), &RunOptions::default()).expect_err("nothing to embed");
    assert_eq!(error.kind(), ErrorKind::InvalidInput);
    assert_eq!(error.to_string(), "there is no text to embed");
    let embeddings = embed(&*pipeline, &["", " \t\u{200b}"], &RunOptions::default()).expect("they run");
    // [CLS] [SEP]
    assert_eq!([embeddings[0].tokens, embeddings[1].tokens], [2, 2]);
}

#[test]
fn too_many_or_too_long_texts_are_an_error() {
    let mut options = LoadOptions::default();
    options.limits.texts = 2;
    options.limits.text_bytes = 10;
    let pipeline = pipelines::load("feature-extraction", &tiny(), &options).expect("the tiny model loads");
    for texts in [&["a", "b", "c"][..], &["12345678901"]] {
        let error = embed(&*pipeline, texts, &RunOptions::default()).expect_err("a limit is exceeded");
        assert_eq!(error.kind(), ErrorKind::LimitExceeded, "{error}");
    }
}

#[test]
fn answers_and_options_have_a_documented_json_form() {
    let pipeline = load(&tiny()).expect("the tiny model loads");
    let options: RunOptions = serde_json::from_value(json!({"pooling": "mean"})).expect("these are options");
    assert_eq!(options, RunOptions { pooling: Pooling::Mean, ..RunOptions::default() });
    assert!(serde_json::from_value::<RunOptions>(json!({"poling": "mean"})).is_err());
    let output = pipeline.run(&Input::Texts(vec!["hello".to_owned()]), &options).expect("it runs");
    let json = serde_json::to_value(&output).expect("it is JSON");
    let embedding = &json["embeddings"][0];
    assert_eq!((&embedding["shape"], &embedding["tokens"]), (&json!([16]), &json!(3)));
    assert_eq!(embedding["truncated"], json!(false));
    assert_eq!(embedding["values"].as_array().map(Vec::len), Some(16));
}

#[test]
fn poolings_read_back_as_written() {
    for pooling in [Pooling::None, Pooling::Mean, Pooling::Cls] {
        assert_eq!(pooling.to_string().parse::<Pooling>().expect("it reads back"), pooling);
    }
    assert_eq!("max".parse::<Pooling>().expect_err("unknown").kind(), ErrorKind::InvalidInput);
}

#[test]
fn a_past_deadline_ends_a_run() {
    let pipeline = load(&tiny()).expect("the tiny model loads");
    let options = RunOptions { deadline: Some(std::time::Instant::now()), ..RunOptions::default() };
    let error = embed(&*pipeline, &["hello"], &options).expect_err("the deadline has passed");
    assert_eq!(error.kind(), ErrorKind::LimitExceeded);
}

#[test]
fn similarity_of_vectors() {
    assert_eq!(cosine_similarity(&[3.0, 4.0], &[6.0, 8.0]), Some(1.0));
    assert_eq!(cosine_similarity(&[1.0, 0.0], &[0.0, 2.0]), Some(0.0));
    assert_eq!(cosine_similarity(&[1.0, 0.0], &[-1.0, 0.0]), Some(-1.0));
    assert_eq!(cosine_similarity(&[1.0], &[1.0, 0.0]), None);
    assert_eq!(cosine_similarity(&[0.0], &[1.0]), None);
}

/// Any text has an embedding, of the length that its tokens and the limit give.
#[test]
fn any_text_has_an_embedding() {
    let pipeline = load(&tiny()).expect("the tiny model loads");
    proptest!(ProptestConfig::with_cases(64), |(text in "\\PC{0,60}|[ a-z.,\u{0}\u{301}\u{fdfa}\u{1f600}]{0,80}")| {
        let embedding = embed(&*pipeline, &[&text], &RunOptions::default()).expect("it runs").remove(0);
        prop_assert!((2..=24).contains(&embedding.tokens));
        prop_assert_eq!(embedding.shape, [embedding.tokens, 16]);
        prop_assert_eq!(embedding.values.len(), embedding.tokens * 16);
    });
}
