//! Kinds of files, told by their names.

use hub_layout::{Dtype, FileKind, WeightsFormat};

fn kind(path: &str) -> FileKind {
    FileKind::of(&path.parse().expect("a valid path"))
}

fn dtype_of(path: &str) -> Option<Dtype> {
    match kind(path) {
        FileKind::Weights { dtype, .. } | FileKind::ExternalData { dtype, .. } => dtype,
        other => panic!("{path} is {other:?}"),
    }
}

#[test]
fn weights_of_every_library() {
    for (format, paths) in [
        (
            WeightsFormat::PyTorch,
            &["pytorch_model.bin", "pytorch_model-00001-of-00002.bin", "model.pt", "a.pth"][..],
        ),
        (
            WeightsFormat::TensorFlow,
            &[
                "tf_model.h5",
                "tf_model-00001-of-00002.h5",
                "saved_model/saved_model.pb",
                "variables/variables.index",
                "variables/variables.data-00000-of-00001",
                "keras_metadata.pb",
                "model.keras",
                "model.ckpt.data-00000-of-00001",
                "model.ckpt.meta",
            ],
        ),
        (WeightsFormat::TfLite, &["model.tflite"]),
        (WeightsFormat::Flax, &["flax_model.msgpack"]),
        (WeightsFormat::Safetensors, &["model.safetensors", "model-00001-of-00002.safetensors"]),
        (WeightsFormat::Onnx, &["onnx/model.onnx", "model.onnx", "onnx/decoder_model_merged_q4.onnx"]),
        (WeightsFormat::Ort, &["model.ort"]),
        (WeightsFormat::Gguf, &["smollm2-360m-instruct-q8_0.gguf"]),
        (
            WeightsFormat::OpenVino,
            &["openvino/openvino_model.xml", "openvino/openvino_model_qint8_quantized.bin"],
        ),
        (WeightsFormat::Torch, &["rust_model.ot"]),
        (
            WeightsFormat::CoreMl,
            &[
                "coreml/m.mlmodel",
                "coreml/m.mlpackage/Data/weights/weight.bin",
                "m.mlmodelc/weights/weight.bin",
            ],
        ),
        (WeightsFormat::Ggml, &["ggml-base.en-q5_1.bin", "model.ggml"]),
        (WeightsFormat::Numpy, &["weights.npz"]),
        (WeightsFormat::Pickle, &["model.pkl", "sklearn_model.joblib", "model.skops"]),
        (WeightsFormat::ExecuTorch, &["model.pte"]),
        (WeightsFormat::TensorRt, &["unet.plan", "model.engine"]),
        (WeightsFormat::TensorFlowJs, &["tfjs/group1-shard1of4.bin"]),
        (WeightsFormat::LiteRt, &["gemma.litertlm", "face_landmarker.task"]),
        (WeightsFormat::Paddle, &["inference.pdiparams", "inference.pdmodel"]),
        (WeightsFormat::Nemo, &["parakeet.nemo"]),
        (WeightsFormat::Mnn, &["llm.mnn", "llm.mnn.weights"]),
        (WeightsFormat::Unknown, &["model.bin", "yolov4.weights"]),
    ] {
        for path in paths {
            let FileKind::Weights { format: found, .. } = kind(path) else { panic!("{path} is no weights") };
            assert_eq!(found, format, "{path}");
            assert!(kind(path).is_weights());
        }
    }
}

#[test]
fn formats_whose_readers_run_code_are_told() {
    let runs = |path: &str| match kind(path) {
        FileKind::Weights { format, .. } => format.may_run_code(),
        other => panic!("{path} is {other:?}"),
    };
    for path in ["pytorch_model.bin", "model.pt", "last.ckpt", "model.pkl", "model.h5", "parakeet.nemo"] {
        assert!(runs(path), "{path}");
    }
    for path in ["model.safetensors", "onnx/model.onnx", "m.gguf", "model.tflite", "weights.npz", "model.bin"]
    {
        assert!(!runs(path), "{path}");
    }
}

#[test]
fn names_tell_the_quantisation() {
    for (path, dtype) in [
        ("onnx/model.onnx", Some(Dtype::Fp32)),
        ("onnx/decoder_with_past_model.onnx", Some(Dtype::Fp32)),
        ("onnx/model_fp16.onnx", Some(Dtype::Fp16)),
        ("onnx/model_quantized.onnx", Some(Dtype::Q8)),
        ("onnx/model_int8.onnx", Some(Dtype::Int8)),
        ("onnx/model_uint8.onnx", Some(Dtype::Uint8)),
        ("onnx/model_q4.onnx", Some(Dtype::Q4)),
        ("onnx/model_q4f16.onnx", Some(Dtype::Q4f16)),
        ("onnx/model_bnb4.onnx", Some(Dtype::Bnb4)),
        ("onnx/model_q2f16.onnx", Some(Dtype::Q2f16)),
        ("onnx/model_qint8_avx512_vnni.onnx", Some(Dtype::Int8)),
        ("onnx/model_quint8_avx2.onnx", Some(Dtype::Uint8)),
        ("onnx/model_O3.onnx", Some(Dtype::Fp32)),
        ("onnx/model_O4.onnx", Some(Dtype::Fp16)),
        ("onnx/model_optimized.onnx", Some(Dtype::Fp32)),
        ("onnx/something.onnx", None),
        ("onnx/model_q4f16.onnx_data", Some(Dtype::Q4f16)),
        ("model.fp16.safetensors", Some(Dtype::Fp16)),
        ("diffusion_pytorch_model.fp16.safetensors", Some(Dtype::Fp16)),
        ("pytorch_model_fp16.bin", Some(Dtype::Fp16)),
        ("onnx/embed_tokens.onnx", Some(Dtype::Fp32)),
        ("onnx/latent_denoiser.onnx_data", Some(Dtype::Fp32)),
        ("model.safetensors", None),
        ("m-f16.gguf", Some(Dtype::Fp16)),
        ("m-Q4_K_M.gguf", None),
    ] {
        assert_eq!(dtype_of(path), dtype, "{path}");
    }
}

