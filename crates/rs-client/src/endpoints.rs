//! The addresses of a settings server. Pure.

use url::Url;

use crate::{CollectionName, Error, ErrorKind, Server};

/// The description of the server; with a final slash, because servers redirect to it.
pub(crate) fn info(server: &Server) -> Url {
    with_path(server, "/")
}

/// The list of changed collections.
///
/// `_expected` only tells caches apart; 0 gets the answer that is at most a minute old.
pub(crate) fn changes(server: &Server, expected: u64, since: Option<u64>) -> Url {
    let mut url = with_path(server, "/buckets/monitor/collections/changes/changeset");
    set_query(&mut url, server, expected, since);
    url
}

/// The changes of a collection since a timestamp, or all its records.
pub(crate) fn changeset(server: &Server, name: &CollectionName, expected: u64, since: Option<u64>) -> Url {
    // Names hold no character that has a meaning in a path.
    let path = format!("/buckets/{}/collections/{}/changeset", name.bucket(), name.collection());
    let mut url = with_path(server, &path);
    set_query(&mut url, server, expected, since);
    url
}

fn set_query(url: &mut Url, server: &Server, expected: u64, since: Option<u64>) {
    match since {
        // Every version 1 server takes the timestamp in quotes, and those of the released plugin only so.
        Some(since) if is_version_1(server) => {
            url.set_query(Some(&format!("_expected={expected}&_since=%22{since}%22")));
        }
        Some(since) => url.set_query(Some(&format!("_expected={expected}&_since={since}"))),
        None => url.set_query(Some(&format!("_expected={expected}"))),
    }
}

/// Whether an address still asks for the changes since some timestamp, after redirects.
pub(crate) fn asks_since(url: &Url) -> bool {
    url.query_pairs().any(|(key, _)| key == "_since")
}

/// The address of a file under a base that the server named: the two side by side, as other clients have it.
///
/// # Errors
///
/// [`ErrorKind::Protocol`] where the result would be outside the base, or the base is not to be referred to.
pub(crate) fn under(server: &Server, base: &str, location: &str) -> Result<Url, Error> {
    let refuse = |why: &str| {
        let shown: String = location.chars().take(200).collect();
        Error::new(ErrorKind::Protocol, format!("the server names a file {shown:?} {why}"))
    };
    let plain = location.strip_prefix('/').unwrap_or(location);
    let odd = |character: char| character.is_control() || matches!(character, '\\' | '?' | '#');
    if plain.contains(odd) {
        return Err(refuse("with a character that has no place in a path"));
    }
    let climbs = |segment: &str| {
        let dots = segment.to_ascii_lowercase().replace("%2e", ".");
        segment.is_empty() || dots == "." || dots == ".." || segment.to_ascii_lowercase().contains("%2f")
    };
    if plain.split('/').any(climbs) {
        return Err(refuse("that is not a path below its base"));
    }
    let base = Url::parse(&format!("{}/", base.trim_end_matches('/'))).map_err(|error| {
        Error::new(ErrorKind::Protocol, "the server names no proper base address").with_source(error)
    })?;
    if !server.may_refer_to(&base) || base.query().is_some() || base.fragment().is_some() {
        return Err(refuse("below an address that is not to be used"));
    }
    let url = Url::parse(&format!("{base}{plain}"))
        .map_err(|error| refuse("that makes no address").with_source(error))?;
    if url.origin() != base.origin() || !url.path().starts_with(base.path()) {
        return Err(refuse("outside its base"));
    }
    Ok(url)
}

fn is_version_1(server: &Server) -> bool {
    server.url().path().ends_with("/v1")
}

fn with_path(server: &Server, path: &str) -> Url {
    let mut url = server.url().clone();
    let path = format!("{}{path}", url.path().trim_end_matches('/'));
    url.set_path(&path);
    url
}

#[cfg(test)]
mod tests {
    use super::*;

    fn server(url: &str) -> Server {
        Server::custom(url.parse().expect("the address is one"), Vec::new())
    }

    #[test]
    fn addresses_are_built_with_and_without_a_trailing_slash() {
        let name = CollectionName::new("main", "a-list").expect("the name is one");
        for base in ["https://host/prefix/v1", "https://host/prefix/v1/", "https://host/prefix/v1//?a=b#c"] {
            let server = server(base);
            assert_eq!(info(&server).as_str(), "https://host/prefix/v1/");
            assert_eq!(
                changes(&server, 0, None).as_str(),
                "https://host/prefix/v1/buckets/monitor/collections/changes/changeset?_expected=0"
            );
            assert_eq!(
                changeset(&server, &name, 7, Some(5)).as_str(),
                "https://host/prefix/v1/buckets/main/collections/a-list/changeset?_expected=7&_since=%225%22"
            );
            assert!(!asks_since(&changeset(&server, &name, 0, None)));
            assert!(asks_since(&changeset(&server, &name, 0, Some(1))));
        }
        // Version 2 servers refuse quotes.
        assert_eq!(
            changeset(&server("https://host/v2"), &name, 7, Some(5)).as_str(),
            "https://host/v2/buckets/main/collections/a-list/changeset?_expected=7&_since=5"
        );
        for (server, since) in [(server("https://host/v1"), "%225%22"), (server("https://host/v2"), "5")] {
            let path = "buckets/monitor/collections/changes/changeset";
            let expected = format!("{}/{path}?_expected=7&_since={since}", server.url());
            assert_eq!(changes(&server, 7, Some(5)).as_str(), expected);
        }
    }

    #[test]
    fn a_location_stays_below_its_base() {
        let server = server("https://host/v1");
        for (base, location) in [
            ("https://cdn/files/", "main/list/a.wasm"),
            ("https://cdn/files", "main/list/a.wasm"),
            ("https://cdn/files/", "/main/list/a.wasm"),
        ] {
            let url = under(&server, base, location).expect("the location is good");
            assert_eq!(url.as_str(), "https://cdn/files/main/list/a.wasm");
        }
        let url = under(&server, "https://cdn/", "C:/x y").expect("a colon is a character like others");
        assert_eq!(url.as_str(), "https://cdn/C:/x%20y");
        for location in [
            "",
            "/",
            "//evil/x",
            "../x",
            "a/../../x",
            "a/%2e%2E/x",
            "a/.%2e/x",
            "a/./x",
            "a\\..\\x",
            "a?b",
            "a#b",
            "a//b",
            "a/",
            "a%2f..%2fx",
            "a\n",
        ] {
            let error = under(&server, "https://cdn/files/", location).expect_err(location);
            assert_eq!(error.kind(), ErrorKind::Protocol);
        }
        for base in ["http://cdn/", "file:///etc/", "data:,", "cdn", "https://cdn/?q", ""] {
            assert!(under(&server, base, "a").is_err(), "{base}");
        }
    }
}
