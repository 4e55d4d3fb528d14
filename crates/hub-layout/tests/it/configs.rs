//! What is read from `config.json`.

use hub_layout::{ExternalData, ModelClass, ModelConfig};

fn config(json: &str) -> ModelConfig {
    ModelConfig::from_json(json.as_bytes()).expect("a valid configuration")
}

#[test]
fn the_class_is_told_by_names() {
    for (model_type, architecture, encoder_decoder, class) in [
        ("bert", "BertForMaskedLM", false, Some(ModelClass::EncoderOnly)),
        ("distilbert", "DistilBertForSequenceClassification", false, Some(ModelClass::EncoderOnly)),
        ("bart", "BartForSequenceClassification", true, Some(ModelClass::EncoderOnly)),
        ("vit", "ViTForImageClassification", false, Some(ModelClass::EncoderOnly)),
        ("detr", "DetrForObjectDetection", false, Some(ModelClass::EncoderOnly)),
        ("wav2vec2", "Wav2Vec2ForCTC", false, Some(ModelClass::EncoderOnly)),
        ("dpt", "DPTForDepthEstimation", false, Some(ModelClass::EncoderOnly)),
        ("swin2sr", "Swin2SRForImageSuperResolution", false, Some(ModelClass::EncoderOnly)),
        ("gpt2", "GPT2LMHeadModel", false, Some(ModelClass::DecoderOnly)),
        ("llama", "LlamaForCausalLM", false, Some(ModelClass::DecoderOnly)),
        ("t5", "T5ForConditionalGeneration", true, Some(ModelClass::Seq2Seq)),
        ("bart", "BartForConditionalGeneration", true, Some(ModelClass::Seq2Seq)),
        ("marian", "MarianMTModel", true, Some(ModelClass::Seq2Seq)),
        ("t5", "T5Model", true, Some(ModelClass::EncoderDecoder)),
        ("whisper", "WhisperForConditionalGeneration", true, Some(ModelClass::Seq2Seq)),
        ("speecht5", "SpeechT5ForTextToSpeech", true, Some(ModelClass::Seq2Seq)),
        ("vision-encoder-decoder", "VisionEncoderDecoderModel", true, Some(ModelClass::Vision2Seq)),
        ("sam", "SamModel", false, Some(ModelClass::MaskGeneration)),
        ("llava", "LlavaForConditionalGeneration", false, Some(ModelClass::ImageTextToText)),
        ("florence2", "Florence2ForConditionalGeneration", true, Some(ModelClass::ImageTextSeq2Seq)),
        ("ultravox", "UltravoxModel", false, Some(ModelClass::AudioTextToText)),
        ("gemma3n", "Gemma3nForConditionalGeneration", false, Some(ModelClass::ImageAudioTextToText)),
        ("musicgen", "MusicgenForConditionalGeneration", true, Some(ModelClass::MusicGen)),
        ("multi_modality", "MultiModalityCausalLM", false, Some(ModelClass::MultiModality)),
        ("phi3_v", "Phi3VForCausalLM", false, Some(ModelClass::Phi3V)),
        ("chatterbox", "", false, Some(ModelClass::Chatterbox)),
        ("supertonic", "", false, Some(ModelClass::Supertonic)),
        ("dac", "DacModel", false, Some(ModelClass::AutoEncoder)),
        // What is not clear is left to the task.
        ("bert", "BertModel", false, None),
        ("", "", false, None),
        ("new", "NewModel", false, None),
    ] {
        let json = format!(
            r#"{{"model_type":"{model_type}","architectures":["{architecture}"],"is_encoder_decoder":{encoder_decoder}}}"#
        );
        assert_eq!(config(&json).class(), class, "{json}");
    }
}

#[test]
fn what_is_not_understood_is_as_if_it_were_not_there() {
    for json in [
        "{}",
        r#"{"model_type":1,"architectures":"x","is_encoder_decoder":"yes","transformers.js_config":[]}"#,
        r#"{"architectures":[],"transformers.js_config":{"use_external_data_format":[1]}}"#,
        r#"{"architectures":[null],"transformers.js_config":null}"#,
    ] {
        assert_eq!(config(json), ModelConfig::default(), "{json}");
    }
    let odd = config(r#"{"transformers.js_config":{"use_external_data_format":{"a":[],"b":2}}}"#);
    assert_eq!(odd.external_data, Some(ExternalData::PerGraph([("b".to_owned(), 2)].into())));
}

#[test]
fn what_is_no_configuration_is_refused() {
    let many = br#"{"transformers.js_config":{"use_external_data_format":101}}"#;
    let deep = "[".repeat(1000);
    let long = vec![b' '; (16 << 20) + 1];
    for (bytes, message) in [
        (&b""[..], "config.json cannot be used: it is not the JSON that is expected"),
        (b"[]", "config.json cannot be used: it is not the JSON that is expected"),
        (b"\xff\xfe{}", "config.json cannot be used: it is not the JSON that is expected"),
        (deep.as_bytes(), "config.json cannot be used: it is not the JSON that is expected"),
        (&long, "config.json cannot be used: it is longer than 16777216 bytes"),
        (many, "config.json cannot be used: it announces more than 100 chunks of external data"),
    ] {
        assert_eq!(ModelConfig::from_json(bytes).expect_err(message).to_string(), message);
    }
}
