//! The part of a body that a `Range` header asks for.

use super::{Reply, Request};

#[derive(Debug, PartialEq, Eq)]
enum Span {
    /// Both included.
    Inside(usize, usize),
    Outside,
    NotUnderstood,
}

impl Reply {
    /// Answers the `Range` of `request`, if it has one, from the body of this reply: with 206, or with 416 where the
    /// body has no such bytes.
    #[must_use]
    pub(crate) fn ranged(self, request: &Request) -> Self {
        let Some(range) = request.header("range") else { return self };
        let size = self.body.len();
        match span(range, size) {
            // Several ranges, or another unit: the whole file is a valid answer.
            Span::NotUnderstood => self,
            Span::Outside => {
                self.with_status(416).header("content-range", format!("bytes */{size}")).body("")
            }
            Span::Inside(first, last) => {
                let part = self.body.slice(first..=last);
                let content_range = format!("bytes {first}-{last}/{size}");
                self.with_status(206).header("content-range", content_range).body(part)
            }
        }
    }
}

fn span(range: &str, size: usize) -> Span {
    let parse = || {
        let (first, last) = range.strip_prefix("bytes=")?.split_once('-')?;
        let number = |text: &str| if text.is_empty() { Ok(None) } else { text.parse().map(Some) };
        Some((number(first).ok()?, number(last).ok()?))
    };
    match parse() {
        Some((Some(first), _)) if first >= size => Span::Outside,
        Some((Some(first), last)) if last.is_none_or(|last| last >= first) => {
            Span::Inside(first, last.unwrap_or(usize::MAX).min(size - 1))
        }
        Some((None, Some(count))) if count == 0 || size == 0 => Span::Outside,
        Some((None, Some(count))) => Span::Inside(size.saturating_sub(count), size - 1),
        _ => Span::NotUnderstood,
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn ranges_are_read_as_http_has_them() {
        use Span::{Inside, NotUnderstood, Outside};
        for (range, expected) in [
            ("bytes=0-3", Inside(0, 3)),
            ("bytes=4-", Inside(4, 9)),
            ("bytes=4-99", Inside(4, 9)),
            ("bytes=-3", Inside(7, 9)),
            ("bytes=-99", Inside(0, 9)),
            ("bytes=9-9", Inside(9, 9)),
            ("bytes=10-", Outside),
            ("bytes=-0", Outside),
            ("bytes=3-2", NotUnderstood),
            ("bytes=-", NotUnderstood),
            ("bytes=0-1,3-4", NotUnderstood),
            ("lines=0-1", NotUnderstood),
        ] {
            assert_eq!(span(range, 10), expected, "{range}");
        }
        assert_eq!(span("bytes=0-", 0), Outside);
    }
}
