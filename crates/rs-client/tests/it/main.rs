//! Everything `rs-client` promises, against a settings server on loopback and recorded production data.

mod attachments;
mod canned;
mod canonical;
mod chains;
mod emptied;
mod kinto;
mod order;
mod politeness;
mod properties;
mod replay;
mod sharing;
mod signatures;
mod storage;
mod support;
mod sync;
mod trust;
mod vectors;
