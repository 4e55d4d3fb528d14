//! The same nonsense as the body of every kind of answer.

use rs_client::ErrorKind;
use testkit::{
    http::{Fault, FaultKind, Reply},
    settings::SettingsOptions,
};

use super::{CHAINS, CHANGESET, MONITOR, Victim, limits, reply};

const PROTOCOL: &[ErrorKind] = &[ErrorKind::Protocol];
const TOO_LARGE: &[ErrorKind] = &[ErrorKind::TooLarge];
const BROKEN: &[ErrorKind] = &[ErrorKind::Unavailable];

/// Bodies that are no JSON object of any kind.
fn nonsense() -> Vec<(&'static str, FaultKind, &'static [ErrorKind])> {
    let deep = |open: &str, close: &str| format!("{}1{}", open.repeat(30_000), close.repeat(30_000));
    let packed = |body: Vec<u8>| FaultKind::Reply(Reply::bytes(body).header("content-encoding", "gzip"));
    let spaces = Reply::text(" ".repeat(8 << 20)).gzip().body.to_vec();
    let text = Reply::text(format!("{:?}", (0..200).collect::<Vec<_>>())).gzip().body;
    let gzip: &[ErrorKind] = &[ErrorKind::Protocol, ErrorKind::Unavailable];
    vec![
        ("empty", reply(""), PROTOCOL),
        ("space", reply(" \n\t\r"), PROTOCOL),
        ("much space", reply(" ".repeat(190_000)), PROTOCOL),
        ("too much space", reply(" ".repeat(10 << 20)), TOO_LARGE),
        ("null", reply("null"), PROTOCOL),
        ("a list", reply("[]"), PROTOCOL),
        ("an empty object", reply("{}"), PROTOCOL),
        ("a number", reply("1"), PROTOCOL),
        ("a text", reply("\"changes\""), PROTOCOL),
        ("a log-in page", FaultKind::captive_portal(), PROTOCOL),
        ("NUL", reply(vec![0; 1000]), PROTOCOL),
        ("a byte order mark", reply("\u{feff}{\"changes\":[],\"timestamp\":1}"), PROTOCOL),
        ("not UTF-8", reply(&b"{\"changes\":[\"\xff\"]}"[..]), PROTOCOL),
        ("UTF-16", reply(&b"{\0\"\0a\0\"\0:\x001\0}\0"[..]), PROTOCOL),
        ("deep lists", reply(deep("[", "]")), PROTOCOL),
        ("deep objects", reply(deep("{\"a\":", "}")), PROTOCOL),
        ("deep without an end", reply("[".repeat(190_000)), PROTOCOL),
        ("deep text of escapes", reply(format!("{{\"a\":\"{}", "\\\"".repeat(90_000))), PROTOCOL),
        ("broken gzip", packed(b"\x1f\x8b\x08\0nothing".to_vec()), gzip),
        ("gzip that is none", packed(b"{}".to_vec()), gzip),
        ("gzip cut short", packed(text[..text.len() / 2].to_vec()), gzip),
        ("a gzip bomb", packed(spaces.clone()), TOO_LARGE),
        ("gzip and more", packed([&spaces[..], &spaces].concat()), TOO_LARGE),
        (
            "gzip and something else",
            packed([Reply::text("{}").gzip().body.to_vec(), vec![7; 100]].concat()),
            gzip,
        ),
        ("another encoding", FaultKind::Reply(Reply::bytes("x").header("content-encoding", "br")), PROTOCOL),
        ("cut in the middle", FaultKind::CutAfter(100), BROKEN),
        ("reset in the middle", FaultKind::ResetAfter(100), BROKEN),
        ("nothing at all", FaultKind::CutAfter(0), BROKEN),
        ("shorter than it was", FaultKind::Truncate(60), PROTOCOL),
        ("more than is taken", FaultKind::ExtraBytes(2 << 20), TOO_LARGE),
        ("more than there is", FaultKind::ExtraBytes(7), PROTOCOL),
    ]
}

#[tokio::test]
async fn changesets_that_are_none() {
    let mut victim = Victim::new(SettingsOptions::default()).await;
    victim.table(CHANGESET, nonsense()).await;
}

#[tokio::test]
async fn lists_of_changes_that_are_none() {
    let mut victim = Victim::new(SettingsOptions::default()).await;
    victim.table(MONITOR, nonsense()).await;
}

/// The server's description is asked for where `x5u` is relative to it.
#[tokio::test]
async fn descriptions_that_are_none() {
    let mut options = SettingsOptions::default();
    options.relative_x5u = true;
    let mut victim = Victim::new(options).await;
    for (name, kind, expected) in nonsense() {
        // Asked for once, so each answer needs a client that has not asked yet.
        victim.client = victim.pair.builder().limits(limits()).build();
        victim.pair.server.rotate_leaf();
        victim.publish();
        victim.pair.server.fault(Fault::new(CHANGESET, victim.as_it_is()));
        let error = victim.goes_wrong(name, "/v1/", kind).await;
        assert!(expected.contains(&error.kind()), "{name}: {:?}, {error}", error.kind());
        victim.recovers(name).await;
    }
}

#[tokio::test]
async fn chains_that_are_none() {
    let mut victim = Victim::new(SettingsOptions::default()).await;
    let bad: &[ErrorKind] = &[ErrorKind::Certificate];
    let large: &[ErrorKind] = &[ErrorKind::TooLarge];
    let rows = nonsense().into_iter().filter_map(|(name, kind, expected)| {
        Some(match name {
            // Chains are small: what is too long for one comes first, and text after the last block is nothing.
            "much space" | "deep objects" | "deep without an end" | "deep text of escapes" => {
                (name, kind, large)
            }
            "more than there is" | "gzip and something else" => return None,
            _ if expected == PROTOCOL && !name.contains("encoding") => (name, kind, bad),
            _ => (name, kind, expected),
        })
    });
    let rows: Vec<_> = rows.collect();
    victim.table(CHAINS, rows).await;
}
