//! The scenarios on Azurite's blob server.

use super::{scenarios, server::Kind};

#[tokio::test(flavor = "multi_thread")]
async fn azure_passes_the_conformance_suite() {
    scenarios::conformance(Kind::Azure).await;
}

#[tokio::test(flavor = "multi_thread")]
async fn azure_lets_one_of_many_conditional_puts_win() {
    scenarios::conditional_puts(Kind::Azure).await;
}

#[tokio::test(flavor = "multi_thread")]
async fn one_process_downloads_and_another_gets_it_from_azure_without_the_hub() {
    scenarios::one_downloads_another_gets(Kind::Azure).await;
}

#[tokio::test(flavor = "multi_thread")]
async fn processes_that_delete_and_collect_at_once_lose_nothing_on_azure() {
    scenarios::delete_and_collect(Kind::Azure).await;
}

#[tokio::test(flavor = "multi_thread")]
async fn azure_stops_in_the_middle_and_comes_back() {
    scenarios::stops_and_comes_back(Kind::Azure).await;
}
