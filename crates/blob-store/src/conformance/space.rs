//! Planning for space, and evicting what was used least lately.

use std::sync::Arc;

use content_id::ContentId;

use super::{manifest, noise};
use crate::{BlobStore, BlobStoreExt, ErrorKind, ManifestName, Pin, SpaceOptions};

fn name(revision: &str) -> ManifestName {
    ManifestName::new("hub.example", "org/name", revision)
}

/// A revision with 100 bytes of its own and 50 that all share, used at this time.
async fn revision(store: &dyn BlobStore, revision: u64, used: u64) -> ContentId {
    let shared = store.put_bytes(noise(50, 1)).await.expect("it is put");
    let own = store.put_bytes(noise(100, 100 + 2 * revision)).await.expect("it is put");
    let mut manifest = manifest(&revision.to_string(), &[("shared", shared), ("own", own)]);
    manifest.used = used;
    store.put_manifest(&manifest, None).await.expect("complete");
    own
}

fn evicted(plan: &crate::SpacePlan) -> Vec<(&str, u64)> {
    plan.evict.iter().map(|eviction| (&*eviction.manifest.revision, eviction.bytes)).collect()
}

/// What was used least lately goes first, and only as much as has to.
pub async fn the_least_lately_used_goes_first(store: Arc<dyn BlobStore>) {
    for (number, used) in [(1, 30), (2, 10), (3, 20)] {
        revision(&*store, number, used).await;
    }
    let wanted = [ContentId::of(&noise(120, 9))];
    let fits = store.plan_space(&wanted, &SpaceOptions::default().quota(470)).await.expect("a plan");
    assert_eq!((fits.needed, fits.held, fits.stored, fits.evict.len(), fits.fits()), (120, 0, 350, 0, true));
    let plan = store.plan_space(&wanted, &SpaceOptions::default().quota(369)).await.expect("a plan");
    assert_eq!(evicted(&plan), [("2", 100), ("3", 100)], "101 bytes have to go");
    plan.check().expect("it fits then");
    let report = store.make_room(&plan).await.expect("room");
    assert_eq!((report.manifests.len(), report.blobs, report.bytes, report.kept.len()), (2, 2, 200, 0));
    assert_eq!(store.manifests().await.expect("a listing").len(), 1);
    assert!(store.verify(&Default::default()).await.expect("a report").is_sound());
    // With the last one the shared bytes go, too.
    let plan = store.plan_space(&wanted, &SpaceOptions::default().quota(120)).await.expect("a plan");
    assert_eq!(evicted(&plan), [("1", 150)]);
    let plan = store.plan_space(&wanted, &SpaceOptions::default().quota(100)).await.expect("a plan");
    assert_eq!((plan.short_by, plan.fits()), (20, false));
    let error = plan.check().expect_err("it does not fit");
    assert_eq!(error.kind(), ErrorKind::NoSpace);
    for number in ["120", "20 too many", "quota of 100"] {
        assert!(error.to_string().contains(number), "{error}");
    }
}

/// What is pinned, was used since the plan, or is wanted is not evicted.
pub async fn what_is_pinned_used_or_wanted_stays(store: Arc<dyn BlobStore>) {
    let wanted = revision(&*store, 1, 1).await;
    revision(&*store, 2, 2).await;
    revision(&*store, 3, 3).await;
    store.set_pin(&Pin::new("p", name("2"), 1), None).await.expect("it is there");
    let options = SpaceOptions::default().quota(0);
    let plan = store.plan_space(&[wanted], &options).await.expect("a plan");
    assert_eq!((plan.needed, plan.held, plan.to_fetch()), (100, 100, 0));
    // The wanted blob stays although its manifest could go; what is shared with the pinned one stays.
    assert_eq!(evicted(&plan), [("3", 100)]);
    assert_eq!(plan.short_by, 250);
    store.set_pin(&Pin::new("late", name("3"), 1), None).await.expect("it is there");
    let report = store.make_room(&plan).await.expect("nothing to do");
    assert_eq!((report.manifests.len(), report.kept), (0, vec![name("3")]));
    store.remove_pin("late").await.expect("it is there");
    store.touch(&name("3"), 1 << 30).await.expect("it is there");
    let report = store.make_room(&plan).await.expect("nothing to do");
    assert_eq!(report.kept, [name("3")], "it was used since");
    assert!(store.verify(&Default::default()).await.expect("a report").is_sound());
}

