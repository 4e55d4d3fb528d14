//! A wrong clock is noticed, named, and only where that was asked for worked around.

use std::time::{Duration, SystemTime};

use rs_client::{CertificateProblem, ErrorKind, Storage};
use testkit::{pki::Validity, settings::ApiVersion, settings::SettingsOptions};

use crate::support::{DAY, Pair, VERSIONS, ids, list};

/// 2026-01-01T00:00:00Z
const NEW_YEAR: Duration = Duration::from_secs(1_767_225_600);

fn new_year() -> SystemTime {
    SystemTime::UNIX_EPOCH + NEW_YEAR
}

async fn remembered(pair: &Pair) -> Option<String> {
    let key = format!("{}/(server)", pair.server.url());
    let stored = pair.storage.load(&key).await.expect("memory can be read")?;
    Some(String::from_utf8(stored.bytes.to_vec()).expect("it is text"))
}

#[tokio::test]
async fn the_clocks_difference_is_measured() {
    for version in VERSIONS {
        let pair = Pair::of(version);
        assert_eq!(pair.client.clock_skew(), None);
        pair.client.sync(&list()).await.expect("the server is good");
        assert!(pair.client.clock_skew().is_some_and(|skew| skew.abs() <= 30));

        pair.clock.set(SystemTime::now() + Duration::from_secs(5000));
        pair.client.sync(&list()).await.expect("the server is good");
        assert!(pair.client.clock_skew().is_some_and(|skew| (4970..=5030).contains(&skew)));
        pair.clock.set(SystemTime::now() - Duration::from_secs(5000));
        pair.client.sync_all(&[list()]).await.expect("the server is good");
        assert!(pair.client.clock_skew().is_some_and(|skew| (-5030..=-4970).contains(&skew)));
    }
}

/// An answer from a cache was made before: `Age` says how long.
#[tokio::test]
async fn the_age_of_an_answer_counts() {
    let pair = Pair::of(ApiVersion::V1);
    let date = httpdate::fmt_http_date(SystemTime::now() - Duration::from_secs(1000));
    pair.server.set_header("date", Some(&date));
    pair.server.set_header("age", Some("1000"));
    pair.client.sync(&list()).await.expect("the server is good");
    assert!(pair.client.clock_skew().is_some_and(|skew| skew.abs() <= 30));
    for nonsense in ["-5", "", "soon"] {
        pair.server.set_header("age", Some(nonsense));
        pair.client.sync(&list()).await.expect("the server is good");
        assert!(pair.client.clock_skew().is_some_and(|skew| (970..=1030).contains(&skew)), "{nonsense}");
    }
    // Absurd values must not make anything overflow.
    pair.server.set_header("age", Some("18446744073709551615"));
    pair.client.sync(&list()).await.expect("the server is good");
}

#[tokio::test]
async fn a_difference_that_matters_is_remembered() {
    let pair = Pair::of(ApiVersion::V1);
    pair.clock.set(SystemTime::now() + Duration::from_secs(200));
    pair.client.sync(&list()).await.expect("the server is good");
    assert_eq!(remembered(&pair).await, None, "a few minutes are not worth a write");
    pair.clock.set(SystemTime::now() + Duration::from_secs(9000));
    pair.client.sync(&list()).await.expect("the server is good");
    let document = remembered(&pair).await.expect("hours are");
    let restarted = pair.restarted();
    pair.server.stop();
    restarted.sync(&list()).await.expect_err("nobody answers");
    assert!(restarted.clock_skew().is_some_and(|skew| (8970..=9030).contains(&skew)));
    assert_eq!(remembered(&pair).await.as_deref(), Some(&document[..]), "nothing new, nothing written");
}

