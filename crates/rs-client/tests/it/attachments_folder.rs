//! A folder has whole files under names of its own, or none.

use std::{fs, sync::Arc, sync::Mutex};

use content_id::ContentId;
use rs_client::{AttachmentFolder, Client, ErrorKind, FetchOptions, FetchOutcome, Limits};
use serde_json::json;
use testkit::http::{Fault, FaultKind};

use crate::{
    attachments_support::{FILES, Kept, SIZE, noise, range},
    support::{LIST, Pair, list},
};

#[tokio::test]
async fn a_file_is_downloaded_once_and_held_from_then_on() {
    let kept = Kept::new().await;
    let seen = Mutex::new(Vec::new());
    let progress = |received, size| seen.lock().expect("nobody panics").push((received, size));
    let options = FetchOptions::default().progress(&progress);
    let client = &kept.pair.client;
    let fetched = client.fetch_attachment_with(&list(), "a", &kept.folder, &options).await;
    let fetched = fetched.expect("the server is good");
    assert_eq!(fetched.outcome, FetchOutcome::Downloaded);
    kept.assert_good(&fetched);
    let seen = seen.into_inner().expect("nobody panics");
    assert_eq!((seen.first(), seen.last()), (Some(&(0, SIZE as u64)), Some(&(SIZE as u64, SIZE as u64))));
    assert!(seen.is_sorted(), "{seen:?}");
    assert_eq!(kept.asked(), [None]);

    kept.pair.server.stop();
    for folder in [kept.folder.clone(), AttachmentFolder::open(kept.folder.folder())] {
        for client in [client, &kept.pair.restarted()] {
            let again = client.fetch_attachment(&list(), "a", &folder).await.expect("no server is needed");
            assert_eq!(again.outcome, FetchOutcome::Held);
            kept.assert_good(&again);
        }
    }
}

#[tokio::test]
async fn opening_a_folder_does_nothing() {
    let root = tempfile::tempdir().expect("there is room for a folder");
    let folder = AttachmentFolder::open(root.path().join("a/b"));
    assert_eq!(folder.get(ContentId::of(b"x")).await.expect("nothing is there"), None);
    assert!(!folder.folder().exists());
    folder.put(ContentId::of(b"x"), &b"x"[..]).await.expect("folders are made");
    assert!(folder.folder().exists());
}

#[tokio::test]
async fn a_file_that_was_damaged_is_brought_anew() {
    let kept = Kept::new().await;
    kept.fetch().await.expect("the server is good");
    let mut flipped = kept.bytes.clone();
    flipped[SIZE / 2] ^= 1;
    let mut longer = kept.bytes.clone();
    longer.push(0);
    for damaged in [&flipped[..], &longer, &kept.bytes[1..], b""] {
        // By length, or by time of modification.
        fs::write(kept.path(), damaged).expect("it can be written");
        assert_eq!(kept.folder.get(kept.content).await.expect("it can be read"), None);
        let fetched = kept.fetch().await.expect("the server is good");
        assert_eq!(fetched.outcome, FetchOutcome::Downloaded);
        kept.assert_good(&fetched);
    }
    // Damage that does not show is found by whoever opens the folder next.
    let modified = fs::metadata(kept.path()).and_then(|file| file.modified()).expect("files have times");
    fs::write(kept.path(), &flipped).expect("it can be written");
    let file = fs::File::options().append(true).open(kept.path()).expect("it can be written");
    file.set_modified(modified).expect("a file's times can be set");
    let anew = AttachmentFolder::open(kept.folder.folder());
    assert_eq!(anew.get(kept.content).await.expect("it can be read"), None);
}

#[tokio::test]
async fn a_record_without_a_file_is_not_found_and_named() {
    let kept = Kept::new().await;
    kept.pair.set("bare");
    kept.pair.server.set_attachment(LIST, "gone", "file.bin", b"x".to_vec());
    kept.pair.client.sync(&list()).await.expect("the server is good");
    kept.pair.server.delete_record(LIST, "gone");
    kept.pair.client.sync(&list()).await.expect("the server is good");
    kept.pair.requests();
    for id in ["bare", "gone", "never-was", "../../etc/passwd", ""] {
        let error = kept.pair.client.fetch_attachment(&list(), id, &kept.folder).await.expect_err(id);
        assert_eq!(error.kind(), ErrorKind::NotFound);
        assert!(error.to_string().contains(&format!("{id:?}")), "{error}");
    }
    let other = Pair::new();
    let error = other.client.fetch_attachment(&list(), "a", &kept.folder).await.expect_err("no copy");
    assert_eq!(error.kind(), ErrorKind::NotFound);
    assert!(error.to_string().ends_with("there is no local copy; sync first"), "{error}");
    assert!(kept.pair.requests().is_empty() && other.requests().is_empty());
    assert!(!kept.folder.folder().exists());
}

