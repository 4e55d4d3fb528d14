//! Files: whatever a hub has, and whatever its documents say, asking ends, and asks for nothing twice.
#![no_main]

use hub_layout::{Backend, FileChoice, FileRequest, Inventory, ModelConfig, RepoPath, choose_files};
use libfuzzer_sys::fuzz_target;

const TASKS: [&str; 6] =
    ["ner", "translation", "automatic-speech-recognition", "static-embeddings", "llama-text-generation", "x"];
const BACKENDS: [Backend; 4] = [Backend::Onnx, Backend::Candle, Backend::LlamaCpp, Backend::StaticEmbeddings];

fuzz_target!(|input: (u8, u8, bool, Vec<&str>, &[u8], &[u8], Option<&str>)| {
    let (task, backend, is_listed, names, config, index, named) = input;
    let mut request = FileRequest::new(TASKS[usize::from(task) % TASKS.len()].parse().expect("a constant task"));
    request.backend = BACKENDS.get(usize::from(backend)).copied();
    request.model_file = named.and_then(|named| named.parse().ok());
    if let Ok(config) = ModelConfig::from_json(config) {
        request = request.with_config(&config);
    }
    let there: Vec<RepoPath> = names.iter().filter_map(|name| name.parse().ok()).collect();
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
                    known.note(file.path.clone(), file.required || there.contains(&file.path));
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
