//! URLs of both hubs and of templates, there and back, and what is refused.

use hub_layout::{FileRef, Hub, HubKind, InvalidHubError, NameProblem, UrlProblem};
use std::error::Error as _;
use url::Url;

fn url(text: &str) -> Url {
    Url::parse(text).expect("a constant URL is valid")
}

fn file(model: &str, revision: &str, path: &str) -> FileRef {
    FileRef::new(
        model.parse().expect("a valid id"),
        revision.parse().expect("a valid revision"),
        path.parse().expect("a valid path"),
    )
}

fn hub(kind: HubKind, root: &str) -> Hub {
    Hub::new(kind, url(root)).expect("a constant root is valid")
}

#[test]
fn urls_there_and_back() {
    let mirror = hub(HubKind::HuggingFace, "http://127.0.0.1:8080/a");
    let template = |template| Hub::custom(url("https://h.example/"), template).expect("a valid template");
    for (hub, (model, revision, path), text) in [
        (
            Hub::mozilla(),
            ("Mozilla/distilvit", "v0.5.0", "onnx/model.onnx"),
            "https://model-hub.mozilla.org/Mozilla/distilvit/v0.5.0/onnx/model.onnx",
        ),
        (
            Hub::hugging_face(),
            ("Xenova/t5", "refs/pr/1", "a b/100%.txt"),
            "https://huggingface.co/Xenova/t5/resolve/refs%2Fpr%2F1/a%20b/100%25.txt",
        ),
        (Hub::hugging_face(), ("gpt2", "main", "x#y"), "https://huggingface.co/gpt2/resolve/main/x%23y"),
        (
            mirror,
            ("a/b", "v1+cpu", "说明.md"),
            "http://127.0.0.1:8080/a/a/b/resolve/v1%2Bcpu/%E8%AF%B4%E6%98%8E.md",
        ),
        (template("x/{revision}/y/{model}"), ("a/b", "r", "f"), "https://h.example/x/r/y/a/b/f"),
        (template("{model}/x/{revision}"), ("a", "r", "f"), "https://h.example/a/x/r/f"),
    ] {
        let file = file(model, revision, path);
        let made = hub.file_url(&file.model, &file.revision, &file.path);
        assert_eq!(made.as_str(), text);
        assert_eq!(hub.parse_file_url(&made), Ok(file.clone()));
        assert_eq!(hub.parse_file_url(&url(&format!("{text}?download=true"))), Ok(file));
    }
}

#[test]
fn an_id_without_organisation_is_marked_where_it_would_be_misread() {
    for (hub, revision, text) in [
        (Hub::mozilla(), "main", "https://model-hub.mozilla.org/%62ert/main/a/b"),
        (Hub::hugging_face(), "resolve", "https://huggingface.co/%62ert/resolve/resolve/a/b"),
        (Hub::hugging_face(), "main", "https://huggingface.co/bert/resolve/main/a/b"),
    ] {
        let file = file("bert", revision, "a/b");
        assert_eq!(hub.file_url(&file.model, &file.revision, &file.path).as_str(), text);
        assert_eq!(hub.parse_file_url(&url(text)), Ok(file));
    }
    let read = Hub::mozilla().parse_file_url(&url("https://model-hub.mozilla.org/bert/main/a/b"));
    assert_eq!(read, Ok(file("bert/main", "a", "b")));
}

