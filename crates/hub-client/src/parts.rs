//! Fetches a large file in parts, resumed where an earlier try left it.

use blob_store::{Expected, Part, PartHashes, PartStage, StageKey};
use content_id::ContentId;
use futures::{StreamExt, TryStreamExt};

use crate::{
    Error, ErrorKind,
    answer::{Answer, Job, Pin},
    error::Remedy,
    git::GitHasher,
    part::Begun,
    turn::Turn,
};

/// What was fetched.
#[derive(Debug)]
pub(crate) struct Fetched {
    pub(crate) content: ContentId,
    pub(crate) parts: Option<PartHashes>,
}

impl Fetched {
    pub(crate) fn whole(content: ContentId) -> Self {
        Self { content, parts: None }
    }
}

impl Job<'_> {
    /// Fetches a file of `size` bytes; nothing if somebody else keeps its stage without getting on.
    pub(crate) async fn fetch_in_parts(&self, key: &StageKey, size: u64) -> Result<Option<Fetched>, Error> {
        let limits = &self.client.limits;
        let expected = Expected::new(self.file.digest, Some(size));
        let (mut attempt, mut failures) = (1, 0);
        let mut ranges = true;
        let mut failed: Option<Error> = None;
        loop {
            let stage = match self.turn(key, expected).await? {
                Turn::Published(content) => return Ok(Some(Fetched::whole(content))),
                Turn::Begun(stage) => stage,
                Turn::Elsewhere => return Ok(None),
            };
            let kept = recorded(&*stage);
            match failed.take() {
                Some(error) => self.track.restarted(attempt, kept, &error),
                None if kept > 0 => self.track.resumed(kept),
                None => {}
            }
            let error = match self.fill(&*stage, size, ranges).await {
                Ok(()) => match stage.publish().await.map_err(Error::store) {
                    Ok(published) => {
                        self.check_git(published.id).await?;
                        return Ok(Some(Fetched { content: published.id, parts: published.parts }));
                    }
                    Err(error) => error,
                },
                Err(error) => {
                    // What came on the way counts as a new beginning.
                    if recorded(&*stage) > kept {
                        failures = 0;
                    }
                    if error.remedy() == Remedy::NewPlan {
                        // Nobody can use what is there of the old version.
                        stage.discard().await.map_err(Error::store)?;
                    }
                    error
                }
            };
            failures += 1;
            let attempts = match error.kind() {
                ErrorKind::Mismatch => limits.attempts.min(2),
                _ => limits.attempts,
            };
            match error.remedy() {
                Remedy::Whole if ranges => ranges = false,
                Remedy::Again | Remedy::Whole if failures < attempts => self.client.pause(failures).await,
                _ => return Err(error),
            }
            attempt += 1;
            failed = Some(error);
        }
    }

    /// Fetches what is missing. The first request is on its own: its answer says whether the hub sends parts, and which
    /// validator they have.
    async fn fill(&self, stage: &dyn PartStage, size: u64, ranges: bool) -> Result<(), Error> {
        let limits = &self.client.limits;
        let mut missing = stage.missing(limits.part_of(size));
        let Some(first) = missing.first().cloned() else { return Ok(()) };
        let (pin, is_whole) = (Pin::default(), first == (0..size));
        let slot = self.client.pool.part().await;
        match self.ask((ranges && !is_whole).then(|| first.clone()), &pin).await? {
            Answer::Whole(response) if !is_whole => self.sweep(stage, response.body, missing).await,
            Answer::Whole(response) | Answer::Part(response) => {
                missing.remove(0);
                let begun = self.fetch_part(stage, first, &pin, Some(Begun { response, slot }));
                let rest = missing.into_iter().map(|range| self.fetch_part(stage, range, &pin, None));
                // Those that wait for the disk leave room for others.
                let rest = futures::stream::iter(rest).buffer_unordered(limits.parallel.max(1) * 2);
                futures::future::try_join(begun, rest.try_collect::<()>()).await.map(|_| ())
            }
        }
    }

    /// Refuses what is in the store but not what the hub lists: parts come in any order, and a git object id does not.
    async fn check_git(&self, content: ContentId) -> Result<(), Error> {
        let Some(expected) = self.file.git.filter(|_| self.file.digest.is_none()) else { return Ok(()) };
        let mut hasher = GitHasher::new(content.size);
        let mut pieces = self.store.read(content, 0..content.size).await.map_err(Error::store)?;
        while let Some(piece) = pieces.try_next().await.map_err(Error::store)? {
            hasher.update(&piece);
        }
        hasher.check(expected)?;
        Ok(())
    }
}

fn recorded(stage: &dyn PartStage) -> u64 {
    stage.parts().iter().map(|part: &Part| part.size).sum()
}
