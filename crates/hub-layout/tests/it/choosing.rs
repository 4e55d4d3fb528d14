//! Choosing files step by step, on hubs that list nothing.

use std::collections::BTreeMap;

use hub_layout::{
    Backend, Dtype, FileChoice, FileRequest, Inventory, MissingFileError, ModelClass, ModelConfig,
    NeededFile, RepoPath, choose_files, needed_files, static_embeddings_file,
};

/// `!` marks a required file.
fn shown(files: &[NeededFile]) -> String {
    let show = |file: &NeededFile| format!("{}{}", file.path, if file.required { "!" } else { "" });
    files.iter().map(show).collect::<Vec<_>>().join(" ")
}

pub(crate) fn paths(text: &str) -> Vec<RepoPath> {
    text.split_whitespace().map(|path| path.parse().expect("a valid path")).collect()
}

fn request(task: &str) -> FileRequest {
    FileRequest::new(task.parse().expect("a valid task"))
}

fn config(json: &str) -> ModelConfig {
    ModelConfig::from_json(json.as_bytes()).expect("a valid configuration")
}

/// Asks a hub that has `there` until it is known what is needed; also what was asked, round by round.
pub(crate) fn asked(
    request: &FileRequest,
    there: &[RepoPath],
) -> Result<(Vec<NeededFile>, Vec<Vec<NeededFile>>), MissingFileError> {
    let (mut known, mut rounds) = (Inventory::default(), Vec::new());
    loop {
        match choose_files(request, &known)? {
            FileChoice::Ready(files) => return Ok((files, rounds)),
            FileChoice::Ask(files) => {
                for file in &files {
                    assert_eq!(known.has(&file.path), None, "{} is asked for twice", file.path);
                    known.note(file.path.clone(), there.contains(&file.path));
                }
                rounds.push(files);
            }
            FileChoice::Read(files) => {
                let [index] = &files[..] else { panic!("one index is enough: {files:?}") };
                let shards = there.iter().map(RepoPath::as_str).filter(|path| path.contains("-of-"));
                let shards = shards.filter(|path| path.ends_with(".safetensors"));
                let map: BTreeMap<&str, &str> = shards.map(|path| (path, path)).collect();
                let json = serde_json::json!({"weight_map": map}).to_string();
                known.note_index(index.path.clone(), json.as_bytes()).expect("it names a shard");
            }
            other => panic!("not known to this test: {other:?}"),
        }
    }
}

const TEXT: &str = "config.json tokenizer.json";

#[test]
fn every_chunk_of_external_data_is_reached() {
    for chunks in [0, 1, 2, 3, 5, 8, 40, 100] {
        let name = |n| if n == 0 { String::new() } else { format!("_{n}") };
        let data: Vec<String> =
            (0..chunks).map(|n| format!("onnx/model_quantized.onnx_data{}", name(n))).collect();
        let listing = paths(&format!("{TEXT} onnx/model_quantized.onnx {}", data.join(" ")));
        let (files, rounds) = asked(&request("fill-mask"), &listing).expect("all is there");
        assert!(files.iter().map(|file| &file.path).eq(&listing), "{chunks} chunks: {}", shown(&files));
        assert!(files.iter().all(|file| file.required), "{}", shown(&files));
        // Twice as many each time.
        assert!(rounds.len() <= 8, "{chunks} chunks took {} rounds", rounds.len());
        let asked: usize = rounds.iter().map(Vec::len).sum();
        assert!(asked <= 2 * chunks + 7, "{chunks} chunks took {asked} questions");
    }
}

#[test]
fn a_model_that_is_as_usual_takes_two_rounds_and_no_needless_question() {
    let listing = paths(&format!("{TEXT} onnx/model_quantized.onnx README.md"));
    let (files, rounds) = asked(&request("feature-extraction"), &listing).expect("all is there");
    assert_eq!(shown(&files), "config.json! tokenizer.json! onnx/model_quantized.onnx! README.md");
    assert_eq!(rounds.len(), 1);
    assert_eq!(
        rounds[0],
        needed_files(&request("feature-extraction"), None).expect("nothing can be missing")
    );
}

