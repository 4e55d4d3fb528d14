//! What a file in a model is, told by its name alone.

use serde::{Deserialize, Serialize};

use crate::{Dtype, RepoPath};

/// Says what a file is for.
///
/// Told by the name alone, so it is a guess about honest files and no statement about the bytes. An unknown
/// name is [`FileKind::Other`], never an error.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash, Serialize, Deserialize)]
#[serde(tag = "kind", rename_all = "kebab-case")]
#[non_exhaustive]
pub enum FileKind {
    /// Weights, in one file or one shard.
    Weights {
        /// Who wrote them.
        format: WeightsFormat,
        /// The number format, where the name tells.
        dtype: Option<Dtype>,
    },
    /// Weights that an ONNX graph keeps outside its own file.
    ExternalData {
        /// Which chunk: 0 for `<graph>_data`, n for `<graph>_data_n`.
        chunk: u32,
        /// The number format, where the name tells.
        dtype: Option<Dtype>,
    },
    /// Says which shard holds which tensor.
    WeightsIndex {
        /// Who wrote the shards.
        format: WeightsFormat,
    },
    /// One vector a token, without a graph: `<dtype>.d<dims>.npy`.
    StaticEmbeddings {
        /// The number format.
        dtype: Dtype,
        /// The length of a vector.
        dims: u32,
    },
    /// The model's architecture and labels: `config.json`.
    Config,
    /// Defaults of text generation: `generation_config.json`.
    GenerationConfig,
    /// How parts of a sentence-embedding model are put together: `modules.json`, `1_Pooling/config.json`.
    ModuleConfig,
    /// A whole tokenizer in one file: `tokenizer.json`, `tokenizer.model`.
    Tokenizer,
    /// Options of the tokenizer: `tokenizer_config.json`.
    TokenizerConfig,
    /// Special or added tokens: `special_tokens_map.json`, `added_tokens.json`.
    SpecialTokens,
    /// The tokens: `vocab.txt`, `vocab.json`.
    Vocabulary,
    /// The merges of byte-pair encoding: `merges.txt`.
    Merges,
    /// How a conversation becomes a text: `chat_template.jinja`.
    ChatTemplate,
    /// How images, audio or several inputs become tensors: `preprocessor_config.json`.
    Preprocessing,
    /// Feature extraction of audio or images: `feature_extractor_config.json`, `mel_filters.npz`.
    FeatureExtraction,
    /// How the model was trained: `training_args.bin`, `trainer_state.json`.
    TrainingMetadata,
    /// What the model is, and its limits: `README.md`.
    ModelCard,
    /// The terms of use.
    License,
    /// Bookkeeping of the repository: `.gitattributes`.
    Repository,
    /// Anything else.
    Other,
}

/// Says which library's weights a file holds.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash, Serialize, Deserialize)]
#[serde(rename_all = "lowercase")]
#[non_exhaustive]
pub enum WeightsFormat {
    /// PyTorch's pickles: `pytorch_model.bin`, `.pt`, `.pth`, `.ckpt`; reading one can run code.
    PyTorch,
    /// TensorFlow and Keras: `tf_model.h5`, `.keras`, `saved_model.pb`, `model.ckpt.index`.
    TensorFlow,
    /// TensorFlow Lite: `.tflite`.
    TfLite,
    /// Flax: `flax_model.msgpack`.
    Flax,
    /// safetensors.
    Safetensors,
    /// ONNX: graph and weights.
    Onnx,
    /// ONNX Runtime's own form: `.ort`.
    Ort,
    /// llama.cpp: `.gguf`.
    Gguf,
    /// OpenVINO: `openvino_model.xml` and `.bin`.
    OpenVino,
    /// Core ML: `.mlmodel`, and everything inside an `.mlpackage` folder.
    CoreMl,
    /// tch-rs: `rust_model.ot`.
    Torch,
}

/// Base names that transformers.js gives to ONNX graphs; without a suffix such a file is fp32.
const GRAPHS: &[&str] = &[
    "model",
    "encoder_model",
    "decoder_model",
    "decoder_model_merged",
    "decoder_with_past_model",
    "vision_encoder",
    "vision_model",
    "text_model",
    "text_encoder",
    "audio_encoder",
    "audio_model",
    "prompt_encoder_mask_decoder",
    "embed_tokens",
    "encodec_encode",
    "encodec_decode",
    "decoder_postnet_and_vocoder",
];

