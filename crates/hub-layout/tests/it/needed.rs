//! The files that tasks need, with and without a listing.

use hub_layout::{Dtype, FileRequest, MissingFileError, NeededFile, RepoPath, default_model, needed_files};

/// `!` marks a required file.
fn shown(files: &[NeededFile]) -> String {
    let show = |file: &NeededFile| format!("{}{}", file.path, if file.required { "!" } else { "" });
    files.iter().map(show).collect::<Vec<_>>().join(" ")
}

fn paths(text: &str) -> Vec<RepoPath> {
    text.split_whitespace().map(|path| path.parse().expect("a valid path")).collect()
}

fn request(task: &str) -> FileRequest {
    FileRequest::new(task.parse().expect("a valid task"))
}

fn named(task: &str, file: &str) -> FileRequest {
    request(task).with_model_file(file.parse().expect("a valid path"))
}

fn listed(request: &FileRequest, listing: &str) -> Result<Vec<NeededFile>, MissingFileError> {
    needed_files(request, Some(&paths(listing)))
}

const TEXT: &str = "config.json tokenizer.json";

#[test]
fn without_a_listing_the_usual_names_are_proposed() {
    for (task, expected) in [
        (
            "feature-extraction",
            "config.json! tokenizer.json! tokenizer_config.json special_tokens_map.json onnx/model_quantized.onnx! \
             onnx/model_quantized.onnx_data README.md",
        ),
        (
            "image-classification",
            "config.json! preprocessor_config.json! processor_config.json onnx/model_quantized.onnx! \
             onnx/model_quantized.onnx_data README.md",
        ),
        (
            "summarization",
            "config.json! tokenizer.json! tokenizer_config.json special_tokens_map.json generation_config.json \
             chat_template.jinja onnx/encoder_model_quantized.onnx! onnx/encoder_model_quantized.onnx_data \
             onnx/decoder_model_merged_quantized.onnx! onnx/decoder_model_merged_quantized.onnx_data README.md",
        ),
        (
            "something-new",
            "config.json! tokenizer.json preprocessor_config.json tokenizer_config.json special_tokens_map.json \
             processor_config.json onnx/model_quantized.onnx! onnx/model_quantized.onnx_data README.md",
        ),
        ("test-echo", ""),
    ] {
        let files = needed_files(&request(task), None).expect("nothing can be missing");
        assert_eq!(shown(&files), expected, "{task}");
        assert!(files.iter().all(|file| !file.reason.is_empty()));
    }
}

#[test]
fn with_a_listing_only_what_is_there() {
    let listing =
        format!("{TEXT} onnx/model.onnx onnx/model_quantized.onnx README.md vocab.txt model.safetensors");
    let files = listed(&request("feature-extraction"), &listing).expect("all is there");
    assert_eq!(shown(&files), "config.json! tokenizer.json! onnx/model_quantized.onnx! README.md");
    let files =
        listed(&request("feature-extraction").with_dtype(Dtype::Fp32), &listing).expect("all is there");
    assert_eq!(shown(&files), "config.json! tokenizer.json! onnx/model.onnx! README.md");
    assert_eq!(files[2].reason, "the weights and graph \"model\"; fp32 was asked for");
}

#[test]
fn a_missing_dtype_is_replaced_and_the_reason_says_so() {
    let listing = format!("{TEXT} onnx/model.onnx onnx/model_fp16.onnx onnx/model_int8.onnx");
    for (dtype, path, reason) in [
        (None, "onnx/model_int8.onnx", "q8 is the default, which the hub lacks; int8 is the nearest it has"),
        (
            Some(Dtype::Q4),
            "onnx/model_int8.onnx",
            "q4 was asked for, which the hub lacks; int8 is the nearest it has",
        ),
        (
            Some(Dtype::Fp8E4m3),
            "onnx/model_int8.onnx",
            "fp8_e4m3 was asked for, which the hub lacks; int8 is",
        ),
        (Some(Dtype::Fp16), "onnx/model_fp16.onnx", "fp16 was asked for"),
    ] {
        let mut request = request("fill-mask");
        request.dtype = dtype;
        let files = listed(&request, &listing).expect("another format is there");
        assert_eq!(files[2].path.as_str(), path);
        assert!(files[2].reason.contains(reason), "{}", files[2].reason);
    }
    let files =
        listed(&request("fill-mask"), &format!("{TEXT} model.onnx")).expect("a graph at the top will do");
    assert_eq!(files[2].path.as_str(), "model.onnx");
}

