//! Whatever a server does with the bytes of an attachment, in whatever order.

use std::{
    collections::VecDeque,
    fs,
    sync::{
        Arc, Mutex,
        atomic::{AtomicU64, Ordering},
    },
};

use async_trait::async_trait;
use bytes::Bytes;
use futures::{StreamExt as _, TryStreamExt as _};
use proptest::prelude::*;
use rs_client::{AttachmentFolder, Client, ErrorKind, FetchOptions, FetchOutcome, Limits};
use transport::{Error as Failure, ErrorKind as FailureKind, Headers, Request, Response, Transport};

use crate::{
    attachments_support::{Kept, noise},
    support::list,
};

const SIZE: usize = 600_000;

/// What the server does with one request.
#[derive(Clone, Debug)]
enum Act {
    /// Breaks off after so many bytes.
    Cut(usize),
    /// Breaks off, but where a whole was asked for also says that this is all.
    Short(usize),
    /// Does as if no range was asked for, and breaks off after so many bytes.
    Whole(usize),
    /// Changes a byte.
    Flip(usize),
    /// Says that the range is another one.
    OtherRange(i64),
    /// Adds bytes.
    Extra(usize),
    Status(u16),
}

/// A server that has one attachment and plays a part.
#[derive(Debug)]
struct Stage {
    info: Bytes,
    file: Bytes,
    acts: Mutex<VecDeque<Act>>,
    /// How many bytes of attachments were sent.
    sent: AtomicU64,
    requests: AtomicU64,
}

impl Stage {
    fn new(kept: &Kept) -> Arc<Self> {
        let base = kept.pair.server.http().url();
        let info = serde_json::json!({"capabilities": {"attachments": {"base_url": base}}});
        Arc::new(Self {
            info: info.to_string().into(),
            file: kept.bytes.clone().into(),
            acts: Mutex::default(),
            sent: AtomicU64::new(0),
            requests: AtomicU64::new(0),
        })
    }

    fn set(&self, acts: &[Act]) {
        *self.acts.lock().expect("nobody panics") = acts.iter().cloned().collect();
        self.sent.store(0, Ordering::SeqCst);
        self.requests.store(0, Ordering::SeqCst);
    }

    fn sent(&self) -> u64 {
        self.sent.load(Ordering::SeqCst)
    }

    fn done(&self) -> bool {
        self.acts.lock().expect("nobody panics").is_empty()
    }
}

#[async_trait]
impl Transport for Stage {
    async fn send(&self, request: Request) -> Result<Response, Failure> {
        let url = request.url().clone();
        if url.path() == "/v1/" {
            let body = futures::stream::iter([Ok(self.info.clone())]).boxed();
            return Ok(Response::new(200, url, Headers::default(), body));
        }
        self.requests.fetch_add(1, Ordering::SeqCst);
        let range = request.headers().iter().find(|(name, _)| name == "range");
        let from = range.map(|(_, value)| {
            let first = value.strip_prefix("bytes=").and_then(|range| range.strip_suffix('-'));
            first.and_then(|first| first.parse::<usize>().ok()).expect("it asks for the rest")
        });
        let act = self.acts.lock().expect("nobody panics").pop_front();
        if let Some(Act::Status(status)) = act {
            return Ok(Response::new(status, url, Headers::default(), futures::stream::empty().boxed()));
        }
        let from = from.filter(|_| !matches!(act, Some(Act::Whole(_))));
        let mut body = self.file.slice(from.unwrap_or(0)..).to_vec();
        let mut broken = false;
        let mut shift = 0;
        match act {
            Some(Act::Cut(after) | Act::Whole(after)) if after < body.len() => {
                body.truncate(after);
                broken = true;
            }
            Some(Act::Short(after)) => {
                body.truncate(after);
                broken = from.is_some();
            }
            Some(Act::Flip(at)) if at < body.len() => body[at] ^= 0x55,
            Some(Act::OtherRange(by)) => shift = by,
            Some(Act::Extra(count)) => body.resize(body.len() + count, 0),
            _ => {}
        }
        let headers = from.map(|from| {
            let first = from as i64 + shift;
            ("content-range".to_owned(), format!("bytes {first}-{}/{SIZE}", SIZE - 1))
        });
        let status = if from.is_some() { 206 } else { 200 };
        self.sent.fetch_add(body.len() as u64, Ordering::SeqCst);
        // As every transport: never more than allowed.
        let over = body.len() as u64 > request.max_bytes();
        body.truncate(request.max_bytes() as usize);
        let mut pieces: Vec<Result<Bytes, Failure>> =
            body.chunks(70_000).map(|piece| Ok(Bytes::copy_from_slice(piece))).collect();
        if over {
            pieces.push(Err(Failure::new(FailureKind::TooLarge, &url)));
        } else if broken {
            pieces.push(Err(Failure::new(FailureKind::Unreachable, &url)));
        }
        // Each piece after a turn of others.
        let body = futures::stream::iter(pieces).and_then(async |piece| {
            tokio::task::yield_now().await;
            Ok(piece)
        });
        Ok(Response::new(status, url, headers.into_iter().collect(), body.boxed()))
    }
}

fn act() -> impl Strategy<Value = Act> {
    let place = prop_oneof![0..SIZE, Just(0), Just(1), Just(262_143), Just(262_144), Just(SIZE - 1)];
    prop_oneof![
        8 => place.clone().prop_map(Act::Cut),
        2 => place.clone().prop_map(Act::Short),
        2 => place.clone().prop_map(Act::Whole),
        2 => Just(Act::Whole(SIZE)),
        2 => place.clone().prop_map(Act::Flip),
        1 => (-3_i64..4).prop_map(Act::OtherRange),
        1 => (1_usize..100_000).prop_map(Act::Extra),
        1 => prop_oneof![Just(416_u16), Just(500), Just(204), Just(206)].prop_map(Act::Status),
    ]
}

