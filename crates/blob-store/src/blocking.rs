//! Blocking work, kept off the threads of an async runtime where there is one.

use std::panic::resume_unwind;

use tokio::{runtime::Handle, task::JoinHandle};

use crate::{Error, ErrorKind};

/// Runs `work` on the runtime's blocking threads; without a runtime, here and now.
pub(crate) async fn run<T: Send + 'static>(
    work: impl FnOnce() -> Result<T, Error> + Send + 'static,
) -> Result<T, Error> {
    match Handle::try_current() {
        Ok(runtime) => join(&mut runtime.spawn_blocking(work)).await,
        Err(_) => work(),
    }
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
