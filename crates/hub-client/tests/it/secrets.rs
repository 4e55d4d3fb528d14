//! A token goes to the hub's origin, and into nothing that is logged or kept.

use hub_client::ErrorKind;
use testkit::{
    http::{HttpServer, Reply, Request},
    hub::HubOptions,
};

use crate::{Bench, wanted};

#[tokio::test]
async fn the_storage_and_the_store_never_see_the_token() {
    let mut options = HubOptions::hugging_face();
    options.redirects = true;
    options.token = Some("canary".to_owned());
    let mut bench = Bench::new(options);
    let error = bench.pull(&wanted("v1")).await.expect_err("it is for members");
    assert_eq!(error.kind(), ErrorKind::Denied);
    assert!(error.to_string().contains("terms"), "{error}");

    bench.client = bench.client.with_token("canary");
    assert!(!format!("{:?}", bench.client).contains("canary"));
    let manifest = bench.pull(&wanted("v1")).await.expect("a member asks");
    let text = serde_json::to_string(&manifest).expect("a manifest is JSON");
    assert!(!text.contains("canary"), "neither the token nor the storage's signature: {text}");
    let storage = bench.hub.storage().expect("there is one").requests();
    assert!(!storage.is_empty());
    for request in storage {
        assert!(request.headers.iter().all(|(_, value)| !value.contains("canary")), "{request:?}");
    }
}

#[tokio::test]
async fn a_listing_cannot_send_the_client_to_another_server() {
    let stranger = HttpServer::start(|_: &Request| Reply::text("[]"));
    let mut options = HubOptions::hugging_face();
    options.page_size = 2;
    let mut bench = Bench::new(options);
    bench.client = bench.client.with_token("canary");
    let link = format!("<{}/api/models/org/tiny/tree/v1?cursor=from-2>; rel=\"next\"", stranger.url());
    let page = Reply::text("[]").header("x-repo-commit", "0".repeat(40)).header("link", link);
    let fault = testkit::http::Fault::new("/api/", testkit::http::FaultKind::Reply(page)).times(1);
    bench.hub.fault(fault);
    // The query of the link is used, at the hub itself; there the commit is another one.
    let error = bench.pull(&wanted("v1")).await.expect_err("the page is a lie");
    assert_eq!(error.kind(), ErrorKind::Protocol);
    assert!(stranger.requests().is_empty());
    assert!(bench.hub.requests()[1].target.ends_with("?cursor=from-2"));
}
