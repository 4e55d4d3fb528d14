//! Blocking work, kept off the threads of an async runtime where there is one.

use std::{
    mem,
    panic::resume_unwind,
    sync::{Arc, OnceLock},
    thread,
    time::Duration,
};

use tokio::{runtime::Handle, task::JoinHandle};

use crate::{Error, ErrorKind};

/// Threads that share work at most.
const THREADS: usize = 8;

/// Who gives up waiting, and a runtime that ends, wait no longer than this.
const PAUSE: Duration = Duration::from_millis(50);

/// Runs `work` on the runtime's blocking threads; without a runtime, here and now.
pub(crate) async fn run<T: Send + 'static>(
    work: impl FnOnce() -> Result<T, Error> + Send + 'static,
) -> Result<T, Error> {
    match Handle::try_current() {
        Ok(runtime) => join(&mut runtime.spawn_blocking(work)).await,
        Err(_) => work(),
    }
}

/// Does the same `work` on each of `items`, at least `share` of them a thread, and returns the outcomes in the same
/// order. Without a runtime, one after the other.
pub(crate) async fn each<I: Send + 'static, T: Send + 'static>(
    mut items: Vec<I>,
    share: usize,
    work: impl Fn(I) -> Result<T, Error> + Send + Sync + 'static,
) -> Result<Vec<T>, Error> {
    let Ok(runtime) = Handle::try_current() else { return items.into_iter().map(work).collect() };
    let share = match items.len() {
        few if few <= share => share,
        many => many.div_ceil(threads()).max(share),
    };
    let work = Arc::new(work);
    let mut handles = Vec::new();
    while !items.is_empty() {
        let rest = items.split_off(share.min(items.len()));
        let (items, work) = (mem::replace(&mut items, rest), Arc::clone(&work));
        let all = move || items.into_iter().map(|item| work(item)).collect::<Result<Vec<T>, Error>>();
        handles.push(runtime.spawn_blocking(all));
    }
    let (mut outcomes, mut failed) = (Vec::new(), None);
    for handle in &mut handles {
        match join(handle).await {
            Ok(mut some) => outcomes.append(&mut some),
            // The first error is told when nobody works any more: who hears of it finds nothing that still changes.
            Err(error) => {
                failed.get_or_insert(error);
            }
        }
    }
    failed.map_or(Ok(outcomes), Err)
}

/// How many threads are worth using; asking the system takes longer than much of the work.
pub(crate) fn threads() -> usize {
    static KNOWN: OnceLock<usize> = OnceLock::new();
    *KNOWN.get_or_init(|| thread::available_parallelism().map_or(1, usize::from).min(THREADS))
}

/// Waits, with no timer of the runtime: a program need not have one for this crate.
pub(crate) async fn pause(mut left: Duration) -> Result<(), Error> {
    while !left.is_zero() {
        let now = left.min(PAUSE);
        #[expect(clippy::disallowed_methods, reason = "it is what a paced scrub does; on a blocking thread")]
        run(move || {
            thread::sleep(now);
            Ok(())
        })
        .await?;
        left -= now;
    }
    Ok(())
}

/// Waits for work started on the runtime's blocking threads.
pub(crate) async fn join<T>(handle: &mut JoinHandle<Result<T, Error>>) -> Result<T, Error> {
    match handle.await {
        Ok(outcome) => outcome,
        Err(error) => match error.try_into_panic() {
            Ok(panic) => resume_unwind(panic),
            // The runtime is shutting down.
            Err(error) => Err(Error::new(ErrorKind::Backend, "finish", "blocking work").with_source(error)),
        },
    }
}
