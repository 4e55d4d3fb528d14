//! What passes is tried again, in time and as asked; the rest is not.

use std::{
    collections::VecDeque,
    sync::{Arc, Mutex},
    time::{Duration, SystemTime},
};

use async_trait::async_trait;
use futures::StreamExt;
use proptest::prelude::*;
use testkit::http::{Fault, FaultKind, HttpServer, Reply, Request as Asked};
use tokio::time::Instant;
use transport::{Error, ErrorKind, Headers, Request, Response, Retry, RetryPolicy, Transport};

use crate::{http, url};

const SECOND: Duration = Duration::from_secs(1);

/// Answers as scripted; 200 when the script is over.
#[derive(Clone, Debug, Default)]
struct Script {
    steps: Arc<Mutex<VecDeque<Step>>>,
    asked: Arc<Mutex<u32>>,
}

#[derive(Clone, Debug)]
enum Step {
    Status(u16, Option<String>),
    Fail(ErrorKind),
}

#[async_trait]
impl Transport for Script {
    async fn send(&self, request: Request) -> Result<Response, Error> {
        *self.asked.lock().expect("no test panics with it") += 1;
        let step = self.steps.lock().expect("no test panics with it").pop_front();
        let (status, retry_after) = match step {
            Some(Step::Fail(kind)) => return Err(Error::new(kind, request.url())),
            Some(Step::Status(status, retry_after)) => (status, retry_after),
            None => (200, None),
        };
        let headers: Headers =
            retry_after.map(|after| ("Retry-After".to_owned(), after)).into_iter().collect();
        Ok(Response::new(status, request.url().clone(), headers, futures::stream::empty().boxed()))
    }
}

/// Without chance, so that times can be compared.
fn policy() -> RetryPolicy {
    let mut policy = RetryPolicy::default();
    policy.jitter = 0.0;
    policy
}

/// Returns the status or kind at the end, the number of requests, and the time that passed.
async fn run(steps: impl IntoIterator<Item = Step>) -> (Result<u16, ErrorKind>, u32, Duration) {
    let script = Script { steps: Arc::new(Mutex::new(steps.into_iter().collect())), ..Script::default() };
    let start = Instant::now();
    let request = Request::get("http://127.0.0.1/".parse().expect("it is a URL"), 10);
    let outcome = Retry::new(script.clone(), policy()).send(request).await;
    let asked = *script.asked.lock().expect("no test panics with it");
    (outcome.map(|response| response.status).map_err(|error| error.kind()), asked, start.elapsed())
}

fn status(status: u16) -> Step {
    Step::Status(status, None)
}

fn after(status: u16, retry_after: &str) -> Step {
    Step::Status(status, Some(retry_after.to_owned()))
}

#[tokio::test(start_paused = true)]
async fn pauses_double_until_the_attempts_are_used_up() {
    assert_eq!(run([]).await, (Ok(200), 1, Duration::ZERO));
    assert_eq!(run([status(500), status(502)]).await, (Ok(200), 3, Duration::from_millis(1500)));
    let steps = [ErrorKind::Unreachable, ErrorKind::Timeout, ErrorKind::Server, ErrorKind::Backoff];
    assert_eq!(run(steps.map(Step::Fail)).await, (Ok(200), 5, Duration::from_millis(7500)));
    assert_eq!(run([500; 9].map(status)).await, (Ok(500), 5, Duration::from_millis(7500)));
    assert_eq!(
        run([ErrorKind::Timeout; 9].map(Step::Fail)).await,
        (Err(ErrorKind::Timeout), 5, Duration::from_millis(7500))
    );
}

#[tokio::test(start_paused = true)]
async fn what_does_not_pass_is_not_tried_again() {
    for code in [304, 400, 401, 403, 404, 410, 416] {
        assert_eq!(run([status(code)]).await, (Ok(code), 1, Duration::ZERO));
    }
    use ErrorKind::{Certificate, Denied, NotFound, Offline, Protocol, Redirect, TooLarge};
    for kind in [Certificate, Denied, NotFound, Offline, Protocol, Redirect, TooLarge] {
        assert_eq!(run([Step::Fail(kind)]).await, (Err(kind), 1, Duration::ZERO));
    }
}

