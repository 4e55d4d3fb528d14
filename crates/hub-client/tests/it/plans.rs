//! What a plan says when something is missing, contradicts, or is known already.

use content_id::ContentId;
use hub_client::{ErrorKind, NoProgress, Trust};
use hub_layout::{Backend, FileRequest, Hub};
use testkit::http::{Fault, FaultKind, Reply};
use transport::Offline;

use crate::{Bench, MODEL, WEIGHTS, bytes_of, client_of, files, wanted};

#[tokio::test]
async fn what_the_hub_lacks_is_named() {
    for bench in [Bench::hugging_face(), Bench::mozilla()] {
        let plan = async |wanted| bench.client.plan(&*bench.store, &wanted).await;
        let mut other = wanted("v1");
        other.model = "org/none".parse().expect("it is a model id");
        for (wanted, what) in [(other, "org/none"), (wanted("v9"), "v9")] {
            let error = plan(wanted).await.expect_err("there is none");
            assert_eq!(error.kind(), ErrorKind::NotFound, "{error}");
            assert!(error.to_string().contains(what), "{error}");
        }
        let without = files().into_iter().filter(|(path, _)| *path != "tokenizer.json");
        bench.hub.add_model(MODEL, "v2", without);
        let error = plan(wanted("v2")).await.expect_err("a file is missing");
        assert_eq!(error.kind(), ErrorKind::MissingFile, "{error}");
        assert_eq!(error.path().map(|path| path.as_str()), Some("tokenizer.json"));

        let mut chosen = wanted("v1");
        let file = "onnx/none.onnx".parse().expect("it is a path");
        chosen.request =
            FileRequest::new("feature-extraction".parse().expect("it is a task")).with_model_file(file);
        let error = plan(chosen).await.expect_err("a file is missing");
        assert_eq!(error.kind(), ErrorKind::MissingFile, "{error}");
        assert!(error.to_string().contains("onnx/none.onnx"), "{error}");
    }
}

#[tokio::test]
async fn without_a_listing_all_chunks_and_another_number_format_are_found() {
    let bench = Bench::mozilla();
    let mut there: Vec<_> = files().into_iter().filter(|(path, _)| *path != WEIGHTS).collect();
    for chunk in ["onnx/model.onnx_data", "onnx/model.onnx_data_1", "onnx/model.onnx_data_2"] {
        there.push((chunk, chunk.as_bytes().to_vec()));
    }
    bench.hub.add_model(MODEL, "v2", there.clone());
    let plan = bench.client.plan(&*bench.store, &wanted("v2")).await.expect("all is there");
    let mut planned: Vec<&str> = plan.files.iter().map(|file| file.path.as_str()).collect();
    planned.sort_unstable();
    let mut all: Vec<&str> =
        there.iter().map(|(path, _)| *path).filter(|path| !path.ends_with(".bin")).collect();
    all.sort_unstable();
    assert_eq!(planned, all);
    let reason =
        |path| plan.files.iter().find(|file| file.path.as_str() == path).map(|file| file.reason.as_str());
    assert!(reason("onnx/model.onnx").is_some_and(|reason| reason.ends_with("fp32 is the nearest it has")));
}

#[tokio::test]
async fn an_index_of_shards_is_read_where_nothing_is_listed() {
    let bench = Bench::mozilla();
    let index = br#"{"weight_map":{"a":"s1.safetensors","b":"s2.safetensors"}}"#;
    let mut there = files();
    there.push(("model.safetensors.index.json", index.to_vec()));
    there.extend(["s1.safetensors", "s2.safetensors"].map(|shard| (shard, vec![1; 10])));
    bench.hub.add_model(MODEL, "v2", there);
    let mut wanted = wanted("v2");
    wanted.request = wanted.request.with_backend(Backend::Candle);
    let plan = bench.client.plan(&*bench.store, &wanted).await.expect("all is there");
    for path in ["s1.safetensors", "s2.safetensors", "model.safetensors.index.json"] {
        assert!(plan.files.iter().any(|file| file.path.as_str() == path), "{path}");
    }
    assert!(plan.files.iter().all(|file| !file.path.as_str().ends_with(".onnx")));

    bench.hub.add_model(
        MODEL,
        "v3",
        [("config.json", &b"{}"[..]), ("tokenizer.json", b"{}"), ("model.safetensors.index.json", b"{")],
    );
    wanted.revision = "v3".parse().expect("it is a revision");
    let error = bench.client.plan(&*bench.store, &wanted).await.expect_err("the index is broken");
    assert_eq!(error.kind(), ErrorKind::Protocol, "{error}");
}

#[tokio::test]
async fn a_digest_that_is_given_wins_and_must_agree() {
    let right = ContentId::of(&bytes_of(WEIGHTS));
    let config = ContentId::of(&bytes_of("config.json"));
    for bench in [Bench::hugging_face(), Bench::mozilla()] {
        let good = wanted("v1").with_digest(WEIGHTS, right).with_digest("config.json", config);
        let plan = bench.client.plan(&*bench.store, &good).await.expect("they agree");
        for file in &plan.files {
            let given = [WEIGHTS, "config.json"].contains(&file.path.as_str());
            assert_eq!(file.trust == Trust::Given, given, "{file:?}");
        }
        bench.client.download(&*bench.store, &plan, &NoProgress).await.expect("they agree");
        // Another size is seen before anything is fetched, another digest at the latest when it has arrived.
        bench.hub.http().forget_requests();
        let bad = wanted("v1").with_digest(WEIGHTS, ContentId::new(right.digest, right.size + 1));
        let error = bench.client.plan(&*bench.store, &bad).await.expect_err("the size is wrong");
        assert_eq!(error.kind(), ErrorKind::Mismatch);
        assert_eq!(bench.gets(WEIGHTS), 0);
        let bad = wanted("v1").with_digest(WEIGHTS, ContentId::new(config.digest, right.size));
        let error = bench.pull(&bad).await.expect_err("the digest is wrong");
        assert_eq!(error.kind(), ErrorKind::Mismatch);
        assert_eq!(error.path().map(|path| path.as_str()), Some(WEIGHTS));
    }
}

