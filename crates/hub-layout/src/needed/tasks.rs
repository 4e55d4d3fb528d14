//! What each task needs, and the model it takes when none is named.

use super::class::Bases;
use crate::{ModelId, Task};

/// How a task's model is kept.
#[derive(Clone, Copy, Debug)]
pub(super) enum Family {
    /// In ONNX graphs.
    Graphs(Graphs),
    /// In one GGUF file that has everything.
    Gguf,
    /// In a table of vectors.
    StaticEmbeddings,
    /// Not at all.
    Nothing,
}

/// The ONNX graphs of a task, and what stands beside them.
#[derive(Clone, Copy, Debug)]
pub(super) struct Graphs {
    /// Sets of base names, the usual one first; any one set will do.
    pub(super) bases: &'static [Bases],
    /// Whether there is a tokenizer (`Some`), and whether it is required.
    pub(super) tokenizer: Option<bool>,
    /// Whether there is an image or audio processor (`Some`), and whether it is required.
    pub(super) processor: Option<bool>,
    /// Whether it produces its output step by step.
    pub(super) generates: bool,
}

const ONE: &[Bases] = &[&["model"]];
const DECODER: &[Bases] = &[&["model"], &["decoder_model_merged"], &["decoder_model"]];
const ENCODER_DECODER: &[Bases] =
    &[&["encoder_model", "decoder_model_merged"], &["encoder_model", "decoder_model"]];
const SPEECH: &[Bases] =
    &[&["encoder_model", "decoder_model_merged"], &["encoder_model", "decoder_model"], &["model"]];

impl Family {
    /// What would stand beside a file that was named.
    pub(super) fn graphs(self) -> Option<Graphs> {
        match self {
            Self::Graphs(graphs) => Some(graphs),
            Self::Gguf | Self::StaticEmbeddings | Self::Nothing => None,
        }
    }
}

pub(super) fn family(task: &str) -> Family {
    let graphs = |bases, tokenizer, processor, generates| {
        Family::Graphs(Graphs { bases, tokenizer, processor, generates })
    };
    let text = Some(true);
    let sight = Some(true);
    match task {
        "feature-extraction"
        | "sentence-similarity"
        | "text-classification"
        | "sentiment-analysis"
        | "token-classification"
        | "ner"
        | "fill-mask"
        | "question-answering"
        | "zero-shot-classification"
        | "text-ranking"
        | "moz-text-to-goal" => graphs(ONE, text, None, false),

        "image-classification"
        | "image-segmentation"
        | "object-detection"
        | "depth-estimation"
        | "image-to-image"
        | "image-feature-extraction"
        | "background-removal"
        | "audio-classification" => graphs(ONE, None, sight, false),
        "zero-shot-image-classification"
        | "zero-shot-object-detection"
        | "zero-shot-audio-classification" => graphs(ONE, text, sight, false),
        "mask-generation" => {
            graphs(&[&["vision_encoder", "prompt_encoder_mask_decoder"]], None, sight, false)
        }

        "text-generation" => graphs(DECODER, text, None, true),
        "summarization" | "translation" | "text2text-generation" => graphs(ENCODER_DECODER, text, None, true),
        "image-to-text" | "moz-image-to-text" | "document-question-answering" => {
            graphs(ENCODER_DECODER, text, sight, true)
        }
        // Whisper has two graphs, wav2vec2 one.
        "automatic-speech-recognition" => graphs(SPEECH, text, sight, true),
        "image-text-to-text" => {
            graphs(&[&["embed_tokens", "decoder_model_merged", "vision_encoder"]], text, sight, true)
        }
        "audio-text-to-text" => {
            graphs(&[&["embed_tokens", "decoder_model_merged", "audio_encoder"]], text, sight, true)
        }
        // SpeechT5, MusicGen, VITS.
        "text-to-speech" | "text-to-audio" => graphs(
            &[
                &["encoder_model", "decoder_model_merged"],
                &["text_encoder", "decoder_model_merged", "encodec_decode"],
                &["model"],
            ],
            text,
            Some(false),
            true,
        ),
        "llama-text-generation" | "wllama-text-generation" => Family::Gguf,
        "static-embeddings" => Family::StaticEmbeddings,
        "test-echo" | "moz-echo" => Family::Nothing,
        _ => graphs(ONE, Some(false), Some(false), false),
    }
}

/// Returns the model that Firefox takes for a task when neither a record nor the user names one.
///
/// All of them are wanted as [`crate::Dtype::Q8`] at the revision `main`, and any setting beats them.
pub fn default_model(task: &Task) -> Option<ModelId> {
    let id = match task.as_str() {
        "text-classification" => "Xenova/distilbert-base-uncased-finetuned-sst-2-english",
        "token-classification" => "Xenova/bert-base-multilingual-cased-ner-hrl",
        "question-answering" => "Xenova/distilbert-base-cased-distilled-squad",
        "fill-mask" => "Xenova/bert-base-uncased",
        "summarization" => "Xenova/distilbart-cnn-6-6",
        "translation" => "Xenova/t5-small",
        "text2text-generation" => "Xenova/flan-t5-small",
        "text-generation" => "onnx-community/gpt2-ONNX",
        "zero-shot-classification" => "Xenova/distilbert-base-uncased-mnli",
        "image-to-text" => "Mozilla/distilvit",
        "image-classification" => "Xenova/vit-base-patch16-224",
        "image-segmentation" => "Xenova/detr-resnet-50-panoptic",
        "zero-shot-image-classification" => "Xenova/clip-vit-base-patch32",
        "object-detection" => "Xenova/detr-resnet-50",
        "zero-shot-object-detection" => "Xenova/owlvit-base-patch32",
        "document-question-answering" => "Xenova/donut-base-finetuned-docvqa",
        "image-to-image" => "Xenova/swin2SR-classical-sr-x2-64",
        "depth-estimation" => "Xenova/dpt-large",
        "feature-extraction" => "Xenova/all-MiniLM-L6-v2",
        "image-feature-extraction" => "Xenova/vit-base-patch16-224-in21k",
        "text-to-speech" => "Xenova/speecht5_tts",
        "test-echo" => "test-echo",
        _ => return None,
    };
    Some(id.parse().expect("a constant id is valid"))
}
