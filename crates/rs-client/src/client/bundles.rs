//! Getting bundles.

use std::time::SystemTime;

use bytes::Bytes;
use transport::Request;

use super::{Client, SyncReport, fetch::Answer};
use crate::{
    AttachmentBundle, Collection, CollectionName, Error, ErrorKind, StartupBundle, StartupFile, SyncOptions,
    Verified, bundle, clock, endpoints,
};

impl Client {
    /// Gets the attachments of a collection in one request, where the server bundles them.
    ///
    /// The archive is held in memory. What is taken from it is checked against the verified records; a file that
    /// is missing or wrong is an error of its record alone, and can be had by [`attachment`](Self::attachment).
    /// A server makes its bundles from time to time, so one may lack what was attached lately.
    ///
    /// # Errors
    ///
    /// [`ErrorKind::NotFound`] where the collection's metadata does not say that there is a bundle (then no
    /// request is made), or the server has none; [`ErrorKind::TooLarge`] where it has more bytes than the limit;
    /// [`ErrorKind::Protocol`] where it is no archive that can be read in one way only.
    pub async fn attachments_bundle(
        &self,
        collection: &Verified<Collection>,
    ) -> Result<AttachmentBundle, Error> {
        let name = &collection.name;
        let work = async {
            if !bundle::is_bundled(collection) {
                let message = "the server makes no bundle of its attachments";
                return Err(Error::new(ErrorKind::NotFound, message));
            }
            let location = format!("bundles/{}--{}.zip", name.bucket(), name.collection());
            let (archive, _) = self.bundle(&location, "the bundle of attachments").await?;
            AttachmentBundle::read(archive, collection, &self.limits)
        };
        work.await.map_err(|error| error.of(name))
    }

    /// Brings local copies up to date from one file that has many collections, for a first start.
    ///
    /// Each changeset is verified like any other, and becomes the local copy only if it is newer than the one there
    /// is. The server makes the file from time to time: [`sync_all`](Self::sync_all) brings what is newer still, and
    /// what the file lacks. Each collection has its own result, in the order asked for.
    ///
    /// Costs one request, one for the server's description, and one for each certificate chain, of which a server
    /// has one or two.
    ///
    /// # Errors
    ///
    /// [`ErrorKind::NotFound`] where the server has no such file; otherwise as [`StartupBundle::read`] where it
    /// cannot be read. Nothing was synced then. A single collection's result is as that of [`sync`](Self::sync),
    /// and [`ErrorKind::NotFound`] where the file lacks it.
    pub async fn sync_startup_bundle(
        &self,
        file: StartupFile,
        names: &[CollectionName],
    ) -> Result<Vec<(CollectionName, Result<SyncReport, Error>)>, Error> {
        let options = SyncOptions::new().trigger("startup-bundle");
        let work = self.operation(async {
            let (packed, date) = self.bundle(file.location(), "the bundle of collections").await?;
            let bundle = StartupBundle::read(&packed, &self.limits)?;
            drop(packed);
            let mut results = Vec::with_capacity(names.len());
            for name in names {
                let work = Box::pin(async {
                    let changeset = bundle.changeset(name, &self.limits)?;
                    if changeset.is_none() {
                        let message = "it is not in the bundle of collections";
                        return Err(Error::new(ErrorKind::NotFound, message));
                    }
                    let answer = Answer { changeset, partial: false, date, condition: None };
                    self.accept(name, answer).await
                });
                results.push((name.clone(), self.watched(name, &options, work).await));
            }
            Ok(results)
        });
        work.await
    }

    /// Gets a bundle, and the time by the server's clock.
    async fn bundle(&self, location: &str, what: &str) -> Result<(Bytes, Option<SystemTime>), Error> {
        let info = self.info().await?;
        let url = endpoints::under(&self.server, info.attachments()?, location)?;
        let response = self.get(Request::get(url, self.limits.bundle_bytes), what).await?;
        let date = clock::server_time(&response.headers);
        let bytes = response.bytes().await.map_err(|error| Error::in_transport(what, error))?;
        Ok((bytes, date))
    }
}
