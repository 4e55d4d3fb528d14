//! Keeps a verified copy of a collection in the folder `target/kept-collections`, and shows its records.
//!
//! `cargo run --example keep_a_collection -- [BUCKET/COLLECTION [URL ROOT_HASH]]`: from Mozilla's production
//! server, or from any other one.

use std::{env, error::Error, sync::Arc};

use rs_client::{Client, CollectionName, FileStorage, Server};
use transport::{HttpOptions, HttpTransport, Retry, RetryPolicy};

#[tokio::main]
async fn main() -> Result<(), Box<dyn Error>> {
    let arguments: Vec<String> = env::args().skip(1).collect();
    let name: CollectionName = arguments.first().map_or("main/ml-onnx-runtime", String::as_str).parse()?;
    let server = match &arguments[..] {
        [_, url, root] => Server::custom(url.parse()?, vec![root.parse()?]),
        _ => Server::production(),
    };

    let http = HttpTransport::new(HttpOptions::new("keep-a-collection", "1.0"))?;
    let transport = Retry::new(http, RetryPolicy::default());
    let storage = FileStorage::open("target/kept-collections");
    let client = Client::builder(server, Arc::new(transport), Arc::new(storage)).build();
    match client.sync(&name).await {
        Ok(report) => println!("{name}: {:?}", report.outcome),
        Err(error) => println!("{error}; reading the local copy"),
    }
    let collection = client.load(&name).await?.ok_or("there is no local copy yet")?;
    for record in &collection.records {
        println!("{} {}", record.id(), record.json());
    }
    Ok(())
}
