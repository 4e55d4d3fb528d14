//! Fetches the attachments of a collection into the folder `target/kept-attachments`, each once, and removes those that
//! no record describes any longer.
//!
//! `cargo run --example fetch_attachment -- [BUCKET/COLLECTION [URL ROOT_HASH]]`: from Mozilla's production server, or
//! from any other one.

use std::{env, error::Error, sync::Arc};

use rs_client::{AttachmentFolder, Client, CollectionName, FileStorage, PruneOptions, Server};
use transport::{HttpOptions, HttpTransport, Retry, RetryPolicy};

#[tokio::main]
async fn main() -> Result<(), Box<dyn Error>> {
    let arguments: Vec<String> = env::args().skip(1).collect();
    let name: CollectionName = arguments.first().map_or("main/ml-onnx-runtime", String::as_str).parse()?;
    let server = match &arguments[..] {
        [_, url, root] => Server::custom(url.parse()?, vec![root.parse()?]),
        _ => Server::production(),
    };

    let http = HttpTransport::new(HttpOptions::new("fetch-attachment", "1.0"))?;
    let transport = Retry::new(http, RetryPolicy::default());
    let storage = FileStorage::open("target/kept-collections");
    let client = Client::builder(server, Arc::new(transport), Arc::new(storage)).build();
    let folder = AttachmentFolder::open("target/kept-attachments");
    let collection = client.sync(&name).await?.collection;
    for record in &collection.records {
        if record.attachment()?.is_some() {
            let file = client.fetch_attachment(&name, record.id(), &folder).await?;
            println!("{}: {} ({:?})", file.attachment.filename, file.path.display(), file.outcome);
        }
    }
    let pruned = client.prune_attachments(&folder, &[name], &PruneOptions::default()).await?;
    println!("{} files removed, {} bytes freed", pruned.removed.len(), pruned.bytes_freed);
    Ok(())
}