#[test]
fn external_data_comes_with_its_graph() {
    let listing = format!(
        "{TEXT} onnx/model_q4.onnx onnx/model_q4.onnx_data_10 onnx/model_q4.onnx_data_2 onnx/model_q4.onnx_data \
         onnx/model_q4.onnx_data_1 onnx/model.onnx_data onnx/model_q4.onnx.bak"
    );
    let files = listed(&request("feature-extraction").with_dtype(Dtype::Q4), &listing).expect("all is there");
    assert_eq!(
        shown(&files[2..]),
        "onnx/model_q4.onnx! onnx/model_q4.onnx_data! onnx/model_q4.onnx_data_1! onnx/model_q4.onnx_data_2! \
         onnx/model_q4.onnx_data_10!"
    );
}

#[test]
fn a_missing_file_is_named_with_what_is_there() {
    let error = listed(&request("ner").with_dtype(Dtype::Q4), &format!("{TEXT} onnx/other.onnx"))
        .expect_err("no graph");
    assert_eq!(
        error.to_string(),
        "the hub lacks onnx/model_q4.onnx, which ner needs, or another format of it (q4 was asked for); ONNX \
         files there: onnx/other.onnx"
    );
    assert_eq!(error.file().map(RepoPath::as_str), Some("onnx/model_q4.onnx"));
    assert_eq!((error.dtype(), error.task().as_str()), (Some(Dtype::Q4), "ner"));
    assert_eq!(error.present(), paths("onnx/other.onnx"));

    let error = listed(&request("ner"), TEXT).expect_err("no graph");
    assert!(error.to_string().ends_with("(q8 is the default); the hub has no ONNX files"), "{error}");

    let error = listed(&request("ner"), "config.json onnx/model.onnx").expect_err("no tokenizer");
    assert_eq!(error.to_string(), "the hub lacks tokenizer.json, which ner needs");

    let listing = format!("{TEXT} onnx/encoder_model.onnx");
    let error = listed(&request("translation"), &listing).expect_err("no decoder");
    assert_eq!(error.file().map(RepoPath::as_str), Some("onnx/decoder_model_merged_quantized.onnx"));
}

#[test]
fn some_tasks_have_more_than_one_usual_set() {
    for (task, graphs) in [
        ("automatic-speech-recognition", "onnx/model.onnx"),
        ("automatic-speech-recognition", "onnx/encoder_model.onnx onnx/decoder_model.onnx"),
        ("text-generation", "onnx/decoder_model_merged.onnx"),
        ("mask-generation", "onnx/vision_encoder.onnx onnx/prompt_encoder_mask_decoder.onnx"),
        (
            "image-text-to-text",
            "onnx/embed_tokens.onnx onnx/decoder_model_merged.onnx onnx/vision_encoder.onnx",
        ),
    ] {
        let listing = format!("{TEXT} preprocessor_config.json {graphs}");
        let files = listed(&request(task), &listing).expect("one set is complete");
        let weights: Vec<_> = files.into_iter().filter(|file| file.kind.is_weights()).collect();
        assert_eq!(shown(&weights), graphs.replace(".onnx", ".onnx!"), "{task}");
    }
}

#[test]
fn a_named_file_is_taken() {
    let listing = format!("{TEXT} onnx/model.onnx onnx/small.onnx onnx/small.onnx_data README.md");
    for name in ["onnx/small.onnx", "small.onnx"] {
        let files = listed(&named("feature-extraction", name), &listing).expect("it is there");
        assert_eq!(
            shown(&files),
            "config.json! tokenizer.json! onnx/small.onnx! onnx/small.onnx_data! README.md"
        );
    }
    let files = listed(&named("feature-extraction", "small.onnx"), &format!("{listing} small.onnx"));
    assert_eq!(files.expect("it is there")[2].path.as_str(), "small.onnx", "the name as written comes first");
    let files = listed(&named("ner", "tokenizer_config.json"), &format!("{TEXT} tokenizer_config.json"));
    assert_eq!(
        shown(&files.expect("it is there")),
        "config.json! tokenizer.json! tokenizer_config.json!",
        "an optional file that was named is required"
    );
    let error = listed(&named("feature-extraction", "big.onnx"), &listing).expect_err("it is not there");
    assert_eq!(error.file().map(RepoPath::as_str), Some("big.onnx"));

    let files =
        listed(&named("text-generation", "m.gguf"), "m.gguf n.gguf README.md").expect("one file has all");
    assert_eq!(shown(&files), "m.gguf! README.md");
}

