//! Prints the URLs of the files that a sentence-embedding model needs, on both hubs.

use hub_layout::{FileRequest, Hub, ModelId, Revision, needed_files};

fn main() -> Result<(), Box<dyn std::error::Error>> {
    let model: ModelId = "Xenova/all-MiniLM-L6-v2".parse()?;
    let revision: Revision = "main".parse()?;
    let request = FileRequest::new("feature-extraction".parse()?);
    for hub in [Hub::hugging_face(), Hub::mozilla()] {
        for file in needed_files(&request, None)? {
            println!("{}\n    {}", hub.file_url(&model, &revision, &file.path), file.reason);
        }
    }
    Ok(())
}
