//! Downloads that end in the middle, and several that want the same.

use std::{
    path::{Path, PathBuf},
    process::{Child, Command, Stdio},
    sync::{
        Arc,
        atomic::{AtomicUsize, Ordering},
    },
    time::Duration,
};

use async_trait::async_trait;
use blob_store::{FsStore, StageInfo};
use futures::StreamExt;
use hub_client::{HubClient, NoProgress};
use testkit::{
    http::{Fault, FaultKind},
    hub::{HubOptions, Layout},
};
use transport::{Error, Request, Response, Transport};

use crate::{
    Bench, Events, WEIGHTS, client, client_of, fast,
    parts::{PART, PARTS, bench, bytes_asked, check, check_progress, limits, ranges, weights},
    quick_http, wanted,
};

const HUB: &str = "HUB_CLIENT_TEST_HUB";
const FOLDER: &str = "HUB_CLIENT_TEST_FOLDER";

/// The child; does nothing when the test binary runs as a whole.
#[tokio::test]
async fn child() {
    let (Ok(hub), Some(folder)) = (std::env::var(HUB), std::env::var_os(FOLDER)) else { return };
    let store = FsStore::open(Path::new(&folder)).expect("it is a store");
    let client = client(Layout::HuggingFace, &hub).with_limits(limits());
    let plan = client.plan(&store, &wanted("v1")).await.expect("the hub is fine");
    client.download(&store, &plan, &NoProgress).await.expect("nobody kills it any more");
}

/// Ends the child with the test.
struct Killed(Child);

impl Killed {
    fn spawn(bench: &Bench) -> Self {
        let folder = folder(bench);
        let child = Command::new(std::env::current_exe().expect("the test binary has a path"))
            .args(["--exact", "resume::child", "--nocapture"])
            .env(HUB, bench.hub.url())
            .env(FOLDER, folder)
            .stdin(Stdio::null())
            .stdout(Stdio::null())
            .stderr(Stdio::inherit())
            .spawn();
        Self(child.expect("the test binary runs again"))
    }
}

impl Drop for Killed {
    fn drop(&mut self) {
        // It may have ended.
        let _ = self.0.kill();
        let _ = self.0.wait();
    }
}

fn folder(bench: &Bench) -> PathBuf {
    bench._folder.as_ref().expect("it has one").path().to_owned()
}

/// Waits until some stage of the store is as it should be.
async fn until_stage(bench: &Bench, is_it: impl Fn(&StageInfo) -> bool) -> StageInfo {
    loop {
        let stages = bench.store.stages().await.expect("they can be listed");
        if let Some(stage) = stages.into_iter().find(&is_it) {
            return stage;
        }
        tokio::task::yield_now().await;
    }
}

fn hold_after(bench: &Bench, requests: u64) {
    bench.hub.fault(Fault::new(format!("*/{WEIGHTS}"), FaultKind::Hold).method("GET").after(requests));
}

#[tokio::test]
async fn after_a_kill_a_part_for_each_connection_is_fetched_again_at_most() {
    for answered in [3, 6, 9] {
        let bench = bench(HubOptions::hugging_face());
        hold_after(&bench, answered);
        let mut child = Killed::spawn(&bench);
        let least = (answered * PART as u64) - 3_000;
        let stage = until_stage(&bench, |stage| stage.bytes >= least).await;
        assert!(stage.owned && stage.resumable, "{stage:?}");
        child.0.kill().expect("it waits for the hub");
        child.0.wait().expect("it ends");
        bench.hub.http().clear_faults();
        bench.hub.http().forget_requests();
        let events = Events::default();
        bench.pull_with(&wanted("v1"), &events).await.expect("the hub answers again");
        check(&bench).await;
        check_progress(&events, false);
        assert_eq!(events.of("file-resumed")[0]["resumed"], stage.bytes);
        assert_eq!(bytes_asked(&bench) as u64, weights().len() as u64 - stage.bytes);
    }
}

#[tokio::test]
async fn two_who_want_the_same_fetch_it_once_and_either_may_die() {
    for killed in [false, true] {
        let bench = bench(HubOptions::hugging_face());
        hold_after(&bench, 5);
        let mut child = Killed::spawn(&bench);
        let stage = until_stage(&bench, |stage| stage.bytes >= 4 * PART as u64).await;
        // The other one waits, and sees how far the first is.
        let (told, mut heard) = tokio::sync::watch::channel(0);
        let progress = |event: &hub_client::Event<'_>| {
            if let hub_client::Event::FileWaiting { path, received, .. } = event
                && path.as_str() == WEIGHTS
            {
                told.send_replace(*received);
            }
        };
        let plan = bench.client.plan(&*bench.store, &wanted("v1")).await.expect("the hub is fine");
        let download = bench.client.download(&*bench.store, &plan, &progress);
        let end = async {
            let least = stage.bytes;
            heard.wait_for(|received| *received >= least).await.expect("the sender is here");
            if killed {
                child.0.kill().expect("it waits for the hub");
            }
            bench.hub.http().clear_faults();
        };
        let (downloaded, ()) = tokio::join!(download, end);
        downloaded.expect("one of the two fetches it");
        child.0.wait().expect("it ends");
        check(&bench).await;
        let most = weights().len() + if killed { 3 * PART } else { 0 };
        assert!(bytes_asked(&bench) <= most, "{killed}: {:?}", ranges(&bench));
    }
}