#[tokio::test]
async fn records_that_describe_the_same_file_share_it() {
    let kept = Kept::new().await;
    kept.pair.server.set_attachment(LIST, "b", "another-name.bin", kept.bytes.clone());
    kept.pair.client.sync(&list()).await.expect("the server is good");
    kept.fetch().await.expect("the server is good");
    let other = kept.pair.client.fetch_attachment(&list(), "b", &kept.folder).await.expect("it is there");
    assert_eq!(other.outcome, FetchOutcome::Held);
    kept.assert_good(&other);
}

#[tokio::test]
async fn nothing_of_a_wrong_file_is_left() {
    let kept = Kept::new().await;
    for kind in [
        FaultKind::FlipByte(0),
        FaultKind::FlipByte(SIZE as u64 - 1),
        FaultKind::Truncate(SIZE as u64 - 1),
        FaultKind::Truncate(0),
        FaultKind::ExtraBytes(1),
        FaultKind::captive_portal(),
    ] {
        let shown = format!("{kind:?}");
        kept.fault(kind);
        let error = kept.fetch().await.expect_err(&shown);
        assert_eq!(error.kind(), ErrorKind::Untrusted, "{shown}: {error}");
        assert!(kept.names().is_empty(), "{shown}: {:?}", kept.names());
        assert_eq!(kept.asked(), [None], "{shown}");
    }
    // The length that is announced is none, and the body is too long or too short.
    for bytes in [&kept.bytes[1..], &[&kept.bytes[..], b"x"].concat()] {
        let reply = testkit::http::Reply::bytes(bytes.to_vec()).header("transfer-encoding", "chunked");
        kept.answer(reply);
        assert_eq!(kept.fetch().await.expect_err("another size").kind(), ErrorKind::Untrusted);
        assert!(kept.names().is_empty(), "{:?}", kept.names());
    }
}

#[tokio::test]
async fn what_cannot_be_had_leaves_nothing() {
    let kept = Kept::new().await;
    let offline = Client::builder(
        kept.pair.client.server().clone(),
        Arc::new(transport::Offline::default()),
        kept.pair.storage.clone(),
    );
    assert_eq!(kept.fetch_by(&offline.build()).await.expect_err("offline").kind(), ErrorKind::Offline);
    let mut limits = Limits::default();
    limits.attachment_bytes = SIZE as u64 - 1;
    let error = kept.fetch_by(&kept.pair.builder().limits(limits).build()).await.expect_err("too large");
    assert_eq!(error.kind(), ErrorKind::TooLarge);
    assert!(kept.asked().is_empty());
    for (status, expected) in
        [(403, ErrorKind::Denied), (500, ErrorKind::Unavailable), (204, ErrorKind::Protocol)]
    {
        kept.fault(FaultKind::status(status));
        assert_eq!(kept.fetch().await.expect_err("no file").kind(), expected, "{status}");
    }
    assert!(kept.names().is_empty(), "{:?}", kept.names());
}

#[tokio::test]
async fn an_empty_file_is_a_file() {
    let kept = Kept::with(Vec::new()).await;
    let fetched = kept.fetch().await.expect("the server is good");
    kept.assert_good(&fetched);
    assert_eq!(kept.fetch().await.expect("it is there").outcome, FetchOutcome::Held);
}

#[tokio::test]
async fn a_folder_that_is_none_is_a_storage_error() {
    let kept = Kept::new().await;
    fs::write(kept.outside().join("attachments"), "in the way").expect("there is room");
    assert_eq!(kept.fetch().await.expect_err("no folder").kind(), ErrorKind::Storage);
    let put = kept.folder.put(ContentId::of(b"x"), &b"x"[..]).await;
    assert_eq!(put.expect_err("no folder").kind(), ErrorKind::Storage);
}

#[tokio::test]
async fn a_file_can_be_put_there_if_it_is_the_right_one() {
    let kept = Kept::new().await;
    let error = kept.folder.put(kept.content, kept.bytes[1..].to_vec()).await.expect_err("it is another");
    assert_eq!(error.kind(), ErrorKind::Untrusted);
    for _ in 0..2 {
        let path = kept.folder.put(kept.content, kept.bytes.clone()).await.expect("it is right");
        assert_eq!(path, kept.path());
    }
    let fetched = kept.fetch().await.expect("it is there");
    assert_eq!(fetched.outcome, FetchOutcome::Held);
    kept.assert_good(&fetched);
    assert!(kept.asked().is_empty());
}

#[test]
fn a_folder_works_without_a_runtime() {
    let root = tempfile::tempdir().expect("there is room for a folder");
    let folder = AttachmentFolder::open(root.path());
    futures::executor::block_on(async {
        let content = ContentId::of(b"bytes");
        let put = folder.put(content, &b"bytes"[..]).await.expect("it is right");
        assert_eq!(folder.get(content).await.expect("it can be read"), Some(put));
    });
}