/// The chain is valid around 2026-01-01, where the server is; the client is not.
fn pair_of_new_year(version: ApiVersion) -> Pair {
    let around = |before: u32, after: u32| {
        let mut validity = Validity::days(0, 0);
        (validity.not_before, validity.not_after) = (new_year() - before * DAY, new_year() + after * DAY);
        validity
    };
    let mut options = SettingsOptions::default();
    options.version = version;
    options.timestamps_from = Some(1_767_000_000_000);
    options.chain.leaf = around(10, 70);
    options.chain.intermediate = around(100, 3000);
    options.chain.root = around(1000, 7000);
    let pair = Pair::with(options);
    pair.set("a");
    // As a cache that made its answer an hour ago.
    pair.server.set_header("date", Some("Wed, 31 Dec 2025 23:00:00 GMT"));
    pair.server.set_header("age", Some("3600"));
    pair
}

#[tokio::test]
async fn a_wrong_clock_is_named_as_the_cause() {
    for version in VERSIONS {
        let pair = pair_of_new_year(version);
        for (local, problem, words) in [
            (new_year() + 100 * DAY, CertificateProblem::Expired, "100 days ahead"),
            (new_year() - 300 * DAY, CertificateProblem::NotYetValid, "300 days behind"),
            (SystemTime::UNIX_EPOCH, CertificateProblem::NotYetValid, "20454 days behind"),
        ] {
            pair.clock.set(local);
            let error = pair.client.sync(&list()).await.expect_err("the chain is not valid then");
            assert_eq!((error.kind(), error.certificate()), (ErrorKind::Clock, Some(problem)), "{error}");
            let expected =
                format!("the server's clock shows 2026-01-01T00:00:00Z: the local clock is {words}");
            assert!(error.to_string().ends_with(&expected), "{error}");
        }
        pair.clock.set(new_year());
        pair.client.sync(&list()).await.expect("the clock is right");
    }
}

/// Where both clocks agree that a certificate has expired, the clock is not to blame.
#[tokio::test]
async fn an_expired_chain_is_not_blamed_on_the_clock() {
    let pair = pair_of_new_year(ApiVersion::V1);
    pair.server.set_header("date", None);
    pair.server.set_header("age", None);
    pair.clock.set(SystemTime::now());
    let error = pair.client.sync(&list()).await.expect_err("it has expired");
    assert_eq!(error.kind(), ErrorKind::Certificate, "{error}");
}

#[tokio::test]
async fn the_servers_time_is_used_only_where_that_is_asked_for() {
    for version in VERSIONS {
        for local in [new_year() + 100 * DAY, new_year() - 300 * DAY, SystemTime::UNIX_EPOCH] {
            let pair = pair_of_new_year(version);
            pair.clock.set(local);
            assert_eq!(pair.client.sync(&list()).await.expect_err("that is off").kind(), ErrorKind::Clock);
            let trusting = pair.builder().dangerously_trust_server_time(true).build();
            let report = trusting.sync(&list()).await.expect("it is valid at the server's time");
            assert_eq!(report.collection.verified_at(), new_year());
            // The copy is verified again at that time, by whomever.
            let copy = pair.restarted().load(&list()).await.expect("the copy is good").expect("there is one");
            assert_eq!(ids(&copy), ["a"]);
            pair.requests();
            trusting.sync_all(&[list()]).await.expect("the server is good");
            assert_eq!(pair.requests().len(), 1, "an expired certificate would be asked for again each time");
        }
    }
}

/// The server's time does not make a chain good that is good at neither time.
#[tokio::test]
async fn the_servers_time_is_no_way_around_a_bad_chain() {
    let pair = pair_of_new_year(ApiVersion::V1);
    let trusting = pair.builder().dangerously_trust_server_time(true).build();
    pair.server.set_header("date", Some("Thu, 01 Jan 2015 00:00:00 GMT"));
    pair.clock.set(new_year() + 100 * DAY);
    let error = trusting.sync(&list()).await.expect_err("it is valid at neither time");
    assert_eq!(error.kind(), ErrorKind::Certificate, "{error}");
    assert!(trusting.load(&list()).await.expect("nothing is damaged").is_none());
}
