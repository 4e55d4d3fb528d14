//! Everything `rs-client` promises, against a settings server on loopback and recorded production data.

mod attachments;
mod attachments_folder;
mod attachments_histories;
mod attachments_moved;
mod attachments_packaged;
mod attachments_prune;
mod attachments_resume;
mod attachments_shared;
mod attachments_support;
#[cfg(feature = "blocking")]
mod blocking;
#[cfg(feature = "bundles")]
mod bundles;
#[cfg(feature = "bundles")]
mod bundles_first;
#[cfg(feature = "bundles")]
mod bundles_served;
#[cfg(feature = "bundles")]
mod bundles_startup;
mod canned;
mod canonical;
mod chains;
mod damage;
mod emptied;
mod filters;
#[cfg(feature = "jexl")]
mod filters_hostile;
#[cfg(feature = "jexl")]
mod filters_jexl;
mod first_start;
mod histories;
mod hostile;
mod kinto;
mod observer;
mod order;
mod politeness;
mod polling;
mod properties;
mod replay;
mod required;
mod servers;
mod sharing;
mod shutdown;
mod signatures;
mod storage;
mod support;
mod sync;
mod time;
mod toolkit_version;
mod trust;
mod vectors;
