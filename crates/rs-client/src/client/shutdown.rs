//! Ends what is under way when the client is shut down.

use std::{future::Future, pin::pin};

use futures::{
    StreamExt as _,
    future::{Either, select},
    stream,
};
use tokio::sync::watch;
use transport::{ByteStream, Response};
use url::Url;

use super::Client;
use crate::{Error, ErrorKind, error::ShutDown};

/// Whether the client was shut down, for those who wait.
#[derive(Debug, Default)]
pub(super) struct Shutdown(watch::Sender<bool>);

impl Client {
    /// Ends the network's part in this client, for good.
    ///
    /// Requests under way fail at once with [`ErrorKind::Shutdown`], and so does everything that would make one from
    /// now on; attachments that are being read end with it. What was fetched completely may still be committed.
    /// Local copies can be read as before. Returns at once, and needs no runtime; the operations that were under way
    /// return as soon as they are polled.
    ///
    /// A program that is about to exit need not call this: every future of this client can also be dropped at any
    /// time, and leaves the local copies whole.
    pub fn shutdown(&self) {
        self.shutdown.0.send_replace(true);
    }

    /// Returns whether [`shutdown`](Self::shutdown) was called.
    pub fn is_shut_down(&self) -> bool {
        *self.shutdown.0.borrow()
    }

    /// Refuses to begin anything once the client was shut down.
    pub(super) fn open(&self) -> Result<(), Error> {
        match self.is_shut_down() {
            true => Err(Error::new(ErrorKind::Shutdown, "the client was shut down")),
            false => Ok(()),
        }
    }
}

impl Shutdown {
    /// Waits for an answer, or for the end; the answer's body ends with it as well.
    pub(super) async fn or(
        &self,
        url: &Url,
        answer: impl Future<Output = Result<Response, transport::Error>>,
    ) -> Result<Response, transport::Error> {
        let mut response = match select(pin!(end(self.0.subscribe())), pin!(answer)).await {
            Either::Left(_) => return Err(ShutDown.error(url)),
            Either::Right((answer, _)) => answer?,
        };
        let body = std::mem::replace(&mut response.body, stream::empty().boxed());
        response.body = self.or_body(url, body);
        Ok(response)
    }

    fn or_body(&self, url: &Url, body: ByteStream) -> ByteStream {
        let (receiver, url) = (self.0.subscribe(), url.clone());
        let ended = receiver.clone();
        let last = stream::once(async move { ended.borrow().then(|| Err(ShutDown.error(&url))) });
        body.take_until(end(receiver)).chain(last.filter_map(|last| async { last })).boxed()
    }
}

/// Is ready once the client was shut down, and never where it was dropped: bodies may outlive it.
async fn end(mut receiver: watch::Receiver<bool>) {
    if receiver.wait_for(|ended| *ended).await.is_err() {
        std::future::pending().await
    }
}
