//! Files: whatever a hub has, and whatever its documents say, asking ends, and asks for nothing twice.
#![no_main]

use hub_layout::{Backend, FileChoice, FileRequest, Inventory, ModelConfig, RepoPath, choose_files};
use libfuzzer_sys::fuzz_target;

const TASKS: [&str; 6] =
    ["ner", "translation", "automatic-speech-recognition", "static-embeddings", "llama-text-generation", "x"];
const BACKENDS: [Backend; 4] = [Backend::Onnx, Backend::Candle, Backend::LlamaCpp, Backend::StaticEmbeddings];

/// Names that mean something here, one for each bit of a number.
const NAMES: [&str; 32] = [
    "config.json",
    "tokenizer.json",
    "preprocessor_config.json",
    "processor_config.json",
    "generation_config.json",
    "README.md",
    "onnx/model.onnx",
    "onnx/model.onnx_data",
    "onnx/model.onnx_data_1",
    "onnx/model.onnx_data_2",
    "onnx/model.onnx_data_3",
    "onnx/model.onnx.data",
    "onnx/model_quantized.onnx",
    "onnx/model_quantized.onnx_data",
    "onnx/model_q4.onnx",
    "model_fp16.onnx",
    "onnx/encoder_model.onnx",
    "onnx/encoder_model_quantized.onnx",
    "onnx/encoder_model_quantized.onnx_data",
    "onnx/decoder_model_merged.onnx",
    "onnx/decoder_model_merged_quantized.onnx",
    "onnx/decoder_model_q4.onnx",
    "model.safetensors",
    "model.fp16.safetensors",
    "model.safetensors.index.json",
    "model-00001-of-00002.safetensors",
    "model-00002-of-00002.safetensors",
    "a-00001-of-00002.gguf",
    "a-00002-of-00002.gguf",
    "b.gguf",
    "fp32.d8.npy",
    "tokenizer.json.zst",
];

fuzz_target!(|input: (u8, u8, bool, u32, Vec<&str>, &[u8], &[u8], Option<&str>, u8)| {
    let (task, backend, is_listed, bits, names, config, index, named, known_name) = input;
    let named = named.map(|named| NAMES.get(usize::from(known_name)).copied().unwrap_or(named));
    let mut request =
        FileRequest::new(TASKS[usize::from(task) % TASKS.len()].parse().expect("a constant task"));
    request.backend = BACKENDS.get(usize::from(backend)).copied();
    request.model_file = named.and_then(|named| named.parse().ok());
    if let Ok(config) = ModelConfig::from_json(config) {
        request = request.with_config(&config);
    }
    let usual = NAMES.iter().enumerate().filter(|(bit, _)| bits >> bit & 1 == 1).map(|(_, name)| name);
    let there: Vec<RepoPath> = usual.chain(&names).filter_map(|name| name.parse().ok()).collect();
    let mut known = if is_listed { Inventory::listed(there.clone()) } else { Inventory::default() };
    for _ in 0..200 {
        match choose_files(&request, &known) {
            Ok(FileChoice::Ready(files)) => {
                for (n, file) in files.iter().enumerate() {
                    assert_eq!(known.has(&file.path), Some(true), "{}", file.path);
                    assert!(files[..n].iter().all(|other| other.path != file.path));
                }
                return;
            }
            Ok(FileChoice::Ask(files)) => {
                assert!(!is_listed && !files.is_empty());
                for file in files {
                    assert_eq!(known.has(&file.path), None, "{} is asked for twice", file.path);
                    known.note(file.path.clone(), there.contains(&file.path));
                }
            }
            Ok(FileChoice::Read(files)) => {
                for file in files {
                    if known.note_index(file.path, index).is_err() {
                        return;
                    }
                }
            }
            Ok(other) => panic!("{other:?}"),
            Err(error) => return assert!(!error.to_string().contains(char::is_control)),
        }
    }
    panic!("asking does not end");
});
