//! Classes of models: which ONNX graphs one is made of.

use serde::{Deserialize, Serialize};

/// Says of which ONNX graphs a model is made.
///
/// The classes are those of transformers.js. A task alone often leaves several; a model's `config.json` tells which
/// ([`ModelConfig::class`](crate::ModelConfig::class)).
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash, Serialize, Deserialize)]
#[serde(rename_all = "kebab-case")]
#[non_exhaustive]
pub enum ModelClass {
    /// `model`; classifies or embeds.
    EncoderOnly,
    /// `model`; continues a text.
    DecoderOnly,
    /// `encoder_model` and `decoder_model_merged`; makes a text of a text or of speech.
    Seq2Seq,
    /// `encoder_model` and `decoder_model_merged`; makes a text of an image.
    Vision2Seq,
    /// `encoder_model` and `decoder_model_merged`, without a head that generates.
    EncoderDecoder,
    /// `encoder_model` and `decoder_model`; codes sound or images and decodes them.
    AutoEncoder,
    /// `vision_encoder` and `prompt_encoder_mask_decoder`.
    MaskGeneration,
    /// `embed_tokens`, `decoder_model_merged` and `vision_encoder`.
    ImageTextToText,
    /// As [`ModelClass::ImageTextToText`], and `encoder_model`.
    ImageTextSeq2Seq,
    /// `embed_tokens`, `decoder_model_merged` and `audio_encoder`.
    AudioTextToText,
    /// `embed_tokens`, `decoder_model_merged`, `audio_encoder` and `vision_encoder`.
    ImageAudioTextToText,
    /// `text_encoder`, `decoder_model_merged` and `encodec_decode`.
    MusicGen,
    /// Six graphs: reads and draws images in one conversation.
    MultiModality,
    /// `prepare_inputs_embeds`, `model` and `vision_encoder`.
    Phi3V,
    /// `embed_tokens`, `speech_encoder`, `language_model` and `conditional_decoder`.
    Chatterbox,
    /// `text_encoder`, `latent_denoiser` and `voice_decoder`.
    Supertonic,
}

/// Base names of graphs that belong together.
pub(super) type Bases = &'static [&'static str];

const SEQ2SEQ: &[Bases] = &[&["encoder_model", "decoder_model_merged"], &["encoder_model", "decoder_model"]];

impl ModelClass {
    /// Returns sets of base names, the usual one first; any one set will do. `text` says that there will be no
    /// images or sounds, which some classes can do without.
    pub(super) fn bases(self, text: bool) -> &'static [Bases] {
        match self {
            Self::EncoderOnly => &[&["model"]],
            Self::DecoderOnly => &[&["model"], &["decoder_model_merged"], &["decoder_model"]],
            Self::Seq2Seq | Self::Vision2Seq | Self::EncoderDecoder => SEQ2SEQ,
            Self::AutoEncoder => &[&["encoder_model", "decoder_model"]],
            Self::MaskGeneration => &[&["vision_encoder", "prompt_encoder_mask_decoder"]],
            Self::ImageTextToText | Self::AudioTextToText | Self::ImageAudioTextToText if text => {
                &[&["embed_tokens", "decoder_model_merged"]]
            }
            Self::ImageTextToText => &[&["embed_tokens", "decoder_model_merged", "vision_encoder"]],
            Self::ImageTextSeq2Seq => {
                &[&["embed_tokens", "encoder_model", "decoder_model_merged", "vision_encoder"]]
            }
            Self::AudioTextToText => &[&["embed_tokens", "decoder_model_merged", "audio_encoder"]],
            Self::ImageAudioTextToText => {
                &[&["embed_tokens", "decoder_model_merged", "audio_encoder", "vision_encoder"]]
            }
            Self::MusicGen => &[&["text_encoder", "decoder_model_merged", "encodec_decode"]],
            Self::MultiModality => &[&[
                "prepare_inputs_embeds",
                "language_model",
                "lm_head",
                "gen_head",
                "gen_img_embeds",
                "image_decode",
            ]],
            Self::Phi3V => &[&["prepare_inputs_embeds", "model", "vision_encoder"]],
            Self::Chatterbox => {
                &[&["embed_tokens", "speech_encoder", "language_model", "conditional_decoder"]]
            }
            Self::Supertonic => &[&["text_encoder", "latent_denoiser", "voice_decoder"]],
        }
    }

    /// Says whether it produces its output step by step, as `generation_config.json` says.
    pub(super) fn generates(self) -> bool {
        !matches!(
            self,
            Self::EncoderOnly
                | Self::EncoderDecoder
                | Self::AutoEncoder
                | Self::MaskGeneration
                | Self::Supertonic
        )
    }

    /// Tells the class from what `config.json` says, where that is clear.
    pub(super) fn of(model_type: &str, architecture: &str, is_encoder_decoder: bool) -> Option<Self> {
        // A head that answers in one step has one graph, whatever is below it.
        const HEADS: &[&str] = &[
            "Classification",
            "ForMaskedLM",
            "ForQuestionAnswering",
            "ForCTC",
            "ForObjectDetection",
            "ForSegmentation",
            "ForSemanticSegmentation",
            "ForInstanceSegmentation",
            "ForUniversalSegmentation",
            "ForDepthEstimation",
            "SuperResolution",
            "ForImageMatting",
            "ForPoseEstimation",
            "ForXVector",
            "ForPreTraining",
        ];
        if HEADS.iter().any(|head| architecture.ends_with(head)) {
            return Some(Self::EncoderOnly);
        }
        Some(match model_type {
            "sam" | "sam2" | "sam3_tracker" | "edgetam" => Self::MaskGeneration,
            "musicgen" => Self::MusicGen,
            "phi3_v" => Self::Phi3V,
            "multi_modality" => Self::MultiModality,
            "chatterbox" => Self::Chatterbox,
            "supertonic" => Self::Supertonic,
            "dac" | "mimi" | "snac" | "encodec" => Self::AutoEncoder,
            "florence2" => Self::ImageTextSeq2Seq,
            "llava" | "llava_onevision" | "llava_qwen2" | "idefics3" | "smolvlm" | "paligemma"
            | "moondream1" | "qwen2_vl" | "qwen2_5_vl" | "qwen3_vl" | "mistral3" | "lfm2_vl" => {
                Self::ImageTextToText
            }
            "ultravox" | "voxtral" | "granite_speech" => Self::AudioTextToText,
            "gemma3n" | "gemma4" => Self::ImageAudioTextToText,
            "vision-encoder-decoder" => Self::Vision2Seq,
            "whisper" | "lite-whisper" | "moonshine" | "speecht5" => Self::Seq2Seq,
            _ if architecture.ends_with("ForCausalLM") || architecture.ends_with("LMHeadModel") => {
                Self::DecoderOnly
            }
            _ if is_encoder_decoder && architecture.ends_with("ForConditionalGeneration") => Self::Seq2Seq,
            _ if is_encoder_decoder && architecture.ends_with("MTModel") => Self::Seq2Seq,
            _ if is_encoder_decoder && architecture.ends_with("Model") => Self::EncoderDecoder,
            _ => return None,
        })
    }
}
