//! No byte of a listing or of a header makes the client panic, leave its hub, or keep what it should not.

use std::{
    collections::BTreeMap,
    sync::{Arc, Mutex},
};

use async_trait::async_trait;
use blob_store::ObjectStoreBackend;
use bytes::Bytes;
use content_id::ContentId;
use futures::StreamExt;
use hub_client::{HubClient, NoProgress};
use hub_layout::{Hub, HubKind};
use proptest::prelude::*;
use serde_json::{Value, json};
use testkit::hub::HubOptions;
use transport::{Error, Headers, Method, Request, Response, Transport};

use crate::{Bench, WEIGHTS, client_of, wanted};

#[tokio::test]
async fn hostile_names_are_ignored_and_told() {
    let bench = Bench::new(HubOptions::hugging_face());
    let names = ["../../../x", "/etc/passwd", "a\\b", "C:/x", "onnx/../../x", "nul", "a\u{0}b", "", "a//b"];
    for name in names {
        bench.hub.list_also("org/tiny", json!({ "type": "file", "path": name, "size": 3, "oid": "x" }));
    }
    let plan = bench.client.plan(&*bench.store, &wanted("v1")).await.expect("nothing of it is needed");
    assert_eq!(plan.ignored, names);
    let manifest = bench.client.download(&*bench.store, &plan, &NoProgress).await.expect("the rest is fine");
    assert_eq!(manifest.files.len(), 5);
    assert!(bench.hub.requests().iter().all(|request| !request.target.contains("..")));
}

#[tokio::test]
async fn a_listing_that_contradicts_itself_is_refused() {
    let bench = Bench::new(HubOptions::hugging_face());
    bench.hub.list_also("org/tiny", json!({ "type": "file", "path": WEIGHTS, "size": 3 }));
    let error = bench.client.plan(&*bench.store, &wanted("v1")).await.expect_err("it is listed twice");
    assert!(error.to_string().contains(WEIGHTS), "{error}");
}

/// A hub that answers from a table: listing first, then files by the end of their path.
#[derive(Debug)]
struct Canned {
    listing: Vec<u8>,
    headers: Vec<(String, String)>,
    status: u16,
    body: Vec<u8>,
    asked: Arc<Mutex<Vec<Request>>>,
}

#[async_trait]
impl Transport for Canned {
    async fn send(&self, request: Request) -> Result<Response, Error> {
        self.asked.lock().expect("no test panics with it").push(request.clone());
        let is_api = request.url().path().contains("/api/");
        let body = if is_api { self.listing.clone() } else { self.body.clone() };
        let body = if request.method() == Method::Head { Vec::new() } else { body };
        let headers: Headers = self.headers.iter().cloned().collect();
        let pieces: Vec<Result<Bytes, Error>> =
            body.chunks(7).map(|piece| Ok(Bytes::copy_from_slice(piece))).collect();
        let status = if is_api { 200 } else { self.status };
        Ok(Response::new(status, request.url().clone(), headers, futures::stream::iter(pieces).boxed()))
    }
}

/// Plans and downloads; whatever comes of it, only the hub was asked, and only for what may be asked for.
fn run(kind: HubKind, canned: Canned) -> Result<(), TestCaseError> {
    let asked = Arc::clone(&canned.asked);
    let true_content = ContentId::of(&canned.body);
    let root = "http://127.0.0.1:9/hub/".parse().expect("it is a URL");
    let client: HubClient = client_of(Hub::new(kind, root).expect("it is a root"), canned);
    let store = ObjectStoreBackend::new(Arc::new(object_store::memory::InMemory::new()));
    let runtime = tokio::runtime::Builder::new_current_thread().enable_time().build().expect("it starts");
    let manifest = runtime.block_on(async {
        let plan = client.plan(&store, &wanted("main")).await.ok()?;
        client.download(&store, &plan, &NoProgress).await.ok()
    });
    for request in asked.lock().expect("no test panics with it").iter() {
        let url = request.url();
        prop_assert_eq!(url.host_str(), Some("127.0.0.1"));
        prop_assert!(url.path().starts_with("/hub/"), "{}", url);
        prop_assert!(!url.path().contains(".."), "{}", url);
    }
    for entry in manifest.iter().flat_map(|manifest| manifest.files.values()) {
        prop_assert_eq!(entry.content, true_content);
    }
    Ok(())
}