#[tokio::test]
async fn two_who_want_the_same_ask_for_each_file_once() {
    // Nobody knows a digest in the Mozilla layout, and small files have no stages of their own.
    for options in [HubOptions::mozilla(), HubOptions::hugging_face()] {
        let bench = bench(options);
        let store = FsStore::open_with(folder(&bench), fast()).expect("it is a store");
        let plan = bench.client.plan(&store, &wanted("v1")).await.expect("the hub is fine");
        let (one, two) = tokio::join!(
            bench.client.download(&store, &plan, &NoProgress),
            bench.client.download(&*bench.store, &plan, &NoProgress),
        );
        assert_eq!(one.expect("the hub is fine"), two.expect("the hub is fine"));
        check(&bench).await;
        assert_eq!(bytes_asked(&bench), weights().len());
        for file in plan.files.iter().filter(|file| file.path.as_str() != WEIGHTS) {
            assert_eq!(bench.gets(file.path.as_str()), 1, "{}", file.path);
        }
    }
}

#[tokio::test]
async fn a_dropped_download_leaves_its_parts_and_nothing_else() {
    let bench = bench(HubOptions::hugging_face());
    hold_after(&bench, 6);
    let plan = bench.client.plan(&*bench.store, &wanted("v1")).await.expect("the hub is fine");
    tokio::select! {
        outcome = bench.client.download(&*bench.store, &plan, &NoProgress) => panic!("it is held: {outcome:?}"),
        stage = until_stage(&bench, |stage| stage.bytes >= 5 * PART as u64) => drop(stage),
    }
    let stage = until_stage(&bench, |stage| !stage.owned).await;
    let staging = folder(&bench).join("staging");
    let left = std::fs::read_dir(&staging).expect("it is there").count();
    assert_eq!(left, 1, "the stage, and no temporary file");
    bench.hub.http().clear_faults();
    bench.hub.http().forget_requests();
    bench.client.download(&*bench.store, &plan, &NoProgress).await.expect("the hub answers again");
    check(&bench).await;
    assert_eq!(bytes_asked(&bench) as u64, weights().len() as u64 - stage.bytes);
    assert_eq!(std::fs::read_dir(&staging).expect("it is there").count(), 0);
}

/// Counts the answers that are under way.
#[derive(Debug)]
struct Counting<T> {
    inner: T,
    count: Arc<Count>,
}

#[derive(Debug, Default)]
struct Count {
    now: AtomicUsize,
    most: AtomicUsize,
}

struct One(Arc<Count>);

impl One {
    fn new(count: &Arc<Count>) -> Self {
        let now = count.now.fetch_add(1, Ordering::SeqCst) + 1;
        count.most.fetch_max(now, Ordering::SeqCst);
        Self(Arc::clone(count))
    }
}

impl Drop for One {
    fn drop(&mut self) {
        self.0.now.fetch_sub(1, Ordering::SeqCst);
    }
}

#[async_trait]
impl<T: Transport> Transport for Counting<T> {
    async fn send(&self, request: Request) -> Result<Response, Error> {
        let one = One::new(&self.count);
        let mut response = self.inner.send(request).await?;
        response.body = response
            .body
            .map(move |piece| {
                let _ = &one;
                piece
            })
            .boxed();
        Ok(response)
    }
}

#[tokio::test]
async fn no_more_is_asked_for_at_the_same_time_than_allowed() {
    for parallel in [1, 2, 4] {
        let bench = bench(HubOptions::hugging_face());
        let count = Arc::new(Count::default());
        let transport = Counting { inner: quick_http(), count: Arc::clone(&count) };
        let mut limits = limits();
        limits.parallel = parallel;
        let client: HubClient = client_of(bench.client.hub().clone(), transport).with_limits(limits);
        let plan = client.plan(&*bench.store, &wanted("v1")).await.expect("the hub is fine");
        // Held until as many are there as may be; the first part of the weights is alone at first.
        bench.hub.http().forget_requests();
        bench
            .hub
            .fault(Fault::new(format!("*/{WEIGHTS}"), FaultKind::Hold).after(1).times(parallel as u64 - 1));
        let release = async {
            bench.hub.http().until_requests(plan.files.len() + parallel - 1).await;
            bench.hub.http().release();
        };
        let (downloaded, ()) = tokio::join!(client.download(&*bench.store, &plan, &NoProgress), release);
        downloaded.expect("the hub is fine");
        check(&bench).await;
        // Small files count half.
        let most = count.most.load(Ordering::SeqCst);
        assert!(parallel <= most && most <= 2 * parallel, "{most} at the same time, {parallel} allowed");
        assert_eq!(ranges(&bench).len(), PARTS);
    }
}

#[tokio::test]
async fn a_stage_that_does_not_get_on_does_not_stop_others() {
    let bench = bench(HubOptions::hugging_face());
    // Everything that the first one asks for from then on, and nothing else.
    let held = Fault::new(format!("*/{WEIGHTS}"), FaultKind::Hold).method("GET").after(5).times(3);
    bench.hub.fault(held);
    let plan = bench.client.plan(&*bench.store, &wanted("v1")).await.expect("the hub is fine");
    let store = FsStore::open_with(folder(&bench), fast()).expect("it is a store");
    let mut limits = limits();
    limits.patience = Duration::from_millis(300);
    let other = bench.client.clone().with_limits(limits);
    let other = async {
        until_stage(&bench, |stage| stage.bytes >= 4 * PART as u64).await;
        bench.hub.http().until_requests(1 + 4 + 8).await;
        other.download(&*bench.store, &plan, &NoProgress).await
    };
    tokio::select! {
        outcome = bench.client.download(&store, &plan, &NoProgress) => panic!("it is held: {outcome:?}"),
        outcome = other => { outcome.expect("it does not wait for ever"); }
    }
}