#[tokio::test(start_paused = true)]
async fn retry_after_is_honoured_up_to_a_limit() {
    assert_eq!(run([after(429, "3"), after(503, "4")]).await, (Ok(200), 3, 7 * SECOND));
    // Less than our own pause, or no time at all: our own pause.
    for text in ["0", "soon", "-1", "Thu, 01 Jan 1970 00:00:00 GMT"] {
        assert_eq!(run([after(503, text)]).await, (Ok(200), 2, SECOND / 2), "{text}");
    }
    for text in ["61", "18446744073709551615"] {
        assert_eq!(run([after(503, text)]).await, (Ok(503), 1, Duration::ZERO), "{text}");
    }
    let date = httpdate::fmt_http_date(SystemTime::now() + 30 * SECOND);
    let (outcome, asked, time) = run([after(429, &date)]).await;
    assert_eq!((outcome, asked), (Ok(200), 2));
    assert!((25 * SECOND..=30 * SECOND).contains(&time), "{time:?}");
}

#[test]
fn without_retry_after_the_rate_limit_says_how_long() {
    for (value, expected) in [
        ("\"api\";r=0;t=55", Some(55)),
        ("\"api\"; r=0; t=55, \"pages\"; r=0; t=7", Some(55)),
        ("\"api\";r=3;t=55", None),
        ("\"api\";r=3;t=55, \"resolvers\";r=0;t=9", Some(9)),
        ("\"api\";r=0", None),
        ("\"api\";r=0;t=-1", None),
        ("r=0;t=5", None),
        ("", None),
    ] {
        let limit = ("RateLimit".to_owned(), value.to_owned());
        let headers: Headers = [limit.clone()].into_iter().collect();
        let asked = headers.retry_after(SystemTime::UNIX_EPOCH).map(|after| after.as_secs());
        assert_eq!(asked, expected, "{value}");
        let headers: Headers = [limit, ("retry-after".to_owned(), "2".to_owned())].into_iter().collect();
        assert_eq!(headers.retry_after(SystemTime::UNIX_EPOCH), Some(2 * SECOND), "{value}");
    }
}

#[tokio::test(start_paused = true)]
async fn no_repetition_starts_after_the_deadline() {
    let steps = ["60", "60", "60", "60"].map(|seconds| after(429, seconds));
    assert_eq!(run(steps).await, (Ok(429), 4, 180 * SECOND));
}

#[tokio::test]
async fn a_body_that_breaks_is_not_fetched_again() {
    let server = HttpServer::start(|_: &Asked| Reply::bytes(vec![0; 1000]));
    server.fault(Fault::new("/", FaultKind::status(500)).times(1));
    server.fault(Fault::new("/", FaultKind::CutAfter(10)));
    let mut quick = policy();
    quick.base = Duration::from_millis(1);
    let retry = Retry::new(http(), quick);
    let response = retry.send(Request::get(url(&server, "/"), 1000)).await.expect("the second try answers");
    assert_eq!(response.status, 200);
    let error = response.bytes().await.expect_err("it is cut");
    assert_eq!(error.kind(), ErrorKind::Unreachable);
    assert_eq!(server.requests().len(), 2);
}

proptest! {
    #[test]
    fn a_pause_is_within_its_limits(
        number in 0_u32..70, asked in proptest::option::of(0_u64..200), elapsed in 0_u64..300, chance in 0.0..=1.0,
    ) {
        let policy = RetryPolicy::default();
        let (asked, elapsed) = (asked.map(Duration::from_secs), Duration::from_secs(elapsed));
        match policy.pause(number, asked, elapsed, chance) {
            Some(pause) => {
                prop_assert!(number < policy.attempts);
                prop_assert!(pause >= asked.unwrap_or_default());
                prop_assert!(pause <= policy.cap.max(asked.unwrap_or_default()));
                prop_assert!(pause + elapsed <= policy.deadline);
                prop_assert!(pause >= policy.base / 2);
            }
            None => prop_assert!(
                number >= policy.attempts
                    || asked.is_some_and(|asked| asked > policy.max_retry_after)
                    || elapsed + policy.cap.max(asked.unwrap_or_default()) > policy.deadline
            ),
        }
    }

    #[test]
    fn no_rate_limit_makes_it_panic(value in "[\"a-z;=,rt0-9 é]{0,40}") {
        let headers: Headers = [("ratelimit".to_owned(), value)].into_iter().collect();
        let _ = headers.retry_after(SystemTime::now());
    }

    #[test]
    fn no_retry_after_makes_it_panic(value: String) {
        let headers: Headers = [("retry-after".to_owned(), value)].into_iter().collect();
        let _ = headers.retry_after(SystemTime::now());
    }
}
