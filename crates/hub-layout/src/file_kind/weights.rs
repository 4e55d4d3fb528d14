//! Weights, and what their names tell of format and number format.

use super::{FileKind, WeightsFormat};
use crate::Dtype;

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
    "prepare_inputs_embeds",
    "language_model",
    "lm_head",
    "gen_head",
    "gen_img_embeds",
    "image_decode",
    "speech_encoder",
    "conditional_decoder",
    "latent_denoiser",
    "voice_decoder",
    "unet",
    "vae_encoder",
    "vae_decoder",
];

/// Tells which weights a file holds, if its name is that of any.
pub(super) fn kind(name: &str) -> Option<FileKind> {
    if let Some((stem, rest)) = name.rsplit_once(".onnx") {
        return onnx(stem, rest);
    }
    if let Some(format) = name.strip_suffix(".index.json").and_then(format) {
        return Some(FileKind::WeightsIndex { format });
    }
    let (stem, extension) = name.rsplit_once('.')?;
    Some(match extension {
        "npy" | "zst" => static_embeddings(name)?,
        "gguf" => weights(WeightsFormat::Gguf, gguf_dtype(stem)),
        "ort" => weights(WeightsFormat::Ort, onnx_dtype(stem)),
        _ => weights(format(name)?, variant_dtype(stem)),
    })
}

pub(super) fn weights(format: WeightsFormat, dtype: Option<Dtype>) -> FileKind {
    FileKind::Weights { format, dtype }
}

/// The format that a name tells, beside ONNX and GGUF.
fn format(name: &str) -> Option<WeightsFormat> {
    let (stem, extension) = name.rsplit_once('.')?;
    let begins = |known: &[&str]| known.iter().any(|known| stem.starts_with(known));
    Some(match extension {
        "safetensors" => WeightsFormat::Safetensors,
        "bin" if begins(&["openvino_"]) => WeightsFormat::OpenVino,
        "xml" if begins(&["openvino_"]) => WeightsFormat::OpenVino,
        "bin" if begins(&["pytorch_model", "adapter_model", "diffusion_pytorch_model"]) => {
            WeightsFormat::PyTorch
        }
        "bin" if begins(&["ggml-"]) => WeightsFormat::Ggml,
        "bin" if is_group_of_shards(stem) => WeightsFormat::TensorFlowJs,
        "bin" if matches!(stem, "model" | "weights") => WeightsFormat::Unknown,
        "pt" | "pth" | "ckpt" | "distcp" => WeightsFormat::PyTorch,
        "h5" | "keras" => WeightsFormat::TensorFlow,
        "pb" if matches!(stem, "saved_model" | "keras_metadata" | "fingerprint" | "frozen_graph") => {
            WeightsFormat::TensorFlow
        }
        // `variables.index`, `variables.data-00000-of-00001`, `model.ckpt.meta`
        _ if name.starts_with("variables.") || name.contains(".ckpt") => WeightsFormat::TensorFlow,
        "msgpack" => WeightsFormat::Flax,
        "tflite" => WeightsFormat::TfLite,
        "litertlm" | "task" => WeightsFormat::LiteRt,
        "mlmodel" => WeightsFormat::CoreMl,
        "ot" => WeightsFormat::Torch,
        "ggml" => WeightsFormat::Ggml,
        "npz" => WeightsFormat::Numpy,
        "pkl" | "pickle" | "joblib" | "skops" => WeightsFormat::Pickle,
        "pte" => WeightsFormat::ExecuTorch,
        "engine" | "plan" | "trt" => WeightsFormat::TensorRt,
        "pdparams" | "pdiparams" | "pdmodel" => WeightsFormat::Paddle,
        "nemo" => WeightsFormat::Nemo,
        "mnn" => WeightsFormat::Mnn,
        "weights" if stem.ends_with(".mnn") => WeightsFormat::Mnn,
        "weights" => WeightsFormat::Unknown,
        _ => return None,
    })
}

/// `group1-shard1of4`
fn is_group_of_shards(stem: &str) -> bool {
    let shard = stem.strip_prefix("group").and_then(|rest| rest.split_once("-shard"));
    let is_number = |text: &str| !text.is_empty() && text.bytes().all(|b| b.is_ascii_digit());
    shard.is_some_and(|(group, shard)| {
        is_number(group) && shard.split_once("of").is_some_and(|(n, of)| is_number(n) && is_number(of))
    })
}

/// `stem` and `rest` stand before and after the last `.onnx` of a name.
fn onnx(stem: &str, rest: &str) -> Option<FileKind> {
    let dtype = onnx_dtype(stem);
    Some(match rest {
        "" => weights(WeightsFormat::Onnx, dtype),
        "_data" | ".data" => FileKind::ExternalData { chunk: 0, dtype },
        _ => FileKind::ExternalData { chunk: rest.strip_prefix("_data_")?.parse().ok()?, dtype },
    })
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

/// `model.fp16.safetensors`, `pytorch_model_fp16.bin`
fn variant_dtype(stem: &str) -> Option<Dtype> {
    match stem.rsplit_once(['.', '_', '-'])?.1 {
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
