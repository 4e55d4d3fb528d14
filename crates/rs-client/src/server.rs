//! Which server, and whom it is trusted to be signed by.

use std::{fmt, str::FromStr};

use content_id::{ContentId, Digest};
use url::Url;

use crate::{CollectionName, Error, ErrorKind};

/// Root certificates of production: the current one, and the one before it, of the same key, expired on
/// 2025-03-14.
const PRODUCTION_ROOTS: [&str; 2] = [
    "C8:A8:0E:9A:FA:EF:4E:21:9B:6F:B5:D7:A7:1D:0F:10:12:23:BA:C5:00:1A:C2:8F:9B:0D:43:DC:59:A1:06:DB",
    "97:E8:BA:9C:F1:2F:B3:DE:53:CC:42:A4:E6:57:7E:D6:4D:F4:93:C2:47:B4:14:FE:A0:36:81:8D:38:23:56:0E",
];
const STAGE_ROOTS: [&str; 1] =
    ["3C:01:44:6A:BE:90:36:CE:A9:A0:9A:CA:A3:A5:20:AC:62:8F:20:A7:AE:32:CE:86:1C:B2:EF:B7:0F:A0:C7:45"];
const DEV_ROOTS: [&str; 1] =
    ["4C:35:B1:C3:E3:12:D9:55:E7:78:ED:D0:A7:E7:8A:38:83:04:EF:01:BF:FA:03:29:B2:46:9F:3C:C5:EC:36:04"];

/// The SHA-256 of a root certificate, in DER.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub struct RootHash(Digest);

/// A settings server and the roots it may be signed under.
///
/// Each server has its own local copies: data of one is never taken for data of another.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Server {
    url: Url,
    roots: Vec<RootHash>,
}

/// Who must have signed a collection.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Trust {
    /// The roots that a chain may end in.
    pub(crate) roots: Vec<RootHash>,
    /// The name that the leaf must carry.
    pub(crate) signer: String,
}

impl RootHash {
    /// Computes the hash of a certificate in DER.
    pub(crate) fn of(certificate: &[u8]) -> Self {
        Self(ContentId::of(certificate).digest)
    }
}

/// Reads 64 hexadecimal digits in either case, with or without colons between the bytes.
impl FromStr for RootHash {
    type Err = Error;

    fn from_str(text: &str) -> Result<Self, Error> {
        let digits: String = text.chars().filter(|digit| *digit != ':').collect();
        match digits.to_ascii_lowercase().parse() {
            Ok(digest) => Ok(Self(digest)),
            Err(error) => Err(Error::new(ErrorKind::Protocol, "this is not the hash of a root certificate")
                .with_source(error)),
        }
    }
}

/// Lower-case hexadecimal digits without colons.
impl fmt::Display for RootHash {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        self.0.fmt(f)
    }
}

impl Server {
    /// Mozilla's production server.
    pub fn production() -> Self {
        Self::built_in("https://firefox.settings.services.mozilla.com/v1", &PRODUCTION_ROOTS)
    }

    /// Mozilla's staging server.
    ///
    /// Its pinned root was valid until 2024-11-14; name its successor with [`custom`](Self::custom).
    pub fn stage() -> Self {
        Self::built_in("https://firefox.settings.services.allizom.org/v1", &STAGE_ROOTS)
    }

    /// Mozilla's development server; its pinned root is valid until July 2026.
    pub fn dev() -> Self {
        Self::built_in("https://remote-settings-dev.allizom.org/v1", &DEV_ROOTS)
    }

    /// Any other server: its address up to and including `/v1` or `/v2`, and the roots to trust.
    ///
    /// A final slash, a query and a fragment are dropped. Without roots nothing verifies.
    pub fn custom(mut url: Url, roots: Vec<RootHash>) -> Self {
        url.set_query(None);
        url.set_fragment(None);
        let path = url.path().trim_end_matches('/').to_owned();
        url.set_path(&path);
        Self { url, roots }
    }

    /// The same server by version 2 of its interface, where the address is that of version 1.
    ///
    /// `Server::production().v2()`. Both serve the same collections. The local copies are apart, so a program that
    /// changes over fetches everything once.
    #[must_use]
    pub fn v2(mut self) -> Self {
        if let Some(base) = self.url.path().strip_suffix("/v1") {
            let path = format!("{base}/v2");
            self.url.set_path(&path);
        }
        self
    }

    fn built_in(url: &str, roots: &[&str]) -> Self {
        let url = url.parse().expect("the built-in address is an address");
        let roots = roots.iter().map(|root| root.parse().expect("the built-in hash is a hash")).collect();
        Self::custom(url, roots)
    }

    /// Returns the address, without a final slash.
    pub fn url(&self) -> &Url {
        &self.url
    }

    /// Returns the roots that chains may end in.
    pub fn roots(&self) -> &[RootHash] {
        &self.roots
    }

    /// Returns who must have signed `collection` for it to be taken from this server.
    pub fn trust(&self, collection: &CollectionName) -> Trust {
        Trust::new(self.roots.clone(), signer_of(collection.bucket()))
    }

    /// Whether a file elsewhere may be fetched because this server says so: over HTTPS, or over HTTP where the
    /// server itself is reached over HTTP. What such files hold is verified apart from this.
    pub(crate) fn may_refer_to(&self, url: &Url) -> bool {
        url.has_host() && (url.scheme() == "https" || (url.scheme() == "http" && self.url.scheme() == "http"))
    }
}

impl Trust {
    /// Trusts chains that end in one of `roots` and whose leaf is for `signer`, a host name.
    pub fn new(roots: Vec<RootHash>, signer: impl Into<String>) -> Self {
        Self { roots, signer: signer.into() }
    }
}

/// The name of the certificate that signs a bucket's collections.
fn signer_of(bucket: &str) -> &'static str {
    if bucket.contains("security-state") {
        "onecrl.content-signature.mozilla.org"
    } else {
        "remote-settings.content-signature.mozilla.org"
    }
}