#[test]
fn the_configuration_says_how_many_chunks() {
    let config = |value: &str| {
        config(&format!(r#"{{"transformers.js_config":{{"use_external_data_format":{value}}}}}"#))
    };
    let graph = "onnx/model_quantized.onnx";
    for (value, chunks) in [
        ("false", 0),
        ("null", 0),
        ("0", 0),
        ("true", 1),
        ("1", 1),
        ("3", 3),
        ("\"2\"", 2),
        (r#"{"model_quantized.onnx":2,"model":1}"#, 2),
        (r#"{"model":2,"model_q4.onnx":9}"#, 2),
        (r#"{"model_q4.onnx":2}"#, 0),
        (r#"{"model_quantized.onnx":true}"#, 1),
        ("{}", 0),
    ] {
        let request = request("fill-mask").with_config(&config(value));
        let files = needed_files(&request, None).expect("nothing can be missing");
        let weights: Vec<_> = files.into_iter().filter(|file| file.kind.is_weights()).collect();
        let all = [
            format!("{graph}!"),
            format!("{graph}_data!"),
            format!("{graph}_data_1!"),
            format!("{graph}_data_2!"),
        ];
        assert_eq!(shown(&weights), all[..=chunks].join(" "), "{value}");
    }
    // What cannot be understood is asked for.
    for value in ["[]", "1.5", "-1", "\"x\""] {
        let request = request("fill-mask").with_config(&config(value));
        let files = needed_files(&request, None).expect("nothing can be missing");
        assert!(shown(&files).contains("onnx_data "), "{value}: {}", shown(&files));
    }
    let request = request("fill-mask").with_config(&config("2"));
    let error = asked(&request, &paths(&format!("{TEXT} {graph} {graph}_data"))).expect_err("half of it");
    assert_eq!(error.to_string(), "the hub lacks onnx/model_quantized.onnx_data_1, which fill-mask needs");
    let listing = paths(&format!("{TEXT} {graph} onnx/model_quantized.onnx.data"));
    let files = needed_files(&request, Some(&listing)).expect("it has another name");
    assert!(
        shown(&files).ends_with("onnx/model_quantized.onnx! onnx/model_quantized.onnx.data!"),
        "{}",
        shown(&files)
    );
}

#[test]
fn a_missing_dtype_is_found_by_asking() {
    for (there, expected) in [
        ("onnx/model.onnx onnx/model_q4.onnx", "onnx/model.onnx"),
        ("model_int8.onnx onnx/model_q1.onnx", "onnx/model_q1.onnx"),
        ("model.onnx", "model.onnx"),
    ] {
        let listing = paths(&format!("{TEXT} {there}"));
        let (files, rounds) = asked(&request("ner"), &listing).expect("there is one");
        assert_eq!(files[2].path.as_str(), expected);
        assert_eq!(files, needed_files(&request("ner"), Some(&listing)).expect("there is one"));
        assert!(rounds.len() <= 3, "{} rounds", rounds.len());
    }
    let error = asked(&request("ner"), &paths(TEXT)).expect_err("no graph");
    assert_eq!(error.file().map(RepoPath::as_str), Some("onnx/model_quantized.onnx"));
}

#[test]
fn what_a_set_lacks_that_is_not_taken_is_no_error() {
    let config = config(r#"{"transformers.js_config":{"use_external_data_format":true}}"#);
    let request = request("automatic-speech-recognition").with_config(&config);
    let listing = paths(
        "config.json tokenizer.json preprocessor_config.json onnx/encoder_model_quantized.onnx \
         onnx/model_quantized.onnx onnx/model_quantized.onnx_data",
    );
    let (files, _) = asked(&request, &listing).expect("the other set is whole");
    assert_eq!(files, needed_files(&request, Some(&listing)).expect("the other set is whole"));
    assert!(
        shown(&files).ends_with("onnx/model_quantized.onnx! onnx/model_quantized.onnx_data!"),
        "{}",
        shown(&files)
    );
}

#[test]
fn each_graph_may_have_its_own_dtype() {
    let request =
        request("translation").with_dtype(Dtype::Fp32).with_graph_dtype("decoder_model_merged", Dtype::Q4);
    let files = needed_files(&request, None).expect("nothing can be missing");
    let graphs: Vec<_> = files.iter().filter(|file| file.path.as_str().ends_with(".onnx")).collect();
    assert_eq!(
        graphs.iter().map(|file| (file.path.as_str(), file.reason.rsplit("; ").next())).collect::<Vec<_>>(),
        [
            ("onnx/encoder_model.onnx", Some("fp32 was asked for")),
            ("onnx/decoder_model_merged_q4.onnx", Some("q4 was asked for"))
        ]
    );
    let json = serde_json::to_string(&request).expect("a request is JSON");
    assert_eq!(serde_json::from_str::<FileRequest>(&json).expect("its JSON reads back"), request);
}

#[test]
fn the_class_says_which_graphs() {
    let graphs = |task: &str, class| {
        let files = needed_files(&request(task).with_dtype(Dtype::Fp32).with_class(class), None);
        let files = files.expect("nothing can be missing");
        let names = files.iter().filter(|file| file.required).map(|file| file.path.as_str());
        let names = names.filter_map(|name| name.strip_prefix("onnx/")?.strip_suffix(".onnx"));
        names.collect::<Vec<_>>().join(" ")
    };
    for (task, class, expected) in [
        ("fill-mask", ModelClass::EncoderOnly, "model"),
        ("text-generation", ModelClass::DecoderOnly, "model"),
        ("automatic-speech-recognition", ModelClass::EncoderOnly, "model"),
        ("automatic-speech-recognition", ModelClass::Seq2Seq, "encoder_model decoder_model_merged"),
        ("image-to-text", ModelClass::Vision2Seq, "encoder_model decoder_model_merged"),
        ("feature-extraction", ModelClass::EncoderDecoder, "encoder_model decoder_model_merged"),
        ("something-new", ModelClass::AutoEncoder, "encoder_model decoder_model"),
        ("mask-generation", ModelClass::MaskGeneration, "vision_encoder prompt_encoder_mask_decoder"),
        (
            "image-text-to-text",
            ModelClass::ImageTextToText,
            "embed_tokens decoder_model_merged vision_encoder",
        ),
        ("text-generation", ModelClass::ImageTextToText, "embed_tokens decoder_model_merged"),
        (
            "image-text-to-text",
            ModelClass::ImageTextSeq2Seq,
            "embed_tokens encoder_model decoder_model_merged vision_encoder",
        ),
        (
            "audio-text-to-text",
            ModelClass::AudioTextToText,
            "embed_tokens decoder_model_merged audio_encoder",
        ),
        (
            "image-text-to-text",
            ModelClass::ImageAudioTextToText,
            "embed_tokens decoder_model_merged audio_encoder vision_encoder",
        ),
        ("text-to-audio", ModelClass::MusicGen, "text_encoder decoder_model_merged encodec_decode"),
        (
            "image-text-to-text",
            ModelClass::MultiModality,
            "prepare_inputs_embeds language_model lm_head gen_head gen_img_embeds image_decode",
        ),
        ("image-text-to-text", ModelClass::Phi3V, "prepare_inputs_embeds model vision_encoder"),
        (
            "text-to-speech",
            ModelClass::Chatterbox,
            "embed_tokens speech_encoder language_model conditional_decoder",
        ),
        ("text-to-speech", ModelClass::Supertonic, "text_encoder latent_denoiser voice_decoder"),
    ] {
        assert_eq!(graphs(task, class), expected, "{task} {class:?}");
    }
    // A class that turns out to be wrong leaves what is usual for the task.
    let listing = paths(&format!("{TEXT} onnx/model.onnx"));
    let wrong = request("ner").with_class(ModelClass::Seq2Seq);
    let files = needed_files(&wrong, Some(&listing)).expect("the task's graph is there");
    assert_eq!(files[2].path.as_str(), "onnx/model.onnx");
}

#[test]
fn generation_has_its_configuration_by_task_or_class() {
    let wants = |request: FileRequest| {
        let files = needed_files(&request, None).expect("nothing can be missing");
        files.iter().any(|file| file.path.as_str() == "generation_config.json")
    };
    assert!(wants(request("summarization")));
    assert!(!wants(request("ner")));
    assert!(wants(request("something-new").with_class(ModelClass::DecoderOnly)));
    assert!(!wants(request("something-new").with_class(ModelClass::AutoEncoder)));
}

#[test]
fn a_processor_may_be_in_either_file() {
    let [older, newer] = ["preprocessor_config.json", "processor_config.json"];
    for (there, expected) in [
        (older.to_owned(), format!("{older}!")),
        (newer.to_owned(), format!("{newer}!")),
        (format!("{older} {newer}"), format!("{older}! {newer}")),
    ] {
        let listing = paths(&format!("config.json {there} onnx/model.onnx"));
        let files = needed_files(&request("image-classification"), Some(&listing)).expect("all is there");
        assert_eq!(shown(&files), format!("config.json! {expected} onnx/model.onnx!"));
        let (asked, _) = asked(&request("image-classification"), &listing).expect("all is there");
        assert_eq!(asked, files);
    }
    let error = asked(&request("image-classification"), &paths("config.json onnx/model.onnx"));
    let error = error.expect_err("no processor");
    assert_eq!(error.file().map(RepoPath::as_str), Some(older), "{error}");
}

#[test]
fn the_backend_says_in_which_form() {
    let by = |task: &str, backend, listing: &str| {
        let files = needed_files(&request(task).with_backend(backend), Some(&paths(listing)));
        files.map(|files| shown(&files))
    };
    let all = format!("{TEXT} onnx/model.onnx model.safetensors m.gguf fp32.d8.npy");
    for (backend, expected) in [
        (Backend::Onnx, "config.json! tokenizer.json! onnx/model.onnx!"),
        (Backend::OnnxNative, "config.json! tokenizer.json! onnx/model.onnx!"),
        (Backend::BestOnnx, "config.json! tokenizer.json! onnx/model.onnx!"),
        (Backend::Candle, "config.json! tokenizer.json! model.safetensors!"),
        (Backend::LlamaCpp, "m.gguf!"),
        (Backend::StaticEmbeddings, "tokenizer.json! fp32.d8.npy!"),
        (Backend::OpenAi, ""),
    ] {
        assert_eq!(by("text-generation", backend, &all).as_deref(), Ok(expected), "{backend}");
    }
    assert_eq!(by("x", Backend::LlamaCpp, "m.gguf mmproj-m.gguf").as_deref(), Ok("m.gguf!"));
    let fp16 = request("x").with_backend(Backend::Candle).with_dtype(Dtype::Fp16);
    let listing = paths("config.json model.fp16.safetensors model.safetensors");
    let files = needed_files(&fp16, Some(&listing)).expect("all is there");
    assert_eq!(shown(&files), "config.json! model.fp16.safetensors!");
    let error = by("x", Backend::Candle, "config.json a.safetensors b.safetensors").expect_err("two models");
    assert!(error.to_string().ends_with("files of that sort there: a.safetensors, b.safetensors"), "{error}");
    assert_eq!(
        by("x", Backend::Candle, "config.json a.safetensors").as_deref(),
        Ok("config.json! a.safetensors!")
    );
}

#[test]
fn backends_have_firefoxs_names() {
    for name in ["onnx", "onnx-native", "best-onnx", "llama.cpp", "static-embeddings", "openai", "candle"] {
        let backend: Backend = name.parse().expect("a known backend");
        assert_eq!(backend.to_string(), name);
        let json = serde_json::to_string(&backend).expect("a backend is JSON");
        assert_eq!(serde_json::from_str::<Backend>(&json).expect("its JSON reads back"), backend);
    }
    for older in ["wllama", "best-llama"] {
        assert_eq!(older.parse(), Ok(Backend::LlamaCpp));
    }
    let error = "ONNX".parse::<Backend>().expect_err("case counts");
    assert!(error.to_string().starts_with("unknown backend \"ONNX\" (allowed: onnx, "), "{error}");
}

#[test]
fn an_index_of_shards_is_read() {
    let request = request("x").with_backend(Backend::Candle);
    let index: RepoPath = "model.safetensors.index.json".parse().expect("a valid path");
    let mut known = Inventory::default();
    let mut rounds = Vec::new();
    let files = loop {
        match choose_files(&request, &known).expect("nothing required is missing") {
            FileChoice::Ready(files) => break files,
            FileChoice::Ask(files) => {
                rounds.push(shown(&files));
                for file in files {
                    let is_there = file.path.as_str() != "model.safetensors";
                    known.note(file.path, is_there && !rounds.is_empty());
                }
            }
            FileChoice::Read(files) => {
                rounds.push(format!("read {}", shown(&files)));
                let map =
                    r#"{"weight_map":{"a":"s-1.safetensors","b":"s-2.safetensors","c":"s-1.safetensors"}}"#;
                known.note_index(files[0].path.clone(), map.as_bytes()).expect("a valid index");
            }
            other => panic!("{other:?}"),
        }
    };
    assert!(shown(&files).contains("model.safetensors.index.json! s-1.safetensors! s-2.safetensors!"));
    assert_eq!(rounds.last().map(String::as_str), Some("s-1.safetensors! s-2.safetensors!"), "{rounds:?}");
    assert!(rounds.contains(&format!("read {index}!")), "{rounds:?}");

    for (bytes, reason) in [
        (&b"{"[..], "it is not the JSON that is expected"),
        (b"{}", "it is not the JSON that is expected"),
        (br#"{"weight_map":{}}"#, "it names no file"),
        (br#"{"weight_map":{"a":1}}"#, "it is not the JSON that is expected"),
        (br#"{"weight_map":{"a":"../x"}}"#, "invalid file path \"../x\""),
        (br#"{"weight_map":{"a":"/etc/passwd"}}"#, "invalid file path \"/etc/passwd\""),
    ] {
        let error = known.note_index(index.clone(), bytes).expect_err("no index");
        assert!(error.to_string().starts_with(&format!("{index} cannot be used: {reason}")), "{error}");
    }
    let many: Vec<String> = (0..1001).map(|n| format!("\"{n}\":\"s{n}\"")).collect();
    let many = format!("{{\"weight_map\":{{{}}}}}", many.join(","));
    let error = known.note_index(index, many.as_bytes()).expect_err("too many");
    assert!(error.to_string().ends_with("it names more than 1000 files"), "{error}");
}

#[test]
fn tables_of_static_embeddings_are_named_by_options() {
    let name = |folder, compressed| static_embeddings_file(folder, Dtype::Fp8E4m3, 128, compressed);
    assert_eq!(name(None, false).expect("a valid name").as_str(), "fp8_e4m3.d128.npy");
    let table = name(Some("models/m2v"), true).expect("a valid name");
    assert_eq!(table.as_str(), "models/m2v/fp8_e4m3.d128.npy.zst");
    name(Some(".."), true).expect_err("dots lead out");

    // Without a listing both forms of the tokenizer are found, first the one like the table.
    let named = request("static-embeddings").with_model_file(table);
    for tokenizer in ["models/m2v/tokenizer.json.zst", "models/m2v/tokenizer.json"] {
        let listing = paths(&format!("{tokenizer} models/m2v/fp8_e4m3.d128.npy.zst"));
        let (files, _) = asked(&named, &listing).expect("all is there");
        assert_eq!(files.len(), 2, "{}", shown(&files));
    }
    let error = asked(&named, &paths("models/m2v/fp8_e4m3.d128.npy.zst")).expect_err("no tokenizer");
    assert_eq!(error.file().map(RepoPath::as_str), Some("models/m2v/tokenizer.json.zst"));
}
