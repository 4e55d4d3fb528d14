//! Local copies as they are stored: whatever is read is what was stored, or an error.
#![no_main]

use std::sync::{Arc, OnceLock};

use futures::executor::block_on;
use libfuzzer_sys::fuzz_target;
use rs_client::{Client, CollectionName, ErrorKind, MemoryStorage, Records, Server, Storage};
use serde_json::json;
use testkit::settings::{SettingsOptions, SettingsServer};

struct Kept {
    key: String,
    name: CollectionName,
    server: Server,
    state: Vec<u8>,
    records: Records,
}

fn kept() -> &'static Kept {
    static KEPT: OnceLock<Kept> = OnceLock::new();
    KEPT.get_or_init(|| {
        let settings = SettingsServer::start(SettingsOptions::default());
        settings.set_record("ml-inference-options", json!({"id": "a", "taskName": "é"}));
        let root = settings.root_hash().parse().expect("it is a hash");
        let server = Server::custom(settings.url().parse().expect("it is an address"), vec![root]);
        let name = CollectionName::new("main", "ml-inference-options").expect("it is a name");
        let storage = Arc::new(MemoryStorage::new());
        let options = transport::HttpOptions::new("fuzz", "1");
        let http = Arc::new(transport::HttpTransport::new(options).expect("the options are good"));
        let client = Client::builder(server.clone(), http, storage.clone()).build();
        let runtime = tokio::runtime::Builder::new_current_thread().enable_all().build();
        let report = runtime.expect("there are threads").block_on(client.sync(&name));
        let records = report.expect("the server is good").collection.records.clone();
        let key = format!("{}/{name}", server.url());
        let state = block_on(storage.load(&key)).expect("memory can be read").expect("it was stored");
        Kept { key, name, server, state: state.bytes.to_vec(), records }
    })
}

fn load(kept: &Kept, state: Vec<u8>) {
    let storage = Arc::new(MemoryStorage::new());
    block_on(storage.commit(&kept.key, state.into(), None)).expect("memory can be written");
    let client =
        Client::builder(kept.server.clone(), Arc::new(transport::Offline::default()), storage).build();
    match block_on(client.load(&kept.name)) {
        Ok(Some(copy)) => assert_eq!(copy.records, kept.records),
        Ok(None) => panic!("something was stored"),
        Err(error) => assert_eq!(error.kind(), ErrorKind::Corrupt),
    }
}

fuzz_target!(|bytes: &[u8]| {
    let kept = kept();
    load(kept, bytes.to_vec());
    let mut state = kept.state.clone();
    for edit in bytes.chunks_exact(3) {
        let at = usize::from(u16::from_be_bytes([edit[0], edit[1]])) % state.len();
        state[at] = edit[2];
    }
    load(kept, state);
});
