//! Where a redirect may lead.

use std::net::{IpAddr, Ipv4Addr};

use url::{Host, Url};

use crate::{Error, ErrorKind};

/// How near a host is; from afar, nobody may be sent nearer.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord)]
enum Nearness {
    Internet,
    PrivateNetwork,
    ThisMachine,
}

/// Returns the address that `location` stands for on the way from `from`.
///
/// # Errors
///
/// [`ErrorKind::Redirect`] if it is no address, neither `http` nor `https`, less protected than `from`, or nearer
/// to this machine. Hosts are judged by how they are written: a name that resolves to a near address passes.
pub(crate) fn target(from: &Url, location: &str) -> Result<Url, Error> {
    let refuse = |why: String| Err(Error::new(ErrorKind::Redirect, from).with_detail(why));
    // The sender chose the text, so only its result counts; `join` follows `..`, `//host` and schemes.
    let Ok(mut target) = from.join(location) else {
        return refuse(format!("it redirects to {:?}, which is no address", excerpt(location)));
    };
    if !matches!(target.scheme(), "http" | "https") {
        return refuse(format!("it redirects to the scheme {:?}", excerpt(target.scheme())));
    }
    if from.scheme() == "https" && target.scheme() == "http" {
        return refuse("it redirects from https to http".to_owned());
    }
    if target.host() != from.host() && nearness(&target) > nearness(from) {
        let host = target.host_str().unwrap_or_default();
        return refuse(format!("it redirects to {:?}, an inner address", excerpt(host)));
    }
    // What the sender put there would be sent as credentials and would end up in logs.
    let _ = target.set_username("");
    let _ = target.set_password(None);
    Ok(target)
}

/// Returns whether the host of `url` is written as an address of this machine.
pub(crate) fn is_loopback(url: &Url) -> bool {
    nearness(url) == Nearness::ThisMachine
}

fn nearness(url: &Url) -> Nearness {
    let address = match url.host() {
        Some(Host::Domain(name)) => {
            let name = name.trim_end_matches('.');
            let local = name.eq_ignore_ascii_case("localhost") || name.to_lowercase().ends_with(".localhost");
            return if local { Nearness::ThisMachine } else { Nearness::Internet };
        }
        Some(Host::Ipv4(address)) => IpAddr::V4(address),
        Some(Host::Ipv6(address)) => IpAddr::V6(address).to_canonical(),
        None => return Nearness::Internet,
    };
    let this = address.is_loopback() || address.is_unspecified();
    let private = match address {
        IpAddr::V4(address) => {
            let shared = |address: Ipv4Addr| address.octets()[0] == 100 && address.octets()[1] & 0xC0 == 64;
            address.is_private() || address.is_link_local() || address.is_broadcast() || shared(address)
        }
        IpAddr::V6(address) => address.is_unique_local() || address.is_unicast_link_local(),
    };
    match (this, private) {
        (true, _) => Nearness::ThisMachine,
        (false, true) => Nearness::PrivateNetwork,
        (false, false) => Nearness::Internet,
    }
}

fn excerpt(text: &str) -> String {
    text.chars().take(80).collect()
}

#[cfg(test)]
mod tests {
    use super::*;

    fn from(from: &str, location: &str) -> Result<String, String> {
        let from = Url::parse(from).expect("the test's address is one");
        match target(&from, location) {
            Ok(url) => Ok(url.to_string()),
            Err(error) => {
                assert_eq!(error.kind(), ErrorKind::Redirect);
                Err(error.to_string())
            }
        }
    }

    #[test]
    fn ordinary_redirects_are_followed() {
        for (start, location, expected) in [
            ("https://hub.example/a/b", "/c", "https://hub.example/c"),
            ("https://hub.example/a/b", "c", "https://hub.example/a/c"),
            ("https://hub.example/a", "https://cdn.example/x?sig=1", "https://cdn.example/x?sig=1"),
            ("http://hub.example/a", "https://hub.example/a", "https://hub.example/a"),
            ("https://hub.example/a", "https://me:secret@cdn.example/", "https://cdn.example/"),
            ("http://127.0.0.1:1/a", "http://127.0.0.1:2/b", "http://127.0.0.1:2/b"),
            ("http://10.0.0.1/a", "http://10.0.0.2/b", "http://10.0.0.2/b"),
            ("http://localhost/a", "http://hub.example/b", "http://hub.example/b"),
        ] {
            assert_eq!(from(start, location).as_deref(), Ok(expected));
        }
    }

    #[test]
    fn what_a_redirect_must_not_do_is_refused() {
        for (start, location, why) in [
            ("https://hub.example/", "http://hub.example/", "from https to http"),
            ("https://hub.example/", "file:///etc/passwd", "scheme \"file\""),
            ("https://hub.example/", "C:/x", "scheme \"c\""),
            ("https://hub.example/", "https://", "no address"),
            ("https://hub.example/", "https://127.0.0.1/", "inner"),
            ("https://hub.example/", "https://[::1]/", "inner"),
            ("https://hub.example/", "https://[::ffff:127.0.0.1]/", "inner"),
            ("https://hub.example/", "https://localhost./", "inner"),
            ("https://hub.example/", "https://a.LOCALHOST/", "inner"),
            ("https://hub.example/", "https://0.0.0.0/", "inner"),
            ("https://hub.example/", "https://2130706433/", "inner"),
            ("https://hub.example/", "https://169.254.169.254/latest", "inner"),
            ("https://hub.example/", "https://192.168.1.1/", "inner"),
            ("https://hub.example/", "https://100.64.0.1/", "inner"),
            ("https://hub.example/", "https://[fd00::1]/", "inner"),
            ("https://10.0.0.1/", "https://127.0.0.1/", "inner"),
        ] {
            let error = from(start, location).expect_err(location);
            assert!(error.contains(why), "{location}: {error}");
        }
    }
}