/// What is open is not evicted, where the backend has locks.
pub async fn what_is_held_is_not_evicted(store: Arc<dyn BlobStore>) {
    revision(&*store, 1, 1).await;
    let options = SpaceOptions::default().quota(0);
    let hold = store.hold(&name("1")).await.expect("it is there");
    let plan = store.plan_space(&[], &options).await.expect("a plan");
    assert_eq!(plan.evict.is_empty(), hold.is_seen(), "as far as the backend has locks");
    drop(hold);
    let plan = store.plan_space(&[], &options).await.expect("a plan");
    assert_eq!(evicted(&plan), [("1", 150)]);
    let hold = store.hold(&name("1")).await.expect("it is there");
    let report = store.make_room(&plan).await.expect("room");
    assert_eq!(report.manifests.is_empty(), hold.is_seen());
    assert_eq!(store.hold(&name("2")).await.expect_err("not there").kind(), ErrorKind::NotFound);
}

/// Blobs that nothing names are told apart; a collection is what removes them.
pub async fn garbage_is_told_and_not_evicted(store: Arc<dyn BlobStore>) {
    store.put_bytes(noise(70, 1)).await.expect("it is put");
    let plan = store.plan_space(&[], &SpaceOptions::default().quota(10)).await.expect("a plan");
    assert_eq!((plan.stored, plan.unreferenced, plan.short_by), (70, 70, 60));
    let plan =
        store.plan_space(&[ContentId::of(&noise(70, 1))], &SpaceOptions::default()).await.expect("a plan");
    assert_eq!((plan.unreferenced, plan.held, plan.to_fetch()), (0, 70, 0));
}

/// Pins that yield go with what they pin, where evictions go so far, and keep it from all else.
pub async fn what_yields_goes_with_its_manifest(store: Arc<dyn BlobStore>) {
    for number in 1..=3 {
        revision(&*store, number, number).await;
    }
    let yielding = |pin: &str, of: &str| Pin::new(pin, name(of), 1).yields(true);
    for pin in [yielding("a", "1"), yielding("b", "1"), yielding("c", "2"), Pin::new("d", name("2"), 1)] {
        store.set_pin(&pin, None).await.expect("it is there");
    }
    assert!(store.pin("a").await.expect("readable").expect("it is there").0.yields);
    let options = SpaceOptions::default().quota(0);
    let plan = store.plan_space(&[], &options).await.expect("a plan");
    assert_eq!(evicted(&plan), [("3", 100)], "any pin keeps what it pins");
    let options = options.yielding(true);
    let plan = store.plan_space(&[], &options.clone().keep(name("1"))).await.expect("a plan");
    assert_eq!(evicted(&plan), [("3", 100)]);
    let plan = store.plan_space(&[], &options).await.expect("a plan");
    assert_eq!(evicted(&plan), [("1", 100), ("3", 100)]);
    assert_eq!(plan.evict[0].pins, ["a", "b"]);
    // What is set again since has a new use.
    let (pin, version) = store.pin("b").await.expect("readable").expect("it is there");
    store.set_pin(&pin, Some(version)).await.expect("it is there");
    let report = store.make_room(&plan).await.expect("room");
    assert_eq!((report.manifests, report.kept), (vec![name("3")], vec![name("1")]));
    assert_eq!(store.remove_manifest(&name("1")).await.expect_err("pinned").kind(), ErrorKind::Pinned);
    let plan = store.plan_space(&[], &options).await.expect("a plan");
    let report = store.make_room(&plan).await.expect("room");
    assert_eq!((report.manifests, report.bytes), (vec![name("1")], 100));
    assert_eq!(report.pins, ["a", "b"]);
    let left = store.pins().await.expect("a listing");
    assert_eq!(left.iter().map(|pin| &*pin.name).collect::<Vec<_>>(), ["c", "d"]);
    assert!(store.verify(&Default::default()).await.expect("a report").is_sound());
}

/// What a collection is going to free, and what nobody can name yet, count.
pub async fn what_is_freed_first_counts(store: Arc<dyn BlobStore>) {
    revision(&*store, 1, 1).await;
    let options = SpaceOptions::default().quota(200).more(90);
    let plan = store.plan_space(&[], &options).await.expect("a plan");
    assert_eq!((plan.needed, plan.to_fetch(), evicted(&plan)), (90, 90, vec![("1", 150)]));
    let plan = store.plan_space(&[], &options.freed_first(40)).await.expect("a plan");
    assert_eq!((evicted(&plan), plan.fits()), (vec![], true));
}