#[test]
fn urls_that_are_not_of_this_hub() {
    let moz = |rest: &str| format!("https://model-hub.mozilla.org{rest}");
    for (text, problem) in [
        ("http://model-hub.mozilla.org/a/b/main/x".to_owned(), UrlProblem::OtherOrigin),
        (moz(".evil.example/a/b/main/x"), UrlProblem::OtherOrigin),
        (moz("@evil.example/a/b/main/x"), UrlProblem::OtherOrigin),
        (moz("./a/b/main/x"), UrlProblem::OtherOrigin),
        (moz(":8443/a/b/main/x"), UrlProblem::OtherOrigin),
        ("http://model-hub.mozilla.org:443/a/b/main/x".to_owned(), UrlProblem::OtherOrigin),
        ("file:///a/b/main/x".to_owned(), UrlProblem::OtherOrigin),
        ("data:text/plain,x".to_owned(), UrlProblem::OtherOrigin),
        ("https://me@model-hub.mozilla.org/a/b/main/x".to_owned(), UrlProblem::Credentials),
        ("https://:pw@model-hub.mozilla.org/a/b/main/x".to_owned(), UrlProblem::Credentials),
        (moz("/a/b/main/x#y"), UrlProblem::Query),
        (moz("/a/b/main/x?download=false"), UrlProblem::Query),
        (moz("/"), UrlProblem::OtherLayout),
        (moz("/a/b/main"), UrlProblem::OtherLayout),
        (moz("/a/b/main/"), UrlProblem::Name),
        (moz("//a/b/main/x"), UrlProblem::Name),
        (moz("/a/b/main/x//y"), UrlProblem::Name),
        (moz("/a/b/main/..%2Fx"), UrlProblem::Encoding),
        (moz("/a/b%2Fc/main/x"), UrlProblem::Encoding),
        (moz("/a/b/main/%ff"), UrlProblem::Encoding),
        (moz("/a/b/main/x%00"), UrlProblem::Name),
        (moz("/a/b/main/..%5Cx"), UrlProblem::Name),
        (moz("/a/b/main/C%3A/x"), UrlProblem::Name),
        (moz("/a/b/..%2F..%2Fc/x"), UrlProblem::Name),
        // URL parsers resolve these before anyone looks, so that too little is left.
        (moz("/a/b/main/%2e%2e/x"), UrlProblem::OtherLayout),
        (moz("/a/b\\..\\main/x"), UrlProblem::OtherLayout),
    ] {
        let error = Hub::mozilla().parse_file_url(&url(&text)).expect_err(&text);
        assert_eq!(error.problem(), problem, "{text}: {error}");
    }
    let deep = hub(HubKind::HuggingFace, "https://h.example/models");
    for (text, problem) in [
        ("https://h.example/models-evil/a/b/resolve/main/x", UrlProblem::OutsideRoot),
        ("https://h.example/a/b/resolve/main/x", UrlProblem::OutsideRoot),
        ("https://h.example/models/../a/b/resolve/main/x", UrlProblem::OutsideRoot),
        ("https://h.example/models/a/b/blob/main/x", UrlProblem::OtherLayout),
        ("https://h.example/models/api/models/a/b/tree/main", UrlProblem::OtherLayout),
    ] {
        let error = deep.parse_file_url(&url(text)).expect_err(text);
        assert_eq!(error.problem(), problem, "{text}: {error}");
    }
    // A default port that is written out is the same origin.
    assert!(Hub::mozilla().parse_file_url(&url(&moz(":443/a/b/main/x"))).is_ok());
}

#[test]
fn an_error_names_hub_and_url_but_no_secret() {
    let error = Hub::mozilla()
        .parse_file_url(&url("https://model-hub.mozilla.org/a/b/main/nul"))
        .expect_err("a device name");
    assert_eq!(
        error.to_string(),
        "not the url of a file on model-hub.mozilla.org: \"https://model-hub.mozilla.org/a/b/main/nul\": a segment \
         is not a valid name"
    );
    let source = error.source().and_then(|source| source.downcast_ref::<hub_layout::ParseNameError>());
    assert_eq!(source.map(|name| name.problem()), Some(NameProblem::ReservedName));
    let error = Hub::mozilla()
        .parse_file_url(&url("https://me:secret@h.example/?token=secret"))
        .expect_err("foreign");
    assert!(!error.to_string().contains("secret"), "{error}");
    let error = Hub::new(HubKind::Mozilla, url("https://me:secret@h.example/")).expect_err("a password");
    assert!(!error.to_string().contains("secret"), "{error}");
}