struct Play {
    kept: Kept,
    stage: Arc<Stage>,
    client: Client,
}

impl Play {
    fn new(runtime: &tokio::runtime::Runtime) -> Self {
        let kept = runtime.block_on(Kept::with(noise(SIZE, 5)));
        let stage = Stage::new(&kept);
        let client =
            Client::builder(kept.pair.client.server().clone(), stage.clone(), kept.pair.storage.clone());
        let client = client.build();
        Self { kept, stage, client }
    }
}

/// Every fetch ends with the right bytes or with an error; the first against a good server ends with the right bytes.
#[test]
fn random_histories_end_with_the_right_bytes() {
    let runtime = tokio::runtime::Runtime::new().expect("the system has room for a runtime");
    let play = Play::new(&runtime);
    let Play { kept, stage, client } = &play;
    proptest!(ProptestConfig::with_cases(48), |(acts in prop::collection::vec(act(), 0..12))| {
        fs::remove_dir_all(kept.folder.folder()).ok();
        stage.set(&acts);
        let most = u64::from(2 * Limits::default().attachment_requests);
        loop {
            stage.requests.store(0, Ordering::SeqCst);
            let last = stage.done();
            let counted = |received, _| assert!(received <= SIZE as u64, "{received} bytes");
            let options = FetchOptions::default().progress(&counted);
            let name = list();
            let fetch = client.fetch_attachment_with(&name, "a", &kept.folder, &options);
            match runtime.block_on(fetch) {
                Ok(fetched) => {
                    kept.assert_good(&fetched);
                    break;
                }
                Err(error) => {
                    prop_assert!(!last, "a good server: {error}");
                    let kind = error.kind();
                    let expected = [ErrorKind::Unavailable, ErrorKind::Untrusted, ErrorKind::Protocol];
                    prop_assert!(expected.contains(&kind), "{kind:?}: {error}");
                    prop_assert!(!kept.path().exists());
                }
            }
            prop_assert!(stage.requests.load(Ordering::SeqCst) <= most);
        }
        prop_assert!(stage.sent() <= (acts.len() as u64 + 2) * (SIZE as u64 + 100_000));
    });
}

/// Where connections break and nothing else happens, each byte is sent once.
#[test]
fn broken_connections_cost_no_byte_twice() {
    let runtime = tokio::runtime::Runtime::new().expect("the system has room for a runtime");
    let play = Play::new(&runtime);
    let Play { kept, stage, client } = &play;
    let cuts = prop::collection::vec((0..SIZE / 8).prop_map(Act::Cut), 0..12);
    proptest!(ProptestConfig::with_cases(24), |(cuts in cuts, sink: bool)| {
        fs::remove_dir_all(kept.folder.folder()).ok();
        stage.set(&cuts);
        if sink {
            let copy = runtime.block_on(client.load(&list())).expect("it is good").expect("it is there");
            let attachment = copy.records["a"].attachment().expect("it is proper").expect("it is there");
            let mut bytes = Vec::new();
            let result = runtime.block_on(client.download_attachment(&attachment, &mut bytes));
            prop_assert_eq!(result.is_ok(), cuts.len() < Limits::default().attachment_requests as usize);
            prop_assert!(bytes == kept.bytes[..bytes.len()]);
            prop_assert!(result.is_err() || bytes.len() == SIZE);
            prop_assert!(stage.sent() <= SIZE as u64);
        } else {
            while runtime.block_on(kept.fetch_by(client)).is_err() {}
            prop_assert_eq!(stage.sent(), SIZE as u64);
        }
    });
}

/// One thread, no runtime, and two downloads of one file: who waits must let the other go on.
#[test]
fn two_downloads_on_one_thread_do_not_wait_for_each_other_for_ever() {
    let runtime = tokio::runtime::Runtime::new().expect("the system has room for a runtime");
    let Play { kept, stage, client } = Play::new(&runtime);
    let other = AttachmentFolder::open(kept.folder.folder());
    let name = list();
    let (one, two) = futures::executor::block_on(async {
        futures::join!(kept.fetch_by(&client), client.fetch_attachment(&name, "a", &other))
    });
    let outcomes = [one, two].map(|fetched| fetched.expect("the server is good").outcome);
    assert_eq!(outcomes, [FetchOutcome::Downloaded, FetchOutcome::Held]);
    assert_eq!(stage.sent(), SIZE as u64);
}

/// Whichever way they overlap: one of them downloads, and nobody finds anything but the whole file.
#[test]
fn of_many_downloads_at_once_one_gets_the_bytes() {
    let runtime = tokio::runtime::Runtime::new().expect("the system has room for a runtime");
    let Play { kept, stage, client } = Play::new(&runtime);
    let (client, name) = (Arc::new(client), list());
    for round in 0..20 {
        fs::remove_dir_all(kept.folder.folder()).ok();
        stage.set(&[Act::Cut(round * 10_000)]);
        let fetches: Vec<_> = (0..6)
            .map(|_| {
                let (client, name) = (Arc::clone(&client), name.clone());
                let folder = AttachmentFolder::open(kept.folder.folder());
                runtime.spawn(async move { client.fetch_attachment(&name, "a", &folder).await })
            })
            .collect();
        let all = runtime.block_on(futures::future::join_all(fetches));
        let mut downloaded = 0;
        for fetched in all {
            let fetched = fetched.expect("it does not panic").expect("the server is good");
            kept.assert_good(&fetched);
            downloaded += usize::from(fetched.outcome != FetchOutcome::Held);
        }
        assert_eq!((downloaded, stage.sent()), (1, SIZE as u64), "round {round}");
    }
}
