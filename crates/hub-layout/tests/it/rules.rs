//! Allow and deny rules.

use hub_layout::{Rejection, UrlPrefix, UrlRules};
use url::Url;

fn rules(allow: &[&str], deny: &[&str]) -> UrlRules {
    let parse = |texts: &[&str]| texts.iter().map(|text| text.parse().expect("a valid prefix")).collect();
    UrlRules::new(parse(allow), parse(deny))
}

/// `None` for allowed.
fn rejection(rules: &UrlRules, url: &str) -> Option<Rejection> {
    rules.verdict(&Url::parse(url).expect("a valid URL")).rejection
}

const DENIED: Option<Rejection> = Some(Rejection::Denied);
const NOT_ALLOWED: Option<Rejection> = Some(Rejection::NotAllowed);

#[test]
fn an_allow_rule_ends_at_a_slash() {
    for prefix in ["https://hub.example/org/", "https://hub.example/org", "https://HUB.example:443/Org"] {
        let rules = rules(&[prefix], &[]);
        for (url, expected) in [
            ("https://hub.example/org/x", None),
            ("https://hub.example/ORG/x", None),
            ("https://hub.example/%6frg/x", None),
            ("https://hub.example/org", None),
            ("https://hub.example/org-evil/x", NOT_ALLOWED),
            ("https://hub.example/other/x", NOT_ALLOWED),
            ("https://hub.example//org/x", NOT_ALLOWED),
            ("https://hub.example/org/..%2Fother/x", NOT_ALLOWED),
            ("https://hub.example/org/%2e%2e/other/x", NOT_ALLOWED),
            ("https://hub.example/org/..%5Cother", NOT_ALLOWED),
            ("http://hub.example/org/x", NOT_ALLOWED),
            ("http://hub.example:443/org/x", NOT_ALLOWED),
            ("https://hub.example:8443/org/x", NOT_ALLOWED),
            ("https://hub.example./org/x", NOT_ALLOWED),
            ("https://hub.example.evil.example/org/x", NOT_ALLOWED),
            ("https://evil.example/hub.example/org/x", NOT_ALLOWED),
            ("https://hub.example@evil.example/org/x", NOT_ALLOWED),
            ("https://me@hub.example/org/x", NOT_ALLOWED),
            ("https:///hub.example/org/x", None),
            ("file:///org/x", NOT_ALLOWED),
            ("data:text/plain,https://hub.example/org/", NOT_ALLOWED),
        ] {
            assert_eq!(rejection(&rules, url), expected, "{prefix} {url}");
        }
    }
}

#[test]
fn a_deny_rule_comes_first_and_errs_to_refusing() {
    let rules = rules(&["https://hub.example/"], &["https://hub.example/evil/", "https://hub.example/bad-"]);
    for (url, expected) in [
        ("https://hub.example/good/x", None),
        ("https://hub.example/evil", DENIED),
        ("https://hub.example/evil/x", DENIED),
        ("https://hub.example/EVIL/x", DENIED),
        ("https://hub.example/%65vil/x", DENIED),
        ("https://hub.example//evil/x", DENIED),
        ("https://hub.example/good/..%2fevil/x", DENIED),
        ("https://hub.example/good/../evil/x", DENIED),
        ("https://hub.example/evil%2Fx", DENIED),
        ("https://hub.example./evil/x", DENIED),
        ("https://me@hub.example/evil/x", DENIED),
        ("https://hub.example/bad-1/x", DENIED),
        ("https://hub.example/evil-not/x", None),
        ("https://hub.example/bad/x", None),
    ] {
        assert_eq!(rejection(&rules, url), expected, "{url}");
    }
}

#[test]
fn the_loopback_is_allowed_unless_denied() {
    let none = UrlRules::default();
    for (url, expected) in [
        ("http://localhost/x", None),
        ("https://LOCALHOST:8080/x", None),
        ("http://127.0.0.1:9/x", None),
        ("http://127.1.2.3/x", None),
        ("http://0x7f000001/x", None),
        ("http://[::1]:8080/x", None),
        ("http://me@localhost/x", None),
        ("http://localhost./x", NOT_ALLOWED),
        ("http://localhost.evil.example/x", NOT_ALLOWED),
        ("http://localhost@evil.example/x", NOT_ALLOWED),
        ("http://127.0.0.1.evil.example/x", NOT_ALLOWED),
        ("http://[::2]/x", NOT_ALLOWED),
        ("ftp://localhost/x", NOT_ALLOWED),
        ("https://hub.example/x", NOT_ALLOWED),
    ] {
        assert_eq!(rejection(&none, url), expected, "{url}");
    }
    let denied = rules(&[], &["http://localhost/", "http://127.0.0.1:8080/a/"]);
    assert_eq!(rejection(&denied, "http://localhost:8080/x"), DENIED);
    assert_eq!(rejection(&denied, "https://localhost/x"), None);
    assert_eq!(rejection(&denied, "http://127.0.0.1:8080/a/x"), DENIED);
    assert_eq!(rejection(&denied, "http://127.0.0.1:8081/a/x"), None);
}

#[test]
fn everything_but() {
    let deny: UrlPrefix = "https://hub.example/evil/".parse().expect("a valid prefix");
    let rules = UrlRules::dangerously_allow_all_but(vec![deny]);
    assert_eq!(rejection(&rules, "https://other.example/x"), None);
    assert_eq!(rejection(&rules, "https://hub.example/evil/x"), DENIED);
    assert_eq!(rejection(&rules, "https://me@other.example/x"), NOT_ALLOWED);
    assert_eq!(rejection(&rules, "file:///etc/passwd"), NOT_ALLOWED);
}

#[test]
fn a_verdict_explains_itself() {
    let rules = rules(&["https://hub.example/org"], &["https://hub.example/org/bad"]);
    for (url, reason) in [
        (
            "https://hub.example/org/x?token=secret",
            "https://hub.example/org/x is allowed: the allow rule https://hub.example/org matches",
        ),
        (
            "https://hub.example/org/bad/x",
            "https://hub.example/org/bad/x is refused: the deny rule https://hub.example/org/bad matches",
        ),
        ("https://hub.example/x", "https://hub.example/x is refused: no allow rule matches"),
        (
            "http://localhost:1/x",
            "http://localhost/x is allowed: it is on this machine, and no deny rule matches",
        ),
        ("file:///x", "file:///x is refused: its scheme is not http or https"),
    ] {
        assert_eq!(rules.verdict(&Url::parse(url).expect("a valid URL")).reason, reason);
    }
}

#[test]
fn prefixes() {
    for text in ["https://hub.example", "http://localhost:8080/a", "https://[::1]/"] {
        let prefix: UrlPrefix = text.parse().expect("a valid prefix");
        assert_eq!(prefix.as_str(), text);
    }
    for text in [
        "",
        "hub.example/org",
        "chrome://x/",
        "file:///",
        "https://",
        "https://me@hub.example/",
        "https://hub.example/?x",
        "https://hub.example/#x",
        " https://hub.example/",
        "https://hub.exa\tmple/",
        "https:\\\\hub.example/",
    ] {
        let error = text.parse::<UrlPrefix>().expect_err(text);
        assert!(error.to_string().starts_with(&format!("invalid url prefix {text:?}: ")), "{error}");
    }
}
