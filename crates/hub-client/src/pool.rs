//! How many requests are under way at the same time.

use std::{
    sync::{
        Arc,
        atomic::{AtomicUsize, Ordering},
    },
    time::Duration,
};

use tokio::{
    sync::{OwnedSemaphorePermit, Semaphore},
    time::Instant,
};

/// Parts at the same time, until it shows that the connections are slow.
const FIRST: usize = 4;

/// A connection that brings less than this, in bytes per second, is one that others beside it help. More of fast ones
/// would only take memory.
const FAST: u64 = 64 << 20;

/// How long a connection is watched before it is called slow.
const WATCHED: Duration = Duration::from_millis(50);

/// Shares what a client may ask for at the same time among all files and downloads; first come, first served.
#[derive(Debug)]
pub(crate) struct Pool {
    /// All requests; a part counts twice.
    requests: Arc<Semaphore>,
    /// The parts among them.
    parts: Arc<Semaphore>,
    /// How many more parts there may be.
    more: AtomicUsize,
}

/// A request that may be under way.
#[derive(Debug)]
pub(crate) struct Slot {
    _permits: [Option<OwnedSemaphorePermit>; 2],
}

/// Watches how fast a part arrives.
#[derive(Debug)]
pub(crate) struct Watch {
    since: Instant,
    bytes: u64,
    decided: bool,
}

impl Pool {
    pub(crate) fn new(parallel: usize) -> Self {
        let parallel = parallel.clamp(1, Semaphore::MAX_PERMITS / 2);
        let first = parallel.min(FIRST);
        Self {
            requests: Arc::new(Semaphore::new(parallel * 2)),
            parts: Arc::new(Semaphore::new(first)),
            more: AtomicUsize::new(parallel - first),
        }
    }

    /// Waits until a part may be asked for.
    pub(crate) async fn part(&self) -> Slot {
        // They are never closed.
        let part = Arc::clone(&self.parts).acquire_owned().await.ok();
        Slot { _permits: [part, Arc::clone(&self.requests).acquire_many_owned(2).await.ok()] }
    }

    /// Waits until a small file may be asked for.
    pub(crate) async fn small(&self) -> Slot {
        Slot { _permits: [None, Arc::clone(&self.requests).acquire_owned().await.ok()] }
    }

    /// Takes note of bytes that have come; a slow connection makes room for one more.
    pub(crate) fn received(&self, watch: &mut Watch, bytes: usize) {
        watch.bytes += bytes as u64;
        let elapsed = watch.since.elapsed();
        if watch.decided || elapsed < WATCHED {
            return;
        }
        watch.decided = true;
        let is_slow = (watch.bytes as f64) < FAST as f64 * elapsed.as_secs_f64();
        let less = |more: usize| more.checked_sub(1);
        if is_slow && self.more.fetch_update(Ordering::Relaxed, Ordering::Relaxed, less).is_ok() {
            self.parts.add_permits(1);
        }
    }
}

impl Watch {
    pub(crate) fn new() -> Self {
        Self { since: Instant::now(), bytes: 0, decided: false }
    }
}

#[cfg(test)]
mod tests {
    use futures::FutureExt;

    use super::*;

    /// Takes as many places for parts as there are.
    fn all(pool: &Pool) -> Vec<Slot> {
        std::iter::from_fn(|| pool.part().now_or_never()).collect()
    }

    #[tokio::test(start_paused = true)]
    async fn slow_connections_get_others_beside_them_up_to_the_limit() {
        let pool = Pool::new(6);
        let slots = all(&pool);
        assert_eq!(slots.len(), FIRST);
        let mut watches: Vec<Watch> = slots.iter().map(|_| Watch::new()).collect();
        tokio::time::advance(WATCHED / 2).await;
        watches.iter_mut().for_each(|watch| pool.received(watch, 1000));
        assert!(all(&pool).is_empty(), "it is too early to tell");
        tokio::time::advance(WATCHED).await;
        pool.received(&mut watches[0], FAST as usize);
        assert!(all(&pool).is_empty(), "this one is fast");
        watches[1..].iter_mut().for_each(|watch| pool.received(watch, 1000));
        let more = all(&pool);
        assert_eq!(more.len(), 2, "no more than the limit");
        drop((slots, more));
        assert_eq!(all(&pool).len(), 6);
    }

    #[test]
    fn small_requests_count_half() {
        let pool = Pool::new(2);
        let part = pool.part().now_or_never().expect("there is room");
        let small = [pool.small().now_or_never(), pool.small().now_or_never(), pool.small().now_or_never()];
        assert!(small.iter().map(Option::is_some).eq([true, true, false]));
        assert!(pool.part().now_or_never().is_none());
        drop((part, small));
        assert!(pool.part().now_or_never().is_some());
    }
}
