//! A download goes on from what is there, and ends with the right bytes or with none.

use std::{fs, sync::Mutex};

use rs_client::{ErrorKind, FetchOptions, FetchOutcome, Limits};
use testkit::http::{Fault, FaultKind, Reply};

use crate::{
    attachments_support::{FILES, Kept, SIZE, noise, range},
    support::list,
};

/// How many bytes are gathered before they are written.
const BATCH: usize = 256 << 10;

#[tokio::test]
async fn what_was_cut_off_anywhere_is_gone_on_with_by_the_next_download() {
    let kept = Kept::new().await;
    for cut in [0, 1, 1000, BATCH - 1, BATCH, BATCH + 1, SIZE / 2, SIZE - 1] {
        kept.fault(FaultKind::CutAfter(cut as u64));
        let error = kept.fetch_by(&kept.asking(1)).await.expect_err("the connection breaks");
        assert_eq!(error.kind(), ErrorKind::Unavailable, "{cut}: {error}");
        let left = if cut == 0 { Vec::new() } else { kept.bytes[..cut].to_vec() };
        assert!(fs::read(kept.part()).unwrap_or_default() == left, "{cut}: every byte that came is kept");
        assert_eq!(kept.part().exists(), cut > 0);
        kept.asked();
        let fetched = kept.fetch_by(&kept.pair.restarted()).await.expect("the server is good");
        let expected = match cut as u64 {
            0 => FetchOutcome::Downloaded,
            from => FetchOutcome::Resumed { from },
        };
        assert_eq!(fetched.outcome, expected);
        kept.assert_good(&fetched);
        assert_eq!(kept.asked(), [range(cut)]);
        fs::remove_file(fetched.path).expect("it is there");
    }
}

#[tokio::test]
async fn a_broken_connection_is_gone_on_with_at_once_a_few_times() {
    let kept = Kept::new().await;
    let requests = Limits::default().attachment_requests as usize;
    let cuts = Fault::new(FILES, FaultKind::CutAfter(100_000)).times(requests as u64 - 1);
    kept.pair.server.fault(cuts);
    let fetched = kept.fetch().await.expect("the last request is answered");
    assert_eq!(fetched.outcome, FetchOutcome::Downloaded);
    kept.assert_good(&fetched);
    let expected: Vec<_> = (0..requests).map(|request| range(request * 100_000)).collect();
    assert_eq!(kept.asked(), expected);

    let kept = Kept::new().await;
    kept.pair.server.fault(Fault::new(FILES, FaultKind::ResetAfter(0)));
    assert_eq!(kept.fetch().await.expect_err("it always breaks").kind(), ErrorKind::Unavailable);
    assert_eq!(kept.asked(), vec![None; requests]);
    assert!(kept.names().is_empty(), "{:?}", kept.names());
}

/// Each answers a request for a range in a way that cannot be gone on with.
#[tokio::test]
async fn a_server_that_does_not_answer_with_the_range_begins_anew() {
    let half = SIZE / 2;
    let kept = Kept::new().await;
    let rest = |content_range: &str| {
        let reply = Reply::bytes(kept.bytes[half..].to_vec()).with_status(206);
        if content_range.is_empty() { reply } else { reply.header("content-range", content_range) }
    };
    let whole = Reply::bytes(kept.bytes.clone());
    let last = SIZE - 1;
    for (what, reply, requests) in [
        ("the whole file", whole, 1),
        ("416", Reply::status(416).header("content-range", format!("bytes */{half}")), 2),
        ("no Content-Range", rest(""), 2),
        ("another start", rest(&format!("bytes 0-{last}/{SIZE}")), 2),
        ("a later start", rest(&format!("bytes {}-{last}/{SIZE}", half + 1)), 2),
        ("an end behind the end", rest(&format!("bytes {half}-{SIZE}/{SIZE}")), 2),
        ("an end before the start", rest(&format!("bytes {half}-{}/{SIZE}", half - 1)), 2),
        ("another size", rest(&format!("bytes {half}-{last}/{}", SIZE + 1)), 2),
        ("no range", rest(&format!("bytes */{SIZE}")), 2),
        ("nonsense", rest("items 1-2/3"), 2),
    ] {
        fs::remove_dir_all(kept.folder.folder()).ok();
        kept.leave(&kept.bytes[..half]);
        kept.answer(reply);
        let fetched = kept.fetch().await.expect(what);
        kept.assert_good(&fetched);
        let asked = kept.asked();
        assert_eq!(asked[0], range(half), "{what}");
        assert_eq!(asked.len(), requests, "{what}");
        assert!(asked[1..].iter().all(Option::is_none), "{what}: {asked:?}");
    }
    // A part that is wrong does not matter where everything comes again.
    fs::remove_file(kept.path()).expect("it is there");
    kept.leave(&noise(half, 99));
    kept.answer(Reply::bytes(kept.bytes.clone()));
    kept.assert_good(&kept.fetch().await.expect("the server is good"));
    assert_eq!(kept.asked().len(), 1);
}