#[tokio::test]
async fn blobs_are_shared_between_revisions_and_models() {
    let bench = Bench::hugging_face();
    bench.pull(&wanted("v1")).await.expect("the hub is fine");
    bench.hub.http().forget_requests();
    let mut changed = files();
    changed[0].1 = b"{\"model_type\":\"bert\",\"new\":true}".to_vec();
    bench.hub.add_model(MODEL, "v2", changed);
    let plan = bench.client.plan(&*bench.store, &wanted("v2")).await.expect("the hub is fine");
    let weights = plan.files.iter().find(|file| file.path.as_str() == WEIGHTS).expect("they are needed");
    assert!(weights.present, "the listing gives the digest");
    let card = plan.files.iter().find(|file| file.path.as_str() == "README.md").expect("it is optional");
    assert!(card.present, "the listing gives the git object id that was recorded with v1");
    assert_eq!(card.trust, Trust::Recorded);
    bench.client.download(&*bench.store, &plan, &NoProgress).await.expect("the hub is fine");
    assert_eq!((bench.gets(WEIGHTS), bench.gets("README.md"), bench.gets("config.json")), (0, 0, 1));
    assert!(bench.manifest("v1").await.is_some() && bench.manifest("v2").await.is_some());
}

#[tokio::test]
async fn a_listing_without_the_commit_leads_to_one_that_has_it() {
    let bench = Bench::hugging_face();
    let header = FaultKind::WithoutHeader("x-repo-commit".to_owned());
    bench.hub.fault(Fault::new("/api/", header));
    let plan = bench.client.plan(&*bench.store, &wanted("v1")).await.expect("there is another way");
    let commit = plan.commit.expect("it was asked for");
    let targets: Vec<String> = bench.hub.requests().into_iter().map(|request| request.target).collect();
    assert_eq!(
        targets,
        [
            format!("/api/models/{MODEL}/tree/v1?recursive=true"),
            format!("/api/models/{MODEL}/revision/v1"),
            format!("/api/models/{MODEL}/tree/{commit}?recursive=true"),
        ]
    );
    // Wanted by its commit, nothing has to be asked.
    bench.hub.http().forget_requests();
    let plan = bench.client.plan(&*bench.store, &wanted(commit.as_str())).await.expect("it is a revision");
    assert_eq!((plan.commit, bench.hub.requests().len()), (Some(commit), 1));
}

#[tokio::test]
async fn what_is_no_listing_is_refused() {
    let other = "0".repeat(40);
    for reply in [
        Reply::text("not JSON"),
        Reply::text("{}"),
        Reply::text("[1]"),
        Reply::text("[{}]"),
        Reply::text("[".repeat(10_000)),
        Reply::text("[]").header("x-repo-commit", "../../x"),
        Reply::text("[]").header("x-repo-commit", &other).header("link", "<>; rel=next"),
        Reply::text("[]").header("x-repo-commit", &other).header("link", "<http://h/>; rel=next"),
        Reply::text("[]").header("x-repo-commit", &other).header("link", "<?recursive=true>; rel=next"),
        Reply::status(200).header("content-type", "text/html").body("[]"),
        Reply::text("[]").header("content-encoding", "br"),
    ] {
        let bench = Bench::hugging_face();
        bench.hub.fault(Fault::new("/api/", FaultKind::Reply(reply.clone())));
        let error = bench.client.plan(&*bench.store, &wanted("v1")).await.expect_err("it is none");
        assert_eq!(error.kind(), ErrorKind::Protocol, "{reply:?}: {error}");
    }
}

#[tokio::test]
async fn a_branch_that_moves_between_two_pages_is_noticed() {
    let mut options = testkit::hub::HubOptions::hugging_face();
    options.page_size = 2;
    let bench = Bench::new(options);
    let page = Reply::text("[]").header("x-repo-commit", "0".repeat(40));
    bench.hub.fault(Fault::new("/api/", FaultKind::Reply(page)).after(1).times(1));
    let error = bench.client.plan(&*bench.store, &wanted("v1")).await.expect_err("two commits");
    assert_eq!(error.kind(), ErrorKind::Protocol);
    assert!(error.to_string().contains("on another page"), "{error}");
}

#[tokio::test]
async fn offline_nothing_is_asked_and_the_error_says_so() {
    let bench = Bench::hugging_face();
    let offline = client_of(Hub::hugging_face(), Offline::default());
    let error = offline.plan(&*bench.store, &wanted("v1")).await.expect_err("offline");
    assert_eq!(error.kind(), ErrorKind::Offline);
    assert!(error.to_string().contains("org/tiny@v1 from huggingface.co: offline"), "{error}");
    // What is complete needs no request to be put together again.
    let plan = bench.client.plan(&*bench.store, &wanted("v1")).await.expect("the hub is fine");
    bench.client.download(&*bench.store, &plan, &NoProgress).await.expect("the hub is fine");
    let weights: Vec<_> = plan.files.iter().filter(|file| file.digest.is_some()).cloned().collect();
    let mut complete = plan.clone();
    complete.files = weights;
    offline.download(&*bench.store, &complete, &NoProgress).await.expect("all of it is there");
}
