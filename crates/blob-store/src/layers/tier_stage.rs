//! Stages of a tier: written locally, then sent to the shared store, and acknowledged when it has the blob.

use std::ops::Range;

use async_trait::async_trait;
use bytes::Bytes;
use content_id::ContentId;

use super::TieredStore;
use crate::{Error, Expected, Part, PartStage, PartWriter, Published, Stage};

/// A blob that is being written to the local store.
#[derive(Debug)]
pub(super) struct TierStage {
    tier: TieredStore,
    local: Box<dyn Stage>,
}

impl TierStage {
    pub(super) fn new(tier: TieredStore, local: Box<dyn Stage>) -> Self {
        Self { tier, local }
    }
}

#[async_trait]
impl Stage for TierStage {
    async fn write(&mut self, piece: Bytes) -> Result<(), Error> {
        self.local.write(piece).await
    }

    fn written(&self) -> u64 {
        self.local.written()
    }

    async fn publish(self: Box<Self>) -> Result<ContentId, Error> {
        let Self { tier, local } = *self;
        let id = local.publish().await?;
        tier.send(id).await?;
        Ok(id)
    }

    async fn discard(self: Box<Self>) -> Result<(), Error> {
        self.local.discard().await
    }
}

/// A blob that is fetched in parts into the local store.
#[derive(Debug)]
pub(super) struct TierPartStage {
    tier: TieredStore,
    local: Box<dyn PartStage>,
}

impl TierPartStage {
    pub(super) fn new(tier: TieredStore, local: Box<dyn PartStage>) -> Self {
        Self { tier, local }
    }
}

#[async_trait]
impl PartStage for TierPartStage {
    fn expected(&self) -> Expected {
        self.local.expected()
    }

    fn parts(&self) -> Vec<Part> {
        self.local.parts()
    }

    async fn part(&self, range: Range<u64>) -> Result<Box<dyn PartWriter>, Error> {
        self.local.part(range).await
    }

    async fn publish(self: Box<Self>) -> Result<Published, Error> {
        let Self { tier, local } = *self;
        let published = local.publish().await?;
        tier.send(published.id).await?;
        Ok(published)
    }

    async fn discard(self: Box<Self>) -> Result<(), Error> {
        self.local.discard().await
    }
}
