//! Several programs, several downloads, one folder.

use std::{
    fs,
    process::{Child, Command, Stdio},
    sync::Arc,
    time::Duration,
};

use rs_client::{AttachmentFolder, FetchOutcome, FileStorage};
use testkit::http::FaultKind;

use crate::{
    attachments_support::{Kept, SIZE, range},
    support::{builder, list},
};

/// Tells the child what to do: the server, its root, the storage and the folder.
const CHILD: &str = "RS_CLIENT_TEST_FETCH";

#[tokio::test]
async fn of_two_downloads_at_once_one_waits() {
    let kept = Arc::new(Kept::new().await);
    kept.fault(FaultKind::Hold);
    let fetches: Vec<_> = [kept.pair.restarted(), kept.pair.restarted()]
        .into_iter()
        .map(|client| {
            let kept = Arc::clone(&kept);
            tokio::spawn(async move { kept.fetch_by(&client).await })
        })
        .collect();
    // Both have asked what the server is, if both ask anything; the file is asked for once.
    while kept.pair.server.requests().iter().all(|request| !request.target.starts_with("/attachments/")) {
        tokio::task::yield_now().await;
    }
    kept.pair.server.http().release();
    let mut outcomes = Vec::new();
    for fetched in futures::future::join_all(fetches).await {
        let fetched = fetched.expect("it does not panic").expect("the server is good");
        kept.assert_good(&fetched);
        outcomes.push(fetched.outcome);
    }
    outcomes.sort_by_key(|outcome| *outcome == FetchOutcome::Held);
    assert_eq!(outcomes, [FetchOutcome::Downloaded, FetchOutcome::Held]);
    assert_eq!(kept.asked(), [None]);
}

/// Somebody holds the part, and nothing happens.
#[tokio::test]
async fn whoever_gets_nothing_is_not_waited_for_for_ever() {
    let kept = Kept::new().await;
    kept.leave(b"some bytes");
    let stopped = fs::File::open(kept.part()).expect("it is there");
    stopped.lock().expect("nobody else holds it");
    let folder = AttachmentFolder::open(kept.folder.folder()).patience(Duration::from_millis(100));
    let fetched = kept.pair.client.fetch_attachment(&list(), "a", &folder).await.expect("the server is good");
    assert_eq!(fetched.outcome, FetchOutcome::Downloaded);
    assert!(fs::read(&fetched.path).expect("it is there") == kept.bytes);
    assert_eq!(fs::read(kept.part()).expect("it is there"), b"some bytes", "it is not ours");
}

/// What the process does that is killed; does nothing where it is run as a test.
#[tokio::test]
async fn a_child_that_fetches() {
    let Ok(arguments) = std::env::var(CHILD) else { return };
    let [url, root, storage, folder] = arguments.split('\n').collect::<Vec<_>>()[..] else {
        panic!("four arguments")
    };
    let client = builder(url, root, Arc::new(FileStorage::open(storage))).build();
    client.sync(&list()).await.expect("the server is good");
    let fetched = client.fetch_attachment(&list(), "a", &AttachmentFolder::open(folder)).await;
    println!("{:?}", fetched.expect("the server is good").outcome);
}

fn child(kept: &Kept) -> Child {
    let program = std::env::current_exe().expect("a test is a program");
    command(kept, Command::new(program)).spawn().expect("a test can be run")
}

fn command(kept: &Kept, mut program: Command) -> Command {
    let storage = kept.outside().join("storage").display().to_string();
    let folder = kept.folder.folder().display().to_string();
    let arguments = [kept.pair.server.url(), kept.pair.server.root_hash(), storage, folder].join("\n");
    program
        .args(["--exact", "attachments_shared::a_child_that_fetches", "--nocapture"])
        .env(CHILD, arguments)
        .stdout(Stdio::null());
    program
}

/// Killed while others wait for it: one of them goes on from where it was.
#[tokio::test]
async fn what_a_killed_program_has_brought_is_gone_on_with() {
    let kept = Arc::new(Kept::new().await);
    let stall = SIZE as u64 - 1;
    kept.fault(FaultKind::StallAfter(stall));
    let mut killed = child(&kept);
    let length = || fs::metadata(kept.part()).map_or(0, |part| part.len());
    while length() == 0 {
        assert!(killed.try_wait().expect("it can be asked").is_none(), "the child has ended");
        tokio::task::yield_now().await;
    }
    let waiting = tokio::spawn({
        let kept = Arc::clone(&kept);
        async move { kept.fetch().await }
    });
    killed.kill().expect("it runs");
    killed.wait().expect("it was there");
    let left = length();
    kept.asked();
    let fetched = waiting.await.expect("it does not panic").expect("the server is good");
    assert_eq!(fetched.outcome, FetchOutcome::Resumed { from: left });
    kept.assert_good(&fetched);
    assert_eq!(kept.asked(), [range(left as usize)]);
}

#[tokio::test]
async fn what_one_program_has_brought_another_holds() {
    let kept = Kept::new().await;
    let status = child(&kept).wait().expect("it was started");
    assert!(status.success());
    assert_eq!(kept.asked(), [None]);
    let fetched = kept.fetch().await.expect("it is there");
    assert_eq!(fetched.outcome, FetchOutcome::Held);
    kept.assert_good(&fetched);
    assert!(kept.asked().is_empty());
}

/// A disk that is full: files of the child must not be larger than half of the attachment.
#[cfg(unix)]
#[tokio::test]
async fn what_cannot_be_written_is_not_left_on_the_full_disk() {
    let kept = Kept::new().await;
    let mut shell = Command::new("sh");
    let limited = format!("trap '' XFSZ; ulimit -f {}; exec \"$0\" \"$@\"", SIZE / 2 / 512);
    shell.args(["-c", &limited]).arg(std::env::current_exe().expect("a test is a program"));
    let output = command(&kept, shell).stderr(Stdio::piped()).output().expect("there is a shell");
    let said = String::from_utf8_lossy(&output.stderr);
    assert!(!output.status.success());
    assert!(said.contains("kind: Storage") && said.contains("could not write the attachment"), "{said}");
    assert!(kept.names().is_empty(), "{:?}", kept.names());
}
