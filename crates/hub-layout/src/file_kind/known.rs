//! Files that are no weights, and what tells them.

use super::{FileKind, WeightsFormat, weights::weights};
use crate::RepoPath;

/// Tells what a file is whose whole name, or whose folder, says it.
pub(super) fn kind(path: &RepoPath, name: &str) -> Option<FileKind> {
    let at_top = path.parent().is_none();
    Some(match name {
        // `1_Pooling/config.json`, `2_Normalize/config.json`, `2_Dense/config.json`
        "config.json" if path.parent().is_some_and(is_module_folder) => FileKind::ModuleConfig,
        "config.json"
        | "config.yaml"
        | "config.yml"
        | "config.ini"
        | "configuration.json"
        | "params.json"
        | "hyperparams.yaml"
        | "adapter_config.json"
        | "genai_config.json"
        | "onnx_config.json"
        | "openvino_config.json"
        | "scheduler_config.json"
        | "model_index.json"
        | "id2label.json"
        | "label2id.json"
        | "labels.txt" => FileKind::Config,
        "generation_config.json" => FileKind::GenerationConfig,
        "modules.json"
        | "config_sentence_transformers.json"
        | "sentence_bert_config.json"
        | "config_setfit.json" => FileKind::ModuleConfig,
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
        | "vocab.spm"
        | "unigram.json" => FileKind::Tokenizer,
        _ if name.starts_with("tokenizer") && name.ends_with(".model") => FileKind::Tokenizer,
        _ if name.ends_with(".spm") || name.ends_with(".tiktoken") || name == "tiktoken.model" => {
            FileKind::Tokenizer
        }
        "tokenizer_config.json" => FileKind::TokenizerConfig,
        "special_tokens_map.json" | "added_tokens.json" => FileKind::SpecialTokens,
        "vocab.txt" | "vocab.json" | "vocab.bpe" | "vocab.yml" | "vocab-src.json" | "vocab-tgt.json"
        | "source_vocab.json" | "target_vocab.json" | "vocabulary.txt" | "vocabulary.json"
        | "encoder.json" | "dict.txt" => FileKind::Vocabulary,
        "merges.txt" | "bpe.codes" => FileKind::Merges,
        "chat_template.json" => FileKind::ChatTemplate,
        _ if name.ends_with(".jinja") => FileKind::ChatTemplate,
        "preprocessor_config.json"
        | "processor_config.json"
        | "image_processor_config.json"
        | "image_preprocessor_config.json"
        | "video_preprocessor_config.json"
        | "audio_preprocessor_config.json"
        | "normalizer.json" => FileKind::Preprocessing,
        "feature_extractor_config.json"
        | "feature_extraction_config.json"
        | "mel_filters.npz"
        | "melfilters.bytes" => FileKind::FeatureExtraction,
        "training_args.bin"
        | "trainer_state.json"
        | "training_args.json"
        | "train_results.json"
        | "eval_results.json"
        | "all_results.json"
        | "predict_results.json"
        | "trainer_log.jsonl"
        | "optimizer.pt"
        | "optimizer.bin"
        | "scheduler.pt"
        | "scheduler.bin"
        | "rng_state.pth"
        | "scaler.pt"
        | "quantize_config.json"
        | "quant_config.json"
        | "ort_config.json"
        | "train_script.py"
        | "data_config.json" => FileKind::TrainingMetadata,
        "readme.md" | "readme" | "readme.txt" | "model_card.md" | "modelcard.md" | "modelcard.json"
        | "model_card.json" | "model-index.yml"
            if at_top =>
        {
            FileKind::ModelCard
        }
        ".gitattributes" | ".gitignore" | ".gitmodules" => FileKind::Repository,
        _ if at_top && is_license(name) => FileKind::License,
        _ if name.starts_with("events.out.tfevents.") => FileKind::TrainingMetadata,
        // The state of a training that goes on: of the optimizer, and of one process's random numbers.
        _ if name.ends_with("_optim_states.pt") => FileKind::TrainingMetadata,
        _ if name.starts_with("rng_state_") && name.ends_with(".pth") => FileKind::TrainingMetadata,
        _ if path.segments().any(is_core_ml_folder) => weights(WeightsFormat::CoreMl, None),
        _ => return None,
    })
}

fn is_core_ml_folder(segment: &str) -> bool {
    segment.ends_with(".mlpackage") || segment.ends_with(".mlmodelc")
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

/// Tells what a file is that nothing better is known of.
pub(super) fn by_extension(name: &str) -> FileKind {
    match name.rsplit_once('.').map(|(_, extension)| extension) {
        Some(
            "py" | "ipynb" | "sh" | "js" | "ts" | "cpp" | "cu" | "rs" | "lua" | "bat" | "ps1" | "exe" | "dll"
            | "so",
        ) => FileKind::Code,
        Some(
            "png" | "jpg" | "jpeg" | "gif" | "webp" | "svg" | "bmp" | "wav" | "mp3" | "flac" | "ogg" | "mp4"
            | "webm" | "mov" | "avi",
        ) => FileKind::Sample,
        _ => FileKind::Other,
    }
}