#[tokio::test]
async fn a_server_may_send_less_than_the_rest_at_a_time() {
    let kept = Kept::new().await;
    kept.leave(&kept.bytes[..100]);
    let some = Reply::bytes(kept.bytes[100..200].to_vec()).with_status(206);
    kept.answer(some.header("content-range", "bytes 100-199/*"));
    let fetched = kept.fetch().await.expect("the server is good");
    assert_eq!(fetched.outcome, FetchOutcome::Resumed { from: 100 });
    kept.assert_good(&fetched);
    assert_eq!(kept.asked(), [range(100), range(200)]);
}

#[tokio::test]
async fn what_was_put_together_wrongly_is_downloaded_once_more_as_a_whole() {
    let half = SIZE / 2;
    // The part is wrong, and the server is good.
    let kept = Kept::new().await;
    kept.leave(&noise(half, 99));
    let fetched = kept.fetch().await.expect("the server is good");
    assert_eq!(fetched.outcome, FetchOutcome::Downloaded);
    kept.assert_good(&fetched);
    assert_eq!(kept.asked(), [range(half), None]);

    // The part is right, and the rest is wrong once; within one call as well.
    for left in [half, 0] {
        let kept = Kept::new().await;
        match left {
            0 => kept.fault(FaultKind::CutAfter(half as u64)),
            left => kept.leave(&kept.bytes[..left]),
        }
        kept.fault(FaultKind::FlipByte(5));
        kept.assert_good(&kept.fetch().await.expect("the server is good in the end"));
        let asked = kept.asked();
        assert_eq!(asked[asked.len() - 2..], [range(half), None]);
    }

    // It is wrong each time.
    let kept = Kept::new().await;
    kept.leave(&kept.bytes[..half]);
    kept.pair.server.fault(Fault::new(FILES, FaultKind::FlipByte(5)));
    assert_eq!(kept.fetch().await.expect_err("it is wrong").kind(), ErrorKind::Untrusted);
    assert_eq!(kept.asked(), [range(half), None], "one retry and no more");
    assert!(kept.names().is_empty(), "{:?}", kept.names());

    // The retry is put together as well, and wrongly.
    let kept = Kept::new().await;
    kept.leave(&kept.bytes[..half]);
    kept.fault(FaultKind::FlipByte(5));
    kept.fault(FaultKind::CutAfter(half as u64));
    kept.fault(FaultKind::FlipByte(5));
    assert_eq!(kept.fetch().await.expect_err("it is wrong").kind(), ErrorKind::Untrusted);
    assert_eq!(kept.asked(), [range(half), None, range(half)], "one retry and no more");
    assert!(kept.names().is_empty(), "{:?}", kept.names());
}

