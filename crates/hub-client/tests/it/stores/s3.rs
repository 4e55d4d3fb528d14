//! The scenarios on moto's S3 server.

use super::{scenarios, server::Kind};

#[tokio::test(flavor = "multi_thread")]
async fn s3_passes_the_conformance_suite() {
    scenarios::conformance(Kind::S3).await;
}

#[tokio::test(flavor = "multi_thread")]
async fn a_tier_over_s3_passes_the_conformance_suite() {
    scenarios::conformance_of_a_tier(Kind::S3).await;
}

#[tokio::test(flavor = "multi_thread")]
async fn s3_lets_one_of_many_conditional_puts_win() {
    scenarios::conditional_puts(Kind::S3).await;
}

#[tokio::test(flavor = "multi_thread")]
async fn one_process_downloads_and_another_gets_it_from_s3_without_the_hub() {
    scenarios::one_downloads_another_gets(Kind::S3).await;
}

#[tokio::test(flavor = "multi_thread")]
async fn processes_that_delete_and_collect_at_once_lose_nothing_on_s3() {
    scenarios::delete_and_collect(Kind::S3).await;
}

#[tokio::test(flavor = "multi_thread")]
async fn s3_stops_in_the_middle_and_comes_back() {
    scenarios::stops_and_comes_back(Kind::S3).await;
}
