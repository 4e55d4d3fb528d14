//! A file as an answer: whole, in part, or not at all because the client has it.

use super::repo::File;
use crate::http::{Reply, Request};

/// A strong validator, with its quotes.
pub(crate) struct Etag<'a>(pub(crate) &'a str);

/// Answers `request` with `file`.
pub(crate) fn reply(request: &Request, file: &File, Etag(etag): Etag<'_>, ranges: bool) -> Reply {
    let reply = Reply::bytes(file.bytes.clone())
        .header("etag", etag)
        .header("accept-ranges", if ranges { "bytes" } else { "none" });
    if request.header("if-none-match").is_some_and(|known| known.split(',').any(|one| one.trim() == etag)) {
        return reply.with_status(304).body("");
    }
    let unchanged = request.header("if-range").is_none_or(|known| known == etag);
    if ranges && unchanged { reply.ranged(request) } else { reply }
}