#[test]
fn listings() {
    let list = |hub: &Hub, model: &str, revision: &str| {
        let file = file(model, revision, "x");
        hub.listing_url(&file.model, &file.revision).map(String::from)
    };
    assert_eq!(
        list(&Hub::hugging_face(), "Xenova/t5", "refs/pr/1").as_deref(),
        Some("https://huggingface.co/api/models/Xenova/t5/tree/refs%2Fpr%2F1?recursive=true")
    );
    assert_eq!(
        list(&hub(HubKind::HuggingFace, "http://[::1]:9/p"), "gpt2", "main").as_deref(),
        Some("http://[::1]:9/p/api/models/gpt2/tree/main?recursive=true")
    );
    assert_eq!(list(&Hub::mozilla(), "a/b", "main"), None);
    let file = file("gpt2", "refs/pr/1", "x");
    let revision = |hub: &Hub| hub.revision_url(&file.model, &file.revision).map(String::from);
    assert_eq!(
        revision(&hub(HubKind::HuggingFace, "http://[::1]:9/p")).as_deref(),
        Some("http://[::1]:9/p/api/models/gpt2/revision/refs%2Fpr%2F1")
    );
    assert_eq!(revision(&Hub::mozilla()), None);
}

#[test]
fn ids_are_stable_names() {
    for (root, id) in [
        ("https://huggingface.co", "huggingface.co"),
        ("https://HuggingFace.co:443/", "huggingface.co"),
        ("http://127.0.0.1:8080/prefix", "127.0.0.1:8080/prefix"),
        ("http://127.0.0.1:8080/prefix/", "127.0.0.1:8080/prefix"),
        ("http://[::1]:9/", "[::1]:9"),
    ] {
        assert_eq!(hub(HubKind::Mozilla, root).id(), id);
    }
    assert_eq!(Hub::hugging_face().id(), "huggingface.co");
    assert_eq!(Hub::mozilla().id(), "model-hub.mozilla.org");
}

#[test]
fn roots_that_make_no_hub() {
    for root in [
        "file:///models",
        "data:text/plain,x",
        "ftp://h.example/",
        "https://me@h.example/",
        "https://h.example/?x",
        "https://h.example/#x",
        "https://h.example//x/",
    ] {
        let error = Hub::new(HubKind::Mozilla, url(root)).expect_err(root);
        assert!(matches!(error, InvalidHubError::Root { .. }), "{root}: {error}");
    }
}

#[test]
fn templates() {
    let make = |template| Hub::custom(url("https://h.example/"), template);
    for good in ["{model}/{revision}", "{revision}/{model}", "a_1/{model}/resolve/{revision}/x"] {
        let hub = make(good).expect(good);
        assert_eq!((hub.kind(), hub.template().as_str()), (HubKind::Custom, good));
    }
    for bad in [
        "",
        "{model}",
        "{revision}",
        "{model}/{model}/{revision}",
        "{model}/{revision}/",
        "/{model}/{revision}",
        "{model}//{revision}",
        "{model}/../{revision}",
        "{model}/a-b/{revision}",
        "{model}/{revision}/{path}",
        "{model}-{revision}",
        "{model}/%2e/{revision}",
        "{model}/{revision}?x",
        &format!("{{model}}/{{revision}}/{}", "x".repeat(300)),
    ] {
        let error = make(bad).expect_err(bad);
        assert!(matches!(error, InvalidHubError::Template { .. }), "{bad}: {error}");
        assert!(error.to_string().contains("with {model} and {revision} once each"), "{error}");
    }
    Hub::new(HubKind::Custom, url("https://h.example/")).expect_err("a custom hub needs its template");
}

#[test]
fn kinds_have_names() {
    for kind in [HubKind::HuggingFace, HubKind::Mozilla] {
        assert_eq!(kind.to_string().parse(), Ok(kind));
    }
    assert_eq!(
        "HF".parse::<HubKind>().expect_err("no such name").to_string(),
        "unknown hub \"HF\" (allowed: huggingface, mozilla)"
    );
}
