//! Fetches one part: written as it arrives, gone on with where it breaks off.

use std::ops::Range;

use blob_store::{PartStage, PartWriter};
use futures::TryStreamExt;
use transport::{ByteStream, Response};

use crate::{
    Error, ErrorKind,
    answer::{Answer, Job, Pin},
    error::Remedy,
    pool::{Slot, Watch},
};

/// An answer that has arrived already, and its place among the requests.
pub(crate) struct Begun {
    pub(crate) response: Response,
    pub(crate) slot: Slot,
}

impl Job<'_> {
    /// Fetches the bytes `range` into `stage`, beginning with what has arrived of them.
    pub(crate) async fn fetch_part(
        &self,
        stage: &dyn PartStage,
        range: Range<u64>,
        pin: &Pin,
        begun: Option<Begun>,
    ) -> Result<(), Error> {
        let limits = &self.client.limits;
        // A failure after so many bytes is the first one of its kind again.
        let progress = (range.end - range.start).div_ceil(16);
        let mut begun = begun;
        let mut writer = None;
        let mut failures = 0;
        loop {
            let slot = match &begun {
                Some(_) => None,
                None => Some(self.client.pool.part().await),
            };
            let mut filling = match writer.take() {
                Some(writer) => writer,
                None => stage.part(range.clone()).await.map_err(Error::store)?,
            };
            let before = filling.written();
            let (outcome, slot) = match begun.take() {
                Some(Begun { response, slot }) => {
                    (self.pour(response.body, &range, &mut *filling).await, Some(slot))
                }
                None => (self.ask_and_pour(&range, pin, &mut *filling).await, slot),
            };
            // While the disk is waited for, or the pause, somebody else may ask.
            drop(slot);
            let Err(error) = outcome else {
                return filling.finish(None).await.map(|_| ()).map_err(Error::store);
            };
            let attempts = match error.kind() {
                ErrorKind::Mismatch => limits.attempts.min(2),
                _ => limits.attempts,
            };
            let received = filling.written() - before;
            failures = if received >= progress { 1 } else { failures + 1 };
            if error.remedy() != Remedy::Again || failures >= attempts {
                return Err(error);
            }
            if error.kind() == ErrorKind::Mismatch {
                // Nothing of it is to be trusted.
                self.track.lost(filling.written());
            } else {
                writer = Some(filling);
            }
            let offset = range.start + writer.as_ref().map_or(0, |writer| writer.written());
            self.track.part_retried(offset, &error);
            self.client.pause(failures).await;
        }
    }

    async fn ask_and_pour(
        &self,
        range: &Range<u64>,
        pin: &Pin,
        writer: &mut dyn PartWriter,
    ) -> Result<(), Error> {
        let rest = range.start + writer.written()..range.end;
        if rest.is_empty() {
            return Ok(());
        }
        let is_whole = Some(rest.end - rest.start) == self.file.size;
        match self.ask((!is_whole).then_some(rest), pin).await? {
            Answer::Part(response) => self.pour(response.body, range, writer).await,
            Answer::Whole(response) if is_whole => self.pour(response.body, range, writer).await,
            Answer::Whole(_) => {
                let error = Error::new(ErrorKind::Protocol, "the hub has stopped to send parts");
                Err(error.with_remedy(Remedy::Whole))
            }
        }
    }

    /// Writes what arrives, to the end of the range; that the body ends there, too, is checked.
    async fn pour(
        &self,
        mut body: ByteStream,
        range: &Range<u64>,
        writer: &mut dyn PartWriter,
    ) -> Result<(), Error> {
        let size = range.end - range.start;
        let mut watch = Watch::new();
        while let Some(piece) = body.try_next().await.map_err(|error| self.body_error(error))? {
            let bytes = piece.len();
            if size - writer.written() < bytes as u64 {
                let detail = format!("more than the {size} bytes arrived that were asked for");
                return Err(Error::new(ErrorKind::Mismatch, detail).passing());
            }
            writer.write(piece).await.map_err(Error::store)?;
            self.track.received(bytes);
            self.client.pool.received(&mut watch, bytes);
        }
        match size - writer.written() {
            0 => Ok(()),
            missing => {
                let error = Error::new(ErrorKind::Unavailable, format!("it ended {missing} bytes early"));
                Err(error.passing())
            }
        }
    }
}
