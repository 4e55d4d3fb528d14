//! Random histories of a stage in parts agree with a simple model of it: ranges of bytes.

mod world;

use std::sync::Arc;

use blob_store::{BlobStore, Durability, Expected, FsOptions, FsStore, ObjectStoreBackend};
use content_id::ContentId;
use futures::future::LocalBoxFuture;
use object_store::memory::InMemory;
use proptest::{collection::vec, prelude::*};

use crate::{memory_folder, noise};
use world::World;

/// Bytes of what is fetched at most.
const MOST: u64 = 300;

/// What is known before it is fetched.
#[derive(Clone, Copy, Debug)]
enum Known {
    All,
    Size,
    Digest,
    Nothing,
    /// The digest of something else.
    Wrong,
}

/// What becomes of a handle.
#[derive(Clone, Copy, Debug)]
enum End {
    Dropped,
    Published,
    Discarded,
}

#[derive(Clone, Debug)]
enum Step {
    Begin {
        start: u64,
        length: u64,
    },
    Write {
        writer: usize,
        bytes: u64,
        lie: bool,
    },
    Finish {
        writer: usize,
        sound: Option<bool>,
    },
    DropWriter(usize),
    /// Fetches what is missing, from one end or the other, and all or some of it.
    Fill {
        part_bytes: u64,
        backwards: bool,
        most: usize,
    },
    /// Another process begins the same, and writes a part.
    Other {
        start: u64,
        length: u64,
        lie: bool,
    },
    /// The handle goes; then the writers that are left finish, or go; then the stage is begun again.
    End {
        end: End,
        finish: bool,
    },
}

fn step() -> impl Strategy<Value = Step> {
    // Mostly on a grid, so that parts meet.
    let place = || prop_oneof![4 => (0..16_u64).prop_map(|n| n * 20), 1 => 0..2 * MOST];
    let range = || (place(), place());
    let lie = || prop::bool::weighted(0.1);
    let end = prop_oneof![2 => Just(End::Dropped), 3 => Just(End::Published), 1 => Just(End::Discarded)];
    prop_oneof![
        4 => range().prop_map(|(start, length)| Step::Begin { start, length }),
        6 => (any::<usize>(), place(), lie())
            .prop_map(|(writer, bytes, lie)| Step::Write { writer, bytes, lie }),
        3 => (any::<usize>(), prop::option::weighted(0.5, any::<bool>()))
            .prop_map(|(writer, sound)| Step::Finish { writer, sound }),
        1 => any::<usize>().prop_map(Step::DropWriter),
        3 => (10..MOST, any::<bool>(), prop_oneof![Just(2), Just(usize::MAX)])
            .prop_map(|(part_bytes, backwards, most)| Step::Fill { part_bytes, backwards, most }),
        2 => (range(), lie()).prop_map(|((start, length), lie)| Step::Other { start, length, lie }),
        3 => (end, any::<bool>()).prop_map(|(end, finish)| Step::End { end, finish }),
    ]
}

fn known() -> impl Strategy<Value = Known> {
    use Known::{All, Digest, Nothing, Size, Wrong};
    prop_oneof![3 => Just(All), 1 => Just(Size), 1 => Just(Digest), 2 => Just(Nothing), 1 => Just(Wrong)]
}

async fn check(known: Known, size: u64, steps: &[Step], shared: bool, open: &dyn Fn() -> Arc<dyn BlobStore>) {
    let source = noise(4 * MOST as usize, 1);
    let id = ContentId::of(&source[..size as usize]);
    let wrong = ContentId::new(ContentId::of(b"something else").digest, size);
    let expected = match known {
        Known::All => id.into(),
        Known::Size => Expected::new(None, Some(size)),
        Known::Digest => Expected::new(Some(id.digest), None),
        Known::Nothing => Expected::default(),
        Known::Wrong => wrong.into(),
    };
    let mut world = World::new(open, shared, source, expected).await;
    for step in steps {
        world.apply(step).await;
        world.compare();
    }
}

fn files(known: Known, size: u64, steps: &[Step], block_on: impl Fn(LocalBoxFuture<'_, ()>)) {
    let dir = memory_folder();
    let options = FsOptions::default().durability(Durability::ProcessCrashOnly);
    let open = || Arc::new(FsStore::open_with(dir.path(), options).expect("a store")) as Arc<dyn BlobStore>;
    block_on(Box::pin(check(known, size, steps, false, &open)));
}

proptest! {
    #![proptest_config(ProptestConfig { cases: 150, failure_persistence: None, ..ProptestConfig::default() })]

    #[test]
    fn file_system(known in known(), size in 0..MOST, steps in vec(step(), 1..60)) {
        let runtime = tokio::runtime::Builder::new_current_thread().build().expect("a runtime");
        files(known, size, &steps, |check| runtime.block_on(check));
    }

    #[test]
    fn file_system_in_place(known in known(), size in 0..MOST, steps in vec(step(), 1..60)) {
        files(known, size, &steps, |check| futures::executor::block_on(check));
    }

    #[test]
    fn objects(known in known(), size in 0..MOST, steps in vec(step(), 1..60)) {
        let objects = Arc::new(InMemory::new());
        let open = || Arc::new(ObjectStoreBackend::new(Arc::clone(&objects) as _)) as Arc<dyn BlobStore>;
        futures::executor::block_on(check(known, size, &steps, true, &open));
    }
}