impl FileKind {
    /// Tells what `path` is from its name.
    ///
    /// Case counts only where the field's names do not vary: `README.md` and `readme.md` are both the model
    /// card.
    pub fn of(path: &RepoPath) -> Self {
        let name = path.file_name().to_ascii_lowercase();
        by_whole_name(path, &name).unwrap_or_else(|| by_extension(&name))
    }

    /// Says whether the file holds weights, whole or in part.
    pub fn is_weights(self) -> bool {
        matches!(self, Self::Weights { .. } | Self::ExternalData { .. } | Self::StaticEmbeddings { .. })
    }
}

fn by_whole_name(path: &RepoPath, name: &str) -> Option<FileKind> {
    let at_top = path.parent().is_none();
    Some(match name {
        // `1_Pooling/config.json`, `2_Normalize/config.json`, `2_Dense/config.json`
        "config.json" if path.parent().is_some_and(is_module_folder) => FileKind::ModuleConfig,
        "config.json" | "params.json" | "adapter_config.json" | "model_index.json" => FileKind::Config,
        "generation_config.json" => FileKind::GenerationConfig,
        "modules.json" | "config_sentence_transformers.json" | "sentence_bert_config.json" => {
            FileKind::ModuleConfig
        }
        "tokenizer.json"
        | "tokenizer.json.zst"
        | "tokenizer.model"
        | "tokenizer.bin"
        | "spiece.model"
        | "sentencepiece.bpe.model"
        | "sentencepiece.model"
        | "spm.model"
        | "source.spm"
        | "target.spm"
        | "tekken.json"
        | "tiktoken.model"
        | "unigram.json" => FileKind::Tokenizer,
        "tokenizer_config.json" => FileKind::TokenizerConfig,
        "special_tokens_map.json" | "added_tokens.json" => FileKind::SpecialTokens,
        "vocab.txt" | "vocab.json" | "vocab.bpe" | "encoder.json" => FileKind::Vocabulary,
        "merges.txt" | "bpe.codes" => FileKind::Merges,
        "chat_template.jinja" | "chat_template.json" => FileKind::ChatTemplate,
        "preprocessor_config.json"
        | "processor_config.json"
        | "image_processor_config.json"
        | "video_preprocessor_config.json"
        | "normalizer.json" => FileKind::Preprocessing,
        "feature_extractor_config.json" | "feature_extraction_config.json" | "mel_filters.npz" => {
            FileKind::FeatureExtraction
        }
        "training_args.bin"
        | "trainer_state.json"
        | "training_args.json"
        | "train_results.json"
        | "eval_results.json"
        | "all_results.json"
        | "optimizer.pt"
        | "scheduler.pt"
        | "rng_state.pth"
        | "scaler.pt"
        | "quantize_config.json"
        | "quant_config.json"
        | "ort_config.json"
        | "train_script.py"
        | "data_config.json" => FileKind::TrainingMetadata,
        "readme.md" | "readme" | "readme.txt" | "model_card.md" | "modelcard.md" if at_top => {
            FileKind::ModelCard
        }
        ".gitattributes" | ".gitignore" => FileKind::Repository,
        _ if at_top && is_license(name) => FileKind::License,
        _ if name.starts_with("events.out.tfevents.") => FileKind::TrainingMetadata,
        _ if name.contains(".ckpt.") => weights(WeightsFormat::TensorFlow, None),
        _ if path.segments().any(|segment| segment.ends_with(".mlpackage")) => {
            weights(WeightsFormat::CoreMl, None)
        }
        _ => return None,
    })
}

fn is_module_folder(folder: &str) -> bool {
    let name = folder.rsplit('/').next().unwrap_or(folder);
    name.split_once('_').is_some_and(|(number, word)| {
        // `0_Transformer/config.json` is the model's own configuration.
        let is_number = !number.is_empty() && number.bytes().all(|b| b.is_ascii_digit());
        is_number && !word.is_empty() && word != "Transformer"
    })
}

fn is_license(name: &str) -> bool {
    let stem = name.split('.').next().unwrap_or(name);
    matches!(stem, "license" | "licence" | "copying" | "notice" | "use_policy")
        || stem.starts_with("license-")
        || stem.starts_with("license_")
}