fn header() -> impl Strategy<Value = (String, String)> {
    let name = prop::sample::select(vec![
        "link",
        "etag",
        "x-linked-etag",
        "x-linked-size",
        "x-repo-commit",
        "content-length",
        "content-type",
        "content-range",
        "x-error-code",
        "retry-after",
    ]);
    let value = prop_oneof![
        Just("0".repeat(40)),
        Just("\"".to_owned()),
        Just("<?cursor=1>; rel=\"next\"".to_owned()),
        Just("<http://evil.example/x?y>; rel=next".to_owned()),
        Just("18446744073709551616".to_owned()),
        Just("bytes 0-0/*".to_owned()),
        "[ -~é\u{0}]{0,40}",
    ];
    (name, value).prop_map(|(name, value)| (name.to_owned(), value))
}

fn entry() -> impl Strategy<Value = Value> {
    let path = prop_oneof![
        4 => prop::sample::select(vec![
            "config.json", "tokenizer.json", "tokenizer_config.json", WEIGHTS, "onnx/model.onnx",
            "onnx/model_quantized.onnx_data", "onnx/model_quantized.onnx_data_1",
        ]).prop_map(str::to_owned),
        1 => "[a./\\\\:\u{0}é]{0,12}",
    ];
    let size = prop_oneof![
        Just(json!(3)),
        Just(json!(u64::MAX)),
        Just(json!(-1)),
        Just(json!(null)),
        Just(json!("3"))
    ];
    let oid = prop_oneof![
        Just(json!(ContentId::of(b"abc").digest.to_string())),
        Just(json!("f2ba8f84ab5c1bce84a7b441cb1959cfc7093b7f")),
        Just(json!("../../x")),
        Just(json!(7)),
    ];
    (path, size, oid, any::<bool>()).prop_map(|(path, size, oid, large)| match large {
        true => json!({ "type": "file", "path": path, "size": size, "oid": "x", "lfs": { "oid": oid, "size": size } }),
        false => json!({ "type": "file", "path": path, "size": size, "oid": oid }),
    })
}

fn canned(listing: Vec<u8>, headers: Vec<(String, String)>, status: u16, body: &[u8]) -> Canned {
    Canned { listing, headers, status, body: body.to_vec(), asked: Arc::default() }
}

proptest! {
    #![proptest_config(ProptestConfig::with_cases(128))]

    #[test]
    fn no_bytes_of_a_listing_make_it_panic(listing: Vec<u8>, headers in prop::collection::vec(header(), 0..4)) {
        run(HubKind::HuggingFace, canned(listing, headers, 200, b"abc"))?;
    }

    #[test]
    fn no_entries_of_a_listing_make_it_panic(
        entries in prop::collection::vec(entry(), 0..12),
        headers in prop::collection::vec(header(), 0..3),
        status in prop::sample::select(vec![200_u16, 200, 200, 206, 404, 301]),
    ) {
        // The last one of a path counts, so that some listings are good.
        let unique: BTreeMap<String, Value> =
            entries.into_iter().map(|entry| (entry["path"].to_string(), entry)).collect();
        let listing = Value::from(unique.into_values().collect::<Vec<_>>()).to_string().into_bytes();
        run(HubKind::HuggingFace, canned(listing, headers, status, b"abc"))?;
    }

    #[test]
    fn no_headers_make_it_panic(
        headers in prop::collection::vec(header(), 0..6),
        status in prop::sample::select(vec![200_u16, 200, 206, 405, 403, 500]),
        body in prop::collection::vec(any::<u8>(), 0..30),
    ) {
        run(HubKind::Mozilla, canned(Vec::new(), headers, status, &body))?;
    }
}
