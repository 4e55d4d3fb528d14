//! What has to hold on every object store.

use std::{sync::Arc, time::SystemTime};

use blob_store::{
    BlobStore, BlobStoreExt as _, ErrorKind, FileEntry, GcOptions, Manifest, ManifestName, VerifyOptions,
    conformance,
};
use bytes::Bytes;
use content_id::ContentId;
use futures::future::join_all;
use object_store::{Error as ObjectError, PutMode, path::Path};
use testkit::hub::{HubOptions, HubServer};

use super::{
    process::{finish, spawn},
    server::{Kind, Server},
};
use crate::{MODEL, files};

/// Every case, in a prefix of its own.
pub(super) async fn conformance(kind: Kind) {
    let Some(server) = Server::start(kind) else { return };
    let mut number = 0;
    conformance::all(|| {
        number += 1;
        kind.store(server.port, &number.to_string())
    })
    .await;
}

pub(super) async fn conformance_of_a_tier(kind: Kind) {
    let Some(server) = Server::start(kind) else { return };
    let folder = tempfile::tempdir().expect("there is room");
    let mut number = 0;
    conformance::all(|| {
        number += 1;
        let number = number.to_string();
        Arc::new(kind.tier(server.port, &number, &folder.path().join(&number)))
    })
    .await;
}

/// Of puts that create the same object at the same time one succeeds, and the others are told in one of the ways that
/// the backend understands.
pub(super) async fn conditional_puts(kind: Kind) {
    let Some(server) = Server::start(kind) else { return };
    let objects = kind.objects(server.port, "conditional");
    for round in 0..30 {
        let place = Path::from(format!("object {round}"));
        let puts = (0..8).map(|n| {
            let (objects, place) = (Arc::clone(&objects), place.clone());
            tokio::spawn(async move {
                objects
                    .put_opts(&place, Bytes::from(n.to_string()).into(), PutMode::Create.into())
                    .await
                    .map(|_| n)
            })
        });
        let mut winners = Vec::new();
        for put in join_all(puts).await {
            match put.expect("no put panics") {
                Ok(n) => winners.push(n),
                Err(ObjectError::AlreadyExists { .. } | ObjectError::Precondition { .. }) => {}
                Err(other) => panic!("a put that lost is told otherwise: {other:?}"),
            }
        }
        let found = objects.get_opts(&place, Default::default()).await.expect("it is there");
        let found = found.bytes().await.expect("it can be read");
        assert_eq!(winners.len(), 1, "round {round}: {winners:?}, and {found:?} is there");
        assert_eq!(found, winners[0].to_string());
    }
}

/// One process downloads a model from the hub; another, with nothing of its own, has it from the bucket.
pub(super) async fn one_downloads_another_gets(kind: Kind) {
    let Some(server) = Server::start(kind) else { return };
    let folder = tempfile::tempdir().expect("there is room");
    let hub = HubServer::start(HubOptions::hugging_face());
    hub.add_model(MODEL, "v1", files());
    finish(spawn(&server, "download", "fleet", &folder.path().join("one"), &hub.url()));
    let asked = hub.requests().len();
    assert!(asked > 0);
    hub.stop();
    finish(spawn(&server, "get", "fleet", &folder.path().join("two"), "-"));
    assert_eq!(hub.requests().len(), asked);
}

/// Two processes publish, delete and collect at once.
pub(super) async fn delete_and_collect(kind: Kind) {
    let Some(server) = Server::start(kind) else { return };
    let folder = tempfile::tempdir().expect("there is room");
    let names = ["one", "two"];
    let processes = names.map(|name| spawn(&server, "churn", "busy", &folder.path().join(name), name));
    processes.into_iter().for_each(finish);
    let store = kind.store(server.port, "busy");
    // What the last collectors held in their hands.
    let now = SystemTime::now() + std::time::Duration::from_secs(1 << 20);
    store.collect_garbage(&GcOptions::new(now)).await.expect("it can be collected");
    let report = store.verify(&VerifyOptions::default()).await.expect("a report");
    assert!(report.is_sound(), "{report:?}");
    let found: Vec<_> =
        store.manifests().await.expect("a listing").into_iter().map(|it| it.name.model).collect();
    assert_eq!(found, names, "the last one of each is there, the one before is not");
    assert_eq!(store.usage().await.expect("it can be counted").unreferenced_bytes, 0);
    assert!(store.quarantined().await.expect("a listing").is_empty());
}