#[test]
fn data_and_indexes_beside_weights() {
    let data = |chunk| FileKind::ExternalData { chunk, dtype: Some(Dtype::Fp32) };
    assert_eq!(kind("onnx/model.onnx_data"), data(0));
    assert_eq!(kind("onnx/model.onnx.data"), data(0));
    assert_eq!(kind("onnx/model.onnx_data_12"), data(12));
    assert_eq!(kind("onnx/model.onnx_data_x"), FileKind::Other);
    assert_eq!(kind("onnx/model.onnx_data_99999999999"), FileKind::Other);
    let index = |format| FileKind::WeightsIndex { format };
    assert_eq!(kind("model.safetensors.index.json"), index(WeightsFormat::Safetensors));
    assert_eq!(kind("pytorch_model.bin.index.json"), index(WeightsFormat::PyTorch));
    assert_eq!(kind("flax_model.msgpack.index.json"), index(WeightsFormat::Flax));
    assert_eq!(kind("tf_model.h5.index.json"), index(WeightsFormat::TensorFlow));
    assert_eq!(kind("words.index.json"), FileKind::Other);
}

#[test]
fn static_embeddings() {
    let table = |dtype, dims| FileKind::StaticEmbeddings { dtype, dims };
    assert_eq!(kind("sub/fp32.d512.npy"), table(Dtype::Fp32, 512));
    assert_eq!(kind("fp8_e4m3.d32.npy.zst"), table(Dtype::Fp8E4m3, 32));
    assert_eq!(kind("fp32.d.npy"), FileKind::Other);
    assert_eq!(kind("fp32.d+1.npy"), FileKind::Other);
    assert_eq!(kind("x.npy"), FileKind::Other);
    assert_eq!(kind("x.zst"), FileKind::Other);
}

#[test]
fn everything_beside_weights() {
    for (expected, paths) in [
        (
            FileKind::Config,
            &[
                "config.json",
                "onnx/config.json",
                "0_Transformer/config.json",
                "unet/config.json",
                "model_index.json",
                "scheduler/scheduler_config.json",
                "adapter_config.json",
                "genai_config.json",
                "configuration.json",
                "params.json",
            ][..],
        ),
        (FileKind::GenerationConfig, &["generation_config.json"]),
        (
            FileKind::ModuleConfig,
            &["modules.json", "1_Pooling/config.json", "config_sentence_transformers.json"],
        ),
        (
            FileKind::Tokenizer,
            &[
                "tokenizer.json",
                "sub/tokenizer.json.zst",
                "spiece.model",
                "tokenizer.model",
                "tokenizer_78b3253a26.model",
                "sentencepiece.bpe.model",
                "source.spm",
                "target.spm",
                "qwen.tiktoken",
                "tekken.json",
            ],
        ),
        (FileKind::TokenizerConfig, &["tokenizer_config.json"]),
        (FileKind::SpecialTokens, &["special_tokens_map.json", "added_tokens.json"]),
        (
            FileKind::Vocabulary,
            &["vocab.txt", "vocab.json", "vocab.bpe", "vocabulary.txt", "target_vocab.json"],
        ),
        (FileKind::Merges, &["merges.txt", "bpe.codes"]),
        (
            FileKind::ChatTemplate,
            &["chat_template.jinja", "chat_template.json", "additional_chat_templates/tool_use.jinja"],
        ),
        (
            FileKind::Preprocessing,
            &[
                "preprocessor_config.json",
                "processor_config.json",
                "video_preprocessor_config.json",
                "normalizer.json",
            ],
        ),
        (FileKind::FeatureExtraction, &["feature_extractor_config.json", "mel_filters.npz"]),
        (
            FileKind::TrainingMetadata,
            &[
                "training_args.bin",
                "trainer_state.json",
                "optimizer.pt",
                "all_results.json",
                "quantize_config.json",
                "checkpoint-500/rng_state_3.pth",
                "global_step500/mp_rank_00_optim_states.pt",
                "runs/Jan01/events.out.tfevents.1700000000.host.1.0",
            ],
        ),
        (FileKind::ModelCard, &["README.md", "readme.md", "modelcard.md", "modelcard.json"]),
        (FileKind::License, &["LICENSE", "LICENSE.txt", "LICENCE.md", "NOTICE"]),
        (FileKind::Repository, &[".gitattributes", ".gitignore"]),
        (FileKind::Code, &["modeling_x.py", "handler.py", "demo.ipynb", "setup.sh"]),
        (FileKind::Sample, &["image.png", "images/cat.JPG", "sample.wav"]),
        (
            FileKind::Other,
            &["x", "model", "docs/README.md", "data.bin", "train.parquet", "说明.txt", ".onnx_x"],
        ),
    ] {
        for path in paths {
            assert_eq!(kind(path), expected, "{path}");
            assert!(!kind(path).is_weights());
        }
    }
}

#[test]
fn kinds_are_json_with_a_tag() {
    let json = serde_json::to_string(&kind("onnx/model_q4.onnx")).expect("a kind is JSON");
    assert_eq!(json, r#"{"kind":"weights","format":"onnx","dtype":"q4"}"#);
}
