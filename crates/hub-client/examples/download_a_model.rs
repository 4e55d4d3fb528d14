//! Downloads a model into a store that is gone afterwards: `cargo run --example download_a_model [MODEL [HUB]]`.

use std::{env, error::Error, sync::Arc};

use blob_store::FsStore;
use hub_client::{HubClient, NoProgress, Wanted};
use hub_layout::{FileRequest, Hub, HubKind};
use transport::{HttpOptions, HttpTransport, Retry, RetryPolicy};

#[tokio::main(flavor = "current_thread")]
async fn main() -> Result<(), Box<dyn Error>> {
    let model = env::args().nth(1).unwrap_or_else(|| "Xenova/all-MiniLM-L6-v2".to_owned());
    let hub = env::args().nth(2).unwrap_or_else(|| "https://huggingface.co".to_owned());
    let http = HttpTransport::new(HttpOptions::new("download-a-model", "0.1"))?;
    let hub = Hub::new(HubKind::HuggingFace, hub.parse()?)?;
    let client = HubClient::new(Arc::new(Retry::new(http, RetryPolicy::default())), hub);
    let folder = tempfile::tempdir()?;
    let store = FsStore::open(folder.path())?;
    let request = FileRequest::new("feature-extraction".parse()?);
    let plan = client.plan(&store, &Wanted::new(model.parse()?, "main".parse()?, request)).await?;
    println!("{} bytes to fetch", plan.bytes_to_fetch());
    let manifest = client.download(&store, &plan, &NoProgress).await?;
    manifest.files.iter().for_each(|(path, file)| println!("{path}: {}", file.content));
    Ok(())
}