fn noise(length: usize, seed: u64) -> Bytes {
    let mut state = seed | 1;
    let mut next = || {
        state = state.wrapping_mul(6_364_136_223_846_793_005).wrapping_add(1_442_695_040_888_963_407);
        (state >> 56) as u8
    };
    (0..length).map(|_| next()).collect::<Vec<_>>().into()
}

fn model(revision: u64, ids: &[ContentId]) -> Manifest {
    let mut manifest = Manifest::new(ManifestName::new("hub.example", "m", revision.to_string()), 1);
    manifest.files.extend(ids.iter().map(|id| (id.digest.to_string(), FileEntry::new(*id, 1))));
    manifest
}

/// The server goes away in the middle of uploads, and comes back; what was acknowledged is there, what failed is not
/// half there, and what was seen is served meanwhile.
pub(super) async fn stops_and_comes_back(kind: Kind) {
    let Some(mut server) = Server::start(kind) else { return };
    let folder = tempfile::tempdir().expect("there is room");
    let tier = kind.tier(server.port, "outage", &folder.path().join("local"));
    let direct = kind.store(server.port, "outage");
    let mut acknowledged = Vec::new();
    for round in 0..3 {
        let seen = tier.put_bytes(noise(300_000, 100 + 2 * round)).await.expect("the server is up");
        tier.put_manifest(&model(round, &[seen]), None).await.expect("it is complete");
        acknowledged.push(round);
        // Cut in the middle of an upload in parts.
        let large = noise(20 << 20, 200 + 2 * round);
        let id = ContentId::of(&large);
        let mut half = direct.stage(id.into()).await.expect("a stage begins");
        half.write(large.slice(..10 << 20)).await.expect("the first part is sent");
        // And in the middle of whatever request the others are in.
        let busy: Vec<_> = (0..4_u64)
            .map(|n| {
                let tier = tier.clone();
                tokio::spawn(async move {
                    let mut done = Vec::new();
                    for step in 0.. {
                        let number = 1000 + round * 100_000 + n * 1000 + step;
                        let Ok(id) = tier.put_bytes(noise(200_000, number)).await else { break };
                        let Ok(_) = tier.put_manifest(&model(number, &[id]), None).await else { break };
                        done.push(number);
                    }
                    done
                })
            })
            .collect();
        while tier.local().manifests().await.expect("it is local").len() < acknowledged.len() + 8 {
            tokio::task::yield_now().await;
        }
        server.stop();
        for worker in busy {
            acknowledged.extend(worker.await.expect("no worker panics"));
        }
        let cut = async {
            half.write(large.slice(10 << 20..)).await?;
            half.publish().await
        };
        assert_eq!(cut.await.expect_err("nobody is there").kind(), ErrorKind::Backend);
        for number in &acknowledged {
            let name = model(*number, &[]).name;
            let (found, _) = tier.manifest(&name).await.expect("it was seen").expect("it was seen");
            for file in found.files.values() {
                tier.read_all(file.content, 1 << 30).await.expect("it is here");
            }
        }
        // Bytes that come meanwhile stay here, and are sent with the manifest that names them.
        let mut late = tier.stage(id.into()).await.expect("the local store takes it");
        late.write(large.clone()).await.expect("the local store takes it");
        assert_eq!(late.publish().await.expect_err("nobody is there").kind(), ErrorKind::Backend);
        assert_eq!(
            tier.put_manifest(&model(round + 10, &[id]), None).await.expect_err("nobody is there").kind(),
            ErrorKind::Backend
        );
        server.restart();
        let report = direct.verify(&VerifyOptions::default()).await.expect("a report");
        assert!(report.is_sound(), "{report:?}");
        assert!(!direct.contains(id).await.expect("it answers"), "nothing is half there");
        tier.put_manifest(&model(round + 10, &[id]), None).await.expect("the rest is sent");
        acknowledged.push(round + 10);
    }
    for number in acknowledged {
        let (found, _) = direct
            .manifest(&model(number, &[]).name)
            .await
            .expect("it answers")
            .expect("it was acknowledged");
        for file in found.files.values() {
            direct.read_all(file.content, 1 << 30).await.expect("it was acknowledged");
        }
    }
}
