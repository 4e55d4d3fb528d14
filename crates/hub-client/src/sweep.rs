//! Takes what is missing of a file from one stream of the whole, where a hub does not send parts.

use std::ops::Range;

use blob_store::{PartStage, PartWriter};
use bytes::Buf;
use futures::TryStreamExt;
use transport::ByteStream;

use crate::{Error, ErrorKind, answer::Job};

impl Job<'_> {
    /// Reads the file from its beginning, and writes those parts that are `missing`, which are in order.
    pub(crate) async fn sweep(
        &self,
        stage: &dyn PartStage,
        mut body: ByteStream,
        missing: Vec<Range<u64>>,
    ) -> Result<(), Error> {
        let end = missing.last().map_or(0, |range| range.end);
        let mut missing = missing.into_iter();
        let mut wanted = missing.next();
        let mut writer: Option<Box<dyn PartWriter>> = None;
        let mut at = 0;
        while let Some(mut piece) = body.try_next().await.map_err(|error| self.body_error(error))? {
            while !piece.is_empty() {
                let Some(range) = wanted.clone() else {
                    // All the rest is there.
                    return Ok(());
                };
                if at < range.start {
                    let known = piece.len().min(usize::try_from(range.start - at).unwrap_or(usize::MAX));
                    piece.advance(known);
                    at += known as u64;
                    continue;
                }
                if at == range.end {
                    let detail = format!("it goes on after its {end} bytes");
                    return Err(Error::new(ErrorKind::Mismatch, detail).passing());
                }
                let open = match &mut writer {
                    Some(open) => open,
                    None => writer.insert(stage.part(range.clone()).await.map_err(Error::store)?),
                };
                let bytes = piece.len().min(usize::try_from(range.end - at).unwrap_or(usize::MAX));
                open.write(piece.split_to(bytes)).await.map_err(Error::store)?;
                at += bytes as u64;
                self.track.received(bytes);
                // The end of the file is recorded when nothing comes after it.
                if at == range.end && Some(at) != self.file.size {
                    finish(&mut writer).await?;
                    wanted = missing.next();
                }
            }
        }
        if at < end {
            let error = Error::new(ErrorKind::Unavailable, format!("it ended {} bytes early", end - at));
            return Err(error.passing());
        }
        finish(&mut writer).await
    }
}

async fn finish(writer: &mut Option<Box<dyn PartWriter>>) -> Result<(), Error> {
    match writer.take() {
        Some(writer) => writer.finish(None).await.map(|_| ()).map_err(Error::store),
        None => Ok(()),
    }
}
