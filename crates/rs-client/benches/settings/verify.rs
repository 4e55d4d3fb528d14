//! Verification of one collection that lies in a folder, and what is compared with it.

use std::{error::Error, fs, path::Path, time::SystemTime};

use bytes::Bytes;
use ring::digest;
use rs_client::{Limits, Trust, verify_changeset};
use serde::de::IgnoredAny;
use serde_json::{Value, json};
use testkit::{
    pki::{Chain, ChainOptions},
    settings::canonical::signed_message,
};

use crate::{
    clocked::clocked,
    records::{TIMESTAMP, texts},
};

const NAME: (&str, &str) = ("main", "measured");
const SIGNER: &str = "remote-settings.content-signature.mozilla.org";

/// What lies in the folder: the server's answer, the chain it names, the pinned root, and what is signed.
const BODY: &str = "changeset.json";
const CHAIN: &str = "chain.pem";
const ROOT: &str = "root.txt";
const MESSAGE: &str = "message.bin";

/// Writes a signed changeset of `count` records into `folder`.
pub(crate) fn make(folder: &Path, count: usize) -> Result<(), Box<dyn Error>> {
    let texts = texts(count);
    let records = texts.iter().map(|text| serde_json::from_str(text)).collect::<Result<Vec<Value>, _>>()?;
    let message = signed_message(&records, TIMESTAMP);
    let chain = Chain::new(&ChainOptions::default());
    let signature = json!({
        "mode": "p384ecdsa", "signature": chain.sign(&message), "x5u": "https://example.org/chains/0.chain",
    });
    let metadata = json!({
        "bucket": NAME.0, "id": NAME.1, "displayFields": [], "schema": {"type": "object"},
        "signature": signature, "signatures": [signature],
    });
    let body =
        format!(r#"{{"metadata":{metadata},"timestamp":{TIMESTAMP},"changes":[{}]}}"#, texts.join(","));
    fs::write(folder.join(BODY), body)?;
    fs::write(folder.join(CHAIN), chain.pem())?;
    fs::write(folder.join(ROOT), chain.root_hash())?;
    fs::write(folder.join(MESSAGE), message)?;
    Ok(())
}

/// Measures everything from the server's bytes to a verified collection.
pub(crate) fn verify(folder: &Path) -> Result<(), Box<dyn Error>> {
    let body = Bytes::from(fs::read(folder.join(BODY))?);
    let chain = fs::read_to_string(folder.join(CHAIN))?;
    let trust = Trust::new(vec![fs::read_to_string(folder.join(ROOT))?.parse()?], SIGNER);
    let limits = Limits::default();
    let verified = clocked(|| Ok(verify_changeset(body, &chain, &trust, SystemTime::now(), &limits)?))?;
    assert_eq!(verified.timestamp, TIMESTAMP);
    Ok(())
}

/// Measures hashing and reading alone: SHA-384 of what is signed, and the body as a tree of values.
pub(crate) fn alone(folder: &Path) -> Result<(), Box<dyn Error>> {
    let (body, message) = (fs::read(folder.join(BODY))?, fs::read(folder.join(MESSAGE))?);
    let (value, hash) = clocked(|| {
        let value: Value = serde_json::from_slice(&body)?;
        Ok((value, digest::digest(&digest::SHA384, &message)))
    })?;
    assert_eq!((value["timestamp"].as_u64(), hash.as_ref().len()), (Some(TIMESTAMP), 48));
    Ok(())
}

/// As [`alone`], but reads the body only to see that it is JSON: nobody can do less.
pub(crate) fn skim(folder: &Path) -> Result<(), Box<dyn Error>> {
    let (body, message) = (fs::read(folder.join(BODY))?, fs::read(folder.join(MESSAGE))?);
    let hash = clocked(|| {
        let _: IgnoredAny = serde_json::from_slice(&body)?;
        Ok(digest::digest(&digest::SHA384, &message))
    })?;
    assert_eq!(hash.as_ref().len(), 48);
    Ok(())
}