fn by_extension(name: &str) -> FileKind {
    if let Some((stem, rest)) = name.rsplit_once(".onnx") {
        return onnx(stem, rest);
    }
    if let Some(format) = name.strip_suffix(".index.json").and_then(shard_format) {
        return FileKind::WeightsIndex { format };
    }
    let Some((stem, extension)) = name.rsplit_once('.') else { return FileKind::Other };
    match extension {
        "npy" | "zst" => static_embeddings(name).unwrap_or(FileKind::Other),
        "gguf" => weights(WeightsFormat::Gguf, gguf_dtype(stem)),
        "xml" if stem.starts_with("openvino_") => weights(WeightsFormat::OpenVino, None),
        "bin" if stem.starts_with("openvino_") => weights(WeightsFormat::OpenVino, None),
        "ort" => weights(WeightsFormat::Ort, onnx_dtype(stem)),
        _ => match shard_format(name) {
            Some(format) => weights(format, variant_dtype(stem)),
            None => FileKind::Other,
        },
    }
}

fn weights(format: WeightsFormat, dtype: Option<Dtype>) -> FileKind {
    FileKind::Weights { format, dtype }
}

/// The formats that are split into shards with an index beside them, and other plain weights.
fn shard_format(name: &str) -> Option<WeightsFormat> {
    let (stem, extension) = name.rsplit_once('.')?;
    Some(match extension {
        "safetensors" => WeightsFormat::Safetensors,
        "bin"
            if ["pytorch_model", "adapter_model", "diffusion_pytorch_model"]
                .iter()
                .any(|known| stem.starts_with(known)) =>
        {
            WeightsFormat::PyTorch
        }
        "pt" | "pth" | "ckpt" => WeightsFormat::PyTorch,
        "h5" | "keras" => WeightsFormat::TensorFlow,
        "pb" if stem == "saved_model" => WeightsFormat::TensorFlow,
        "msgpack" => WeightsFormat::Flax,
        "tflite" => WeightsFormat::TfLite,
        "mlmodel" => WeightsFormat::CoreMl,
        "ot" => WeightsFormat::Torch,
        _ => return None,
    })
}

/// `stem` and `rest` stand before and after the last `.onnx` of a name.
fn onnx(stem: &str, rest: &str) -> FileKind {
    let dtype = onnx_dtype(stem);
    match rest {
        "" => weights(WeightsFormat::Onnx, dtype),
        "_data" | ".data" => FileKind::ExternalData { chunk: 0, dtype },
        _ => match rest.strip_prefix("_data_").and_then(|chunk| chunk.parse().ok()) {
            Some(chunk) => FileKind::ExternalData { chunk, dtype },
            None => FileKind::Other,
        },
    }
}

/// Reads the suffixes of transformers.js, and those of sentence-transformers (`qint8_avx512`, `O4`).
fn onnx_dtype(stem: &str) -> Option<Dtype> {
    if GRAPHS.contains(&stem) {
        return Some(Dtype::Fp32);
    }
    // No suffix is the end of another one: `_q4f16` does not end with `_fp16`.
    let ends = |dtype: &Dtype| {
        let suffix = dtype.onnx_suffix().unwrap_or_default();
        !suffix.is_empty() && stem.ends_with(suffix)
    };
    Dtype::ALL.iter().copied().find(ends).or_else(|| {
        // Optimum's levels: only the fourth converts to fp16.
        match stem.rsplit_once('_')?.1 {
            "o1" | "o2" | "o3" | "optimized" => Some(Dtype::Fp32),
            "o4" => Some(Dtype::Fp16),
            _ if stem.contains("_qint8") => Some(Dtype::Int8),
            _ if stem.contains("_quint8") => Some(Dtype::Uint8),
            _ => None,
        }
    })
}

/// GGUF has quantisations of its own; only plain floats have a [`Dtype`].
fn gguf_dtype(stem: &str) -> Option<Dtype> {
    match stem.rsplit(['-', '.']).next()? {
        "f32" | "fp32" => Some(Dtype::Fp32),
        "f16" | "fp16" => Some(Dtype::Fp16),
        _ => None,
    }
}

/// `model.fp16.safetensors`
fn variant_dtype(stem: &str) -> Option<Dtype> {
    match stem.rsplit_once('.')?.1 {
        "fp16" => Some(Dtype::Fp16),
        "fp32" => Some(Dtype::Fp32),
        _ => None,
    }
}

/// `fp32.d512.npy`, `fp8_e4m3.d128.npy.zst`
fn static_embeddings(name: &str) -> Option<FileKind> {
    let stem = name.strip_suffix(".zst").unwrap_or(name).strip_suffix(".npy")?;
    let (dtype, dims) = stem.split_once(".d")?;
    if !dims.bytes().all(|b| b.is_ascii_digit()) {
        return None;
    }
    Some(FileKind::StaticEmbeddings { dtype: dtype.parse().ok()?, dims: dims.parse().ok()? })
}
