//! A model arrives whole, under its name, with what is known of it.

use blob_store::BlobStoreExt;
use content_id::ContentId;
use hub_client::{NoProgress, Trust};
use testkit::hub::{HubOptions, Layout};

use crate::{Bench, Events, MODEL, WEIGHTS, bytes_of, wanted};

const NEEDED: [&str; 5] = ["README.md", "config.json", WEIGHTS, "tokenizer.json", "tokenizer_config.json"];

#[tokio::test]
async fn every_layout_into_every_store() {
    for bench in Bench::all() {
        let plan = bench.client.plan(&*bench.store, &wanted("v1")).await.expect("the hub is fine");
        let total: usize = NEEDED.iter().map(|path| bytes_of(path).len()).sum();
        assert_eq!((plan.total_bytes(), plan.bytes_to_fetch()), (total as u64, total as u64));
        assert_eq!(plan.unknown_sizes().count(), 0);
        assert!(plan.files.iter().all(|file| !file.present && !file.reason.is_empty()));
        assert!(bench.manifest("v1").await.is_none(), "a plan changes nothing");

        let events = Events::default();
        let manifest = bench.client.download(&*bench.store, &plan, &events).await.expect("the hub is fine");
        assert!(manifest.files.keys().eq(NEEDED), "{:?}", manifest.files.keys());
        let name = format!("{}@v1 from {}", MODEL, bench.client.hub().id());
        assert_eq!((manifest.name.to_string(), manifest.created), (name, 1_700_000_000));
        for (path, entry) in &manifest.files {
            assert_eq!(entry.content, ContentId::of(&bytes_of(path)));
            assert!(entry.origin.as_ref().is_some_and(|origin| origin.ends_with(path)), "{entry:?}");
            assert!(entry.etag.is_some());
            let kept = bench.store.read_all(entry.content, 1 << 20).await.expect("it is there");
            assert_eq!(kept, bytes_of(path));
        }
        assert_eq!(bench.manifest("v1").await, Some(manifest.clone()));

        let first = &events.all()[0];
        assert_eq!((&first["event"], &first["total"]), (&"planned".into(), &total.into()));
        assert_eq!(events.of("file-done").len(), NEEDED.len());
        let last = events.of("received").into_iter().rfind(|event| event["path"] == WEIGHTS);
        assert_eq!(last.expect("pieces are told")["received"], 50_000);
        assert_eq!(events.all().last().expect("there are some")["event"], "finished");

        // Once more: nothing is fetched, nothing changes.
        let requests = bench.gets(WEIGHTS);
        let plan = bench.client.plan(&*bench.store, &wanted("v1")).await.expect("the hub is fine");
        assert!(plan.files.iter().all(|file| file.present), "{plan:#?}");
        assert_eq!(plan.bytes_to_fetch(), 0);
        let events = Events::default();
        let again = bench.client.download(&*bench.store, &plan, &events).await.expect("all is there");
        assert_eq!(again, manifest);
        assert_eq!((events.of("file-present").len(), bench.gets(WEIGHTS)), (NEEDED.len(), requests));
    }
}

#[tokio::test]
async fn a_listing_gives_the_commit_and_digests_and_heads_do_not() {
    let bench = Bench::hugging_face();
    let plan = bench.client.plan(&*bench.store, &wanted("v1")).await.expect("the hub is fine");
    let commit = plan.commit.clone().expect("the hub names it");
    assert!(commit.is_commit());
    for file in &plan.files {
        assert!(file.url.path().contains(commit.as_str()), "{}", file.url);
        let is_large = file.path.as_str() == WEIGHTS;
        assert_eq!(file.trust, if is_large { Trust::Hub } else { Trust::FirstUse });
        assert_eq!(file.digest.is_some(), is_large);
    }
    bench.client.download(&*bench.store, &plan, &NoProgress).await.expect("the hub is fine");
    // One listing, and one request for each file.
    assert_eq!(bench.hub.requests().len(), 1 + plan.files.len());
    let manifest = bench.manifest("v1").await.expect("it was written");
    assert_eq!(manifest.commit.as_deref(), Some(commit.as_str()));

    let bench = Bench::mozilla();
    let plan = bench.client.plan(&*bench.store, &wanted("v1")).await.expect("the hub is fine");
    assert_eq!(plan.commit, None);
    assert!(plan.files.iter().all(|file| file.digest.is_none() && file.trust == Trust::FirstUse));
    assert!(bench.hub.requests().iter().all(|request| request.method == "HEAD"));
    let json = serde_json::to_value(&plan).expect("a plan is JSON");
    assert_eq!((&json["model"], &json["files"][0]["trust"]), (&MODEL.into(), &"first-use".into()));
}

#[tokio::test]
async fn pages_and_redirects_are_followed() {
    let mut options = HubOptions::hugging_face();
    options.page_size = 2;
    options.redirects = true;
    let bench = Bench::new(options);
    let manifest = bench.pull(&wanted("v1")).await.expect("the hub is fine");
    assert!(manifest.files.keys().eq(NEEDED));
    let pages = bench.hub.requests().iter().filter(|request| request.path().contains("/tree/")).count();
    assert_eq!(pages, 4);
    let storage = bench.hub.storage().expect("there is one");
    assert_eq!(storage.requests().len(), 1, "only the weights are large");
    // The address of the storage is signed and short-lived; it is not what is recorded.
    let origin = manifest.files[WEIGHTS].origin.as_deref().expect("it is recorded");
    assert!(origin.starts_with(&bench.hub.url()), "{origin}");
}

#[tokio::test]
async fn several_downloads_at_once_do_no_harm() {
    for bench in Bench::all() {
        let wanted = wanted("v1");
        let (one, two, three) = tokio::join!(bench.pull(&wanted), bench.pull(&wanted), bench.pull(&wanted));
        let one = one.expect("the hub is fine");
        assert_eq!(one, two.expect("the hub is fine"));
        assert_eq!(one, three.expect("the hub is fine"));
        assert_eq!(bench.manifest("v1").await, Some(one));
    }
}

#[tokio::test]
async fn a_hub_that_does_not_know_head_is_asked_for_a_byte() {
    use testkit::http::{Fault, FaultKind};
    let bench = Bench::mozilla();
    bench.hub.fault(Fault::new("/", FaultKind::status(405)).method("HEAD"));
    let plan = bench.client.plan(&*bench.store, &wanted("v1")).await.expect("it knows GET");
    let weights = plan.files.iter().find(|file| file.path.as_str() == WEIGHTS).expect("they are needed");
    assert_eq!(weights.size, Some(50_000));
    let manifest = bench.client.download(&*bench.store, &plan, &NoProgress).await.expect("it knows GET");
    assert_eq!(manifest.files[WEIGHTS].content, ContentId::of(&bytes_of(WEIGHTS)));
    assert_eq!(bench.client.hub().kind().to_string(), "mozilla");
    assert_eq!(HubOptions::mozilla().layout, Layout::Mozilla);
}
