//! Names and texts for property tests, aimed at what URL parsers and file systems do to names.

use hub_layout::{FileRef, Hub, ModelId, RepoPath, Revision};
use proptest::prelude::*;
use url::Url;

/// Pieces that mean something to a URL parser, a shell, a file system or this crate.
const PIECES: &[&str] = &[
    "..",
    ".",
    "/",
    "//",
    "\\",
    "%2e",
    "%2E%2e",
    "%2f",
    "%5c",
    "%00",
    "%",
    "%zz",
    "%25",
    "\t",
    "\n",
    "\r",
    "\0",
    "\u{7f}",
    "\u{85}",
    "C:",
    "c|",
    ":",
    "@",
    "?",
    "#",
    ";",
    "=",
    " ",
    "~",
    "-",
    "--",
    "_",
    "+",
    "*",
    "<",
    "con",
    "NUL",
    "com1",
    ".txt",
    "e\u{301}",
    "é",
    "\u{ff0f}",
    "\u{ff0e}",
    "\u{2215}",
    "\u{2024}",
    "\u{200b}",
    "\u{202e}",
    "\u{a0}",
    "漢",
    "\u{441}",
    ".git",
    "\u{f05c}",
    "COM¹",
    "a",
    "b",
    "Xenova",
    "model",
    "onnx",
    "resolve",
    "main",
    "refs",
    "v1",
    "{model}",
    "{revision}",
    "http:",
    "javascript:",
    "localhost",
    "evil.example",
    "[::1]",
    "_data",
    ".onnx",
    "-00001-of-00002",
    ".safetensors",
    ".gguf",
    ".npy",
    "fp32.d8",
];

/// Any text, most of it hostile.
pub(crate) fn text() -> impl Strategy<Value = String> {
    prop_oneof![
        4 => prop::collection::vec(prop::sample::select(PIECES), 0..8).prop_map(|pieces| pieces.concat()),
        1 => any::<String>(),
        1 => "[ -~]{0,40}",
    ]
}

pub(crate) fn model() -> impl Strategy<Value = ModelId> {
    let part = "[A-Za-z0-9._-]{1,6}|resolve|main|x|a";
    prop_oneof![part.prop_map(|name| name), (part, part).prop_map(|(org, name)| format!("{org}/{name}")),]
        .prop_filter_map("not a model id", |text| text.parse().ok())
}

pub(crate) fn revision() -> impl Strategy<Value = Revision> {
    "main|resolve|x|refs/pr/[0-9]|[0-9a-f]{40}|v[0-9].[0-9](-rc1)?|[A-Za-z0-9._+-]{1,8}(/[a-z.]{1,4}){0,2}"
        .prop_filter_map("not a revision", |text| text.parse().ok())
}

pub(crate) fn path() -> impl Strategy<Value = RepoPath> {
    let segment = prop_oneof![
        3 => "[A-Za-z0-9._-]{1,8}|resolve|main|x|onnx|a",
        2 => "[ -~é漢ß]{1,8}",
        1 => prop::sample::select(&["%2e%2e", "%2F", "a%00", "..a", "a..b", "%25", "#", "a;b=c", "&", "{path}"][..])
            .prop_map(str::to_owned),
    ];
    prop::collection::vec(segment, 1..5)
        .prop_filter_map("not a path", |segments| segments.join("/").parse().ok())
}

pub(crate) fn file() -> impl Strategy<Value = FileRef> {
    (model(), revision(), path()).prop_map(|(model, revision, path)| FileRef::new(model, revision, path))
}

pub(crate) fn hub() -> impl Strategy<Value = Hub> {
    prop::sample::select(hubs())
}

/// Every layout, with and without a path in the root, and templates that are hard to read back.
fn hubs() -> Vec<Hub> {
    let url = |text: &str| Url::parse(text).expect("a constant URL is valid");
    let mut all = vec![Hub::mozilla(), Hub::hugging_face()];
    for root in [
        "http://127.0.0.1:8080",
        "https://mirror.example/a/b%20c",
        "http://[::1]:9/resolve/",
        "https://x.example/x",
    ] {
        for kind in [hub_layout::HubKind::HuggingFace, hub_layout::HubKind::Mozilla] {
            all.push(Hub::new(kind, url(root)).expect("a constant root is valid"));
        }
        for template in [
            "{model}/x/{revision}",
            "x/{model}/x/x/{revision}/x",
            "{revision}/{model}",
            "{revision}/{model}/resolve",
            "a/{model}/{revision}/main",
        ] {
            all.push(Hub::custom(url(root), template).expect("a constant template is valid"));
        }
    }
    all
}