/// What the server chooses is a name in a message at most.
#[tokio::test]
async fn nothing_that_the_server_says_becomes_a_path() {
    let kept = Kept::new().await;
    let record = kept.pair.server.changeset(LIST)["changes"][0].clone();
    for filename in ["../../escaped", "/tmp/escaped", "C:\\escaped", ".part", "a/b", "\u{0}"] {
        let mut record = record.clone();
        record["attachment"]["filename"] = json!(filename);
        record["attachment"]["mimetype"] = json!("../x");
        kept.pair.server.set_record(LIST, record);
        kept.pair.client.sync(&list()).await.expect("the server is good");
        fs::remove_dir_all(kept.folder.folder()).ok();
        let fetched = kept.fetch().await.expect("the server is good");
        assert_eq!(fetched.attachment.filename, filename);
        kept.assert_good(&fetched);
        assert_eq!(crate::attachments_support::names(kept.outside()), ["attachments"]);
    }
}

#[cfg(unix)]
#[tokio::test]
async fn who_may_read_a_file_is_left_to_the_umask() {
    use std::os::unix::fs::PermissionsExt as _;
    let kept = Kept::new().await;
    let put = kept.folder.put(ContentId::of(b"x"), &b"x"[..]).await.expect("it is right");
    let usual = kept.outside().join("usual");
    fs::write(&usual, "any file").expect("there is room");
    let mode = |path: &std::path::Path| fs::metadata(path).expect("it is there").permissions().mode();
    for path in [put, kept.fetch().await.expect("the server is good").path] {
        assert_eq!(mode(&path), mode(&usual));
    }
}

/// A symlink, a FIFO or another name of some file, planted where files of the folder are to be.
#[cfg(unix)]
#[tokio::test]
async fn what_is_no_plain_file_is_replaced_and_neither_followed_nor_waited_for() {
    use std::os::unix::fs::symlink;
    let kept = Kept::new().await;
    let outside = kept.outside().join("outside");
    let fifo = |path: &std::path::Path| {
        let made = std::process::Command::new("mkfifo").arg(path).status();
        assert!(made.expect("mkfifo is there").success());
    };
    type Plant<'a> = (&'a str, &'a dyn Fn(&std::path::Path));
    let plants: [Plant; 4] = [
        ("a symlink", &|path| symlink(&outside, path).expect("links can be made")),
        ("a symlink to nothing", &|path| symlink("nothing", path).expect("links can be made")),
        ("a FIFO", &fifo),
        ("another name", &|path| fs::hard_link(&outside, path).expect("links can be made")),
    ];
    for (what, plant) in plants {
        for path in [kept.path(), kept.part()] {
            // What a follower would take for the file, or write to.
            fs::write(&outside, &kept.bytes[..SIZE / 2]).expect("there is room");
            fs::create_dir_all(kept.folder.folder()).expect("a folder can be made");
            plant(&path);
            let fetched = kept.fetch().await.expect(what);
            assert_eq!(fetched.outcome, FetchOutcome::Downloaded, "{what} {path:?}");
            assert!(fs::symlink_metadata(&fetched.path).expect("it is there").is_file(), "{what}");
            assert!(fs::read(&fetched.path).expect("it is there") == kept.bytes, "{what}");
            assert!(fs::read(&outside).expect("it is there") == kept.bytes[..SIZE / 2], "{what}");
            fs::remove_dir_all(kept.folder.folder()).expect("it can be removed");
        }
    }
    assert!(kept.asked().iter().all(Option::is_none));
}

/// The sink goes on as well, and what it has is skipped where the server sends everything again.
#[tokio::test]
async fn a_sink_gets_each_byte_once_over_broken_connections() {
    let kept = Kept::with(noise(300_000, 2)).await;
    let copy = kept.pair.client.load(&list()).await.expect("it is good").expect("it is there");
    let attachment = copy.records["a"].attachment().expect("it is proper").expect("it is there");
    for whole in [false, true] {
        kept.fault(FaultKind::CutAfter(100_000));
        match whole {
            false => kept.fault(FaultKind::CutAfter(50_000)),
            true => kept.answer(testkit::http::Reply::bytes(kept.bytes.clone())),
        }
        let mut sink = Vec::new();
        kept.pair.client.download_attachment(&attachment, &mut sink).await.expect("it is good in the end");
        assert!(sink == kept.bytes, "other bytes");
        let mut asked = vec![None, range(100_000)];
        asked.extend((!whole).then(|| range(150_000)));
        assert_eq!(kept.asked(), asked);
        kept.pair.server.http().clear_faults();
    }
    kept.pair.server.fault(Fault::new(FILES, FaultKind::CutAfter(10)));
    let error = kept.pair.client.download_attachment(&attachment, &mut Vec::new()).await;
    assert_eq!(error.expect_err("it always breaks").kind(), ErrorKind::Unavailable);
    assert_eq!(kept.asked().len(), Limits::default().attachment_requests as usize);
    kept.pair.server.http().clear_faults();
    kept.fault(FaultKind::CutAfter(10));
    kept.fault(FaultKind::FlipByte(0));
    let error = kept.pair.client.download_attachment(&attachment, &mut Vec::new()).await;
    assert_eq!(error.expect_err("the rest is wrong").kind(), ErrorKind::Untrusted);
}