#[tokio::test]
async fn a_part_that_is_whole_needs_no_request() {
    let kept = Kept::new().await;
    kept.leave(&kept.bytes);
    let fetched = kept.fetch().await.expect("it is there");
    assert_eq!(fetched.outcome, FetchOutcome::Resumed { from: SIZE as u64 });
    kept.assert_good(&fetched);
    assert!(kept.asked().is_empty());

    for wrong in [noise(SIZE, 99), noise(SIZE + 1, 99)] {
        let kept = Kept::new().await;
        kept.leave(&wrong);
        kept.assert_good(&kept.fetch().await.expect("the server is good"));
        assert_eq!(kept.asked(), [None]);
    }
}

/// Whoever is asked to log in first finds the part as it was.
#[tokio::test]
async fn a_captive_portal_does_not_cost_what_is_there() {
    let kept = Kept::new().await;
    kept.leave(&kept.bytes[..SIZE / 2]);
    kept.fault(FaultKind::captive_portal());
    assert_eq!(kept.fetch().await.expect_err("it is a web page").kind(), ErrorKind::Untrusted);
    kept.asked();
    let fetched = kept.fetch().await.expect("the server is good");
    assert_eq!(fetched.outcome, FetchOutcome::Resumed { from: SIZE as u64 / 2 });
    kept.assert_good(&fetched);
}

#[tokio::test]
async fn a_dropped_download_can_be_gone_on_with() {
    let kept = Kept::new().await;
    kept.fault(FaultKind::StallAfter(SIZE as u64 - 1));
    {
        let enough = tokio::sync::Notify::new();
        let progress = |received, _| {
            if received == SIZE as u64 - 1 {
                enough.notify_one();
            }
        };
        let options = FetchOptions::default().progress(&progress);
        let name = list();
        let fetch = kept.pair.client.fetch_attachment_with(&name, "a", &kept.folder, &options);
        tokio::select! {
            _ = fetch => panic!("the last byte does not come"),
            () = enough.notified() => {}
        }
    }
    kept.asked();
    let fetched = kept.fetch().await.expect("the server is good");
    let FetchOutcome::Resumed { from } = fetched.outcome else { panic!("{:?}", fetched.outcome) };
    assert!(from as usize > SIZE - 1 - BATCH, "{from}");
    kept.assert_good(&fetched);
    assert_eq!(kept.asked(), [range(from as usize)]);
}

#[tokio::test]
async fn a_client_that_is_shut_down_keeps_what_has_come() {
    let kept = Kept::new().await;
    let stall = SIZE as u64 - 1;
    kept.fault(FaultKind::StallAfter(stall));
    let client = &kept.pair.client;
    let progress = |received, _| {
        if received == stall {
            client.shutdown();
        }
    };
    let options = FetchOptions::default().progress(&progress);
    let error = client.fetch_attachment_with(&list(), "a", &kept.folder, &options).await;
    assert_eq!(error.expect_err("it was shut down").kind(), ErrorKind::Shutdown);
    let fetched = kept.fetch_by(&kept.pair.restarted()).await.expect("the server is good");
    assert_eq!(fetched.outcome, FetchOutcome::Resumed { from: stall });
    kept.assert_good(&fetched);
    // Held files need no network, and so no client that is open for it.
    assert_eq!(kept.fetch().await.expect("it is there").outcome, FetchOutcome::Held);
}

#[tokio::test]
async fn progress_counts_what_was_there_and_goes_back_where_it_begins_anew() {
    let kept = Kept::new().await;
    kept.leave(&noise(1000, 99));
    let seen = Mutex::new(Vec::new());
    let progress = |received, _| seen.lock().expect("nobody panics").push(received);
    let options = FetchOptions::default().progress(&progress);
    let fetched = kept.pair.client.fetch_attachment_with(&list(), "a", &kept.folder, &options).await;
    kept.assert_good(&fetched.expect("the server is good"));
    let seen = seen.into_inner().expect("nobody panics");
    assert_eq!((seen[0], seen.last()), (1000, Some(&(SIZE as u64))));
    assert_eq!(seen.iter().filter(|received| **received == SIZE as u64).count(), 2);
    assert!(seen.contains(&0), "{seen:?}");
}