#[test]
fn shards_come_together() {
    let shards = "m-00001-of-00002.gguf m-00002-of-00002.gguf";
    let files = listed(&named("text-generation", "m-00001-of-00002.gguf"), shards).expect("both are there");
    assert_eq!(shown(&files), "m-00001-of-00002.gguf! m-00002-of-00002.gguf!");
    let error = listed(&named("text-generation", "m-00001-of-00002.gguf"), "m-00001-of-00002.gguf")
        .expect_err("half");
    assert_eq!(error.file().map(RepoPath::as_str), Some("m-00002-of-00002.gguf"));

    let index = "model.safetensors.index.json";
    let listing = format!(
        "{TEXT} {index} model-00001-of-00002.safetensors model-00002-of-00002.safetensors x-00001-of-00001.safetensors"
    );
    let files = listed(&named("feature-extraction", index), &listing).expect("all is there");
    assert_eq!(
        shown(&files[2..]),
        "model.safetensors.index.json! model-00001-of-00002.safetensors! model-00002-of-00002.safetensors!"
    );
    // A name may announce more than anyone has: it is then a name like others.
    for odd in ["m-00001-of-99999.gguf", "m-00003-of-00002.gguf", "m-00000-of-00000.gguf"] {
        assert_eq!(
            shown(&listed(&named("text-generation", odd), odd).expect("it is there")),
            format!("{odd}!")
        );
    }
}

#[test]
fn one_gguf_file_needs_no_name() {
    let task = request("llama-text-generation");
    let files =
        listed(&task, "a-00002-of-00002.gguf a-00001-of-00002.gguf x.json").expect("there is one model");
    assert_eq!(shown(&files), "a-00001-of-00002.gguf! a-00002-of-00002.gguf!");
    assert_eq!(
        listed(&task, "a.gguf b.gguf").expect_err("two models").to_string(),
        "llama-text-generation needs the name of its GGUF file; files of that sort there: a.gguf, b.gguf"
    );
    assert_eq!(
        needed_files(&task, None).expect_err("nothing to choose from").to_string(),
        "llama-text-generation needs the name of its GGUF file; the hub has no listing to choose from"
    );
}

#[test]
fn static_embeddings_take_the_longest_vectors() {
    let listing = "s/tokenizer.json.zst s/fp32.d64.npy s/fp32.d512.npy.zst s/fp8_e4m3.d128.npy";
    let files = listed(&request("static-embeddings"), listing).expect("a table is there");
    assert_eq!(shown(&files), "s/tokenizer.json.zst! s/fp32.d512.npy.zst!");
    let fp8 = request("static-embeddings").with_dtype(Dtype::Fp8E5m2);
    assert_eq!(listed(&fp8, listing).expect("a table is there")[1].path.as_str(), "s/fp8_e4m3.d128.npy");
    let files = needed_files(&named("static-embeddings", "s/fp16.d32.npy"), None).expect("it was named");
    assert_eq!(shown(&files), "s/tokenizer.json! s/fp16.d32.npy! README.md");
    listed(&request("static-embeddings"), "x.npy").expect_err("no table");
}

#[test]
fn the_default_models_are_firefoxs() {
    let model = |task: &str| default_model(&task.parse().expect("a valid task")).map(|id| id.to_string());
    assert_eq!(model("feature-extraction").as_deref(), Some("Xenova/all-MiniLM-L6-v2"));
    assert_eq!(model("image-to-text").as_deref(), Some("Mozilla/distilvit"));
    assert_eq!(model("something-new"), None);
    let tasks = "text-classification token-classification question-answering fill-mask summarization translation \
        text2text-generation text-generation zero-shot-classification image-to-text image-classification \
        image-segmentation zero-shot-image-classification object-detection zero-shot-object-detection \
        document-question-answering image-to-image depth-estimation feature-extraction image-feature-extraction \
        text-to-speech test-echo";
    assert_eq!(tasks.split_whitespace().filter_map(model).count(), 22);
}

#[test]
fn a_request_is_json_with_optional_parts() {
    let text = r#"{"task":"feature-extraction"}"#;
    assert_eq!(
        serde_json::from_str::<FileRequest>(text).expect("a valid request"),
        request("feature-extraction")
    );
    serde_json::from_str::<FileRequest>(r#"{"task":"x","model_file":"../x"}"#).expect_err("dots lead out");
}
