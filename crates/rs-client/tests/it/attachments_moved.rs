//! A file that is no longer where its record says.

use rs_client::{ErrorKind, FetchOutcome};
use serde_json::json;
use testkit::http::{Fault, FaultKind, Reply};

use crate::{
    attachments_support::{Kept, noise},
    support::{LIST, list},
};

/// The place of the file by the record that the server has now.
fn place(kept: &Kept) -> String {
    let record = &kept.pair.server.changeset(LIST)["changes"][0];
    let location = record["attachment"]["location"].as_str().expect("it is text");
    format!("/attachments/{location}")
}

fn targets(kept: &Kept) -> Vec<String> {
    kept.pair
        .requests()
        .iter()
        .map(|target| target.split('?').next().unwrap_or_default().to_owned())
        .collect()
}

#[tokio::test]
async fn a_file_that_has_moved_is_found_by_one_sync() {
    let changeset = format!("/v1/buckets/main/collections/{LIST}/changeset");
    for same in [true, false] {
        let kept = Kept::new().await;
        let old = place(&kept);
        kept.pair.server.fault(Fault::new(&old, FaultKind::status(404)));
        let bytes = if same { kept.bytes.clone() } else { noise(5000, 7) };
        kept.pair.server.set_attachment(LIST, "a", "file.bin", bytes.clone());
        let new = place(&kept);
        assert_ne!(old, new);
        let fetched = kept.fetch().await.expect("it is elsewhere");
        assert_eq!(fetched.outcome, FetchOutcome::Downloaded);
        assert_eq!(fetched.attachment.content, content_id::ContentId::of(&bytes));
        assert_eq!(std::fs::read(&fetched.path).expect("it is there"), bytes);
        let requests = targets(&kept);
        let files: Vec<_> = requests.iter().filter(|target| target.starts_with("/attachments/")).collect();
        assert_eq!(files, [&old, &new]);
        assert_eq!(requests.iter().filter(|target| **target == changeset).count(), 1);
    }
}

#[tokio::test]
async fn what_came_of_a_file_before_it_moved_is_used() {
    let kept = Kept::new().await;
    kept.leave(&kept.bytes[..300_000]);
    kept.pair.server.fault(Fault::new(place(&kept), FaultKind::status(404)));
    kept.pair.server.set_attachment(LIST, "a", "file.bin", kept.bytes.clone());
    let fetched = kept.fetch().await.expect("it is elsewhere");
    assert_eq!(fetched.outcome, FetchOutcome::Resumed { from: 300_000 });
    kept.assert_good(&fetched);
}

#[tokio::test]
async fn a_file_that_is_gone_for_good_is_not_found() {
    for status in [404, 410] {
        let kept = Kept::new().await;
        kept.pair.server.fault(Fault::new("/attachments/*", FaultKind::status(status)));
        let error = kept.fetch().await.expect_err("it is gone");
        assert_eq!(error.kind(), ErrorKind::NotFound, "{error}");
        assert!(error.to_string().contains("\"file.bin\""), "{error}");
        assert_eq!(kept.asked().len(), 2, "one retry and no more");
        assert!(kept.names().is_empty(), "{:?}", kept.names());
    }
}

#[tokio::test]
async fn a_file_that_went_with_its_record_is_not_found() {
    for bare in [false, true] {
        let kept = Kept::new().await;
        kept.pair.server.fault(Fault::new("/attachments/*", FaultKind::status(404)));
        match bare {
            false => kept.pair.server.delete_record(LIST, "a"),
            true => kept.pair.server.set_record(LIST, json!({"id": "a"})),
        };
        // The list must not become empty.
        kept.pair.set("b");
        let error = kept.fetch().await.expect_err("the record is gone");
        assert_eq!(error.kind(), ErrorKind::NotFound, "{error}");
        assert!(error.to_string().contains("record \"a\""), "{error}");
        assert_eq!(kept.asked().len(), 1);
    }
}

#[tokio::test]
async fn where_the_new_place_cannot_be_learnt_the_reason_is_told() {
    let kept = Kept::new().await;
    kept.pair.server.fault(Fault::new("/attachments/*", FaultKind::status(404)));
    kept.pair.server.fault(Fault::new("/v1/buckets/*", FaultKind::status(500)).times(1));
    let error = kept.fetch().await.expect_err("no sync");
    assert_eq!(error.kind(), ErrorKind::Unavailable, "{error}");
    assert!(error.to_string().contains("attachment of a is not at its place"), "{error}");
    assert_eq!(kept.asked().len(), 1);
    assert_eq!(
        kept.pair.client.load(&list()).await.expect("it is good").expect("it is there").records.len(),
        1
    );
}

/// The base address of attachments may have changed since this client has asked for it.
#[tokio::test]
async fn the_base_address_is_asked_for_again() {
    let kept = Kept::new().await;
    let base = kept.pair.server.url().replace("/v1", "/old");
    let info = json!({"capabilities": {"attachments": {"base_url": base}}});
    kept.pair.server.fault(Fault::new("/v1/", FaultKind::Reply(Reply::json(&info))).times(1));
    let fetched = kept.fetch().await.expect("it is below the new base");
    kept.assert_good(&fetched);
    let requests = targets(&kept);
    assert_eq!(requests[0], "/v1/");
    assert!(requests[1].starts_with("/old/"), "{requests:?}");
}
