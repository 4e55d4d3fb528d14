//! A client with files, and the server it syncs with in another process.

use std::{
    error::Error,
    fs,
    io::{self, BufRead as _, Write as _},
    path::Path,
    sync::Arc,
    time::{Instant, SystemTime},
};

use rs_client::{Client, CollectionName, FileStorage, Outcome, Server};
use serde_json::{Value, json};
use testkit::settings::{SettingsOptions, SettingsServer};
use transport::{HttpOptions, HttpTransport, Offline, Transport};

use crate::{
    clocked::{clocked, cpu_ms},
    records::texts,
};

const LIST: &str = "ml-inference-options";

/// Serves `count` records until the standard input ends; each line there is answered with the number of requests
/// since the last one.
pub(crate) fn serve(count: usize) -> Result<(), Box<dyn Error>> {
    let server = SettingsServer::start(SettingsOptions::default());
    let records =
        texts(count).iter().map(|text| serde_json::from_str(text)).collect::<Result<Vec<Value>, _>>()?;
    server.set_records(LIST, records);
    let body = server.changeset(LIST).to_string().len();
    println!("{}", json!({"url": server.url(), "root": server.root_hash(), "body_bytes": body}));
    for line in io::stdin().lock().lines() {
        line?;
        println!("{}", server.requests().len());
        io::stdout().flush()?;
        server.forget_requests();
    }
    Ok(())
}

/// Measures a first sync, from nothing to a copy on disk.
pub(crate) fn first(store: &str, url: &str, root: &str) -> Result<(), Box<dyn Error>> {
    let (runtime, client, name) = (runtime()?, client(store, url, root, http()?)?, name()?);
    let report = clocked(|| Ok(runtime.block_on(client.sync(&name))?))?;
    assert_eq!(report.outcome, Outcome::Updated);
    Ok(())
}

/// Measures reading the copy that is on disk, without a network.
pub(crate) fn load(store: &str, url: &str, root: &str) -> Result<(), Box<dyn Error>> {
    let (runtime, name) = (runtime()?, name()?);
    let client = client(store, url, root, Arc::new(Offline::default()))?;
    let copy = clocked(|| Ok(runtime.block_on(client.load(&name))?))?;
    assert!(copy.is_some_and(|copy| !copy.records.is_empty()));
    Ok(())
}

/// Measures `syncs` syncs with nothing new, after one that reads the copy; prints what one took, and what was
/// written to disk in all of them.
pub(crate) fn poll(store: &str, url: &str, root: &str, syncs: u32) -> Result<(), Box<dyn Error>> {
    let (runtime, client, name) = (runtime()?, client(store, url, root, http()?)?, name()?);
    let sync = || runtime.block_on(client.sync(&name)).map(|report| report.outcome);
    assert_eq!(sync()?, Outcome::UpToDate);
    let (files, written, start, cpu) = (files(Path::new(store))?, written(), Instant::now(), cpu_ms());
    for _ in 0..syncs {
        assert_eq!(sync()?, Outcome::UpToDate);
    }
    let (wall, after) = (start.elapsed().as_secs_f64() * 1000.0, cpu_ms());
    let each = |total: f64| total / f64::from(syncs);
    let measured = json!({
        "wall_ms": each(wall),
        "cpu_ms": cpu.zip(after).map(|(before, after)| each(after - before)),
        "written_bytes": written.zip(self::written()).map(|(before, after)| after - before),
        "files_changed": files != self::files(Path::new(store))?,
    });
    println!("{measured}");
    Ok(())
}

fn runtime() -> io::Result<tokio::runtime::Runtime> {
    tokio::runtime::Builder::new_multi_thread().enable_all().build()
}

fn http() -> Result<Arc<dyn Transport>, Box<dyn Error>> {
    Ok(Arc::new(HttpTransport::new(HttpOptions::new("rs-client-bench", "1"))?))
}

fn name() -> Result<CollectionName, rs_client::Error> {
    CollectionName::new("main", LIST)
}

fn client(
    store: &str,
    url: &str,
    root: &str,
    transport: Arc<dyn Transport>,
) -> Result<Client, Box<dyn Error>> {
    let server = Server::custom(url.parse()?, vec![root.parse()?]);
    Ok(Client::builder(server, transport, Arc::new(FileStorage::open(store))).build())
}

/// Every file of the store, and the folder itself: name, length, and when it was last written to.
fn files(store: &Path) -> io::Result<Vec<(String, u64, SystemTime)>> {
    let mut files = vec![(String::new(), 0, fs::metadata(store)?.modified()?)];
    for entry in fs::read_dir(store)? {
        let entry = entry?;
        let file = entry.metadata()?;
        files.push((entry.file_name().to_string_lossy().into_owned(), file.len(), file.modified()?));
    }
    files.sort();
    Ok(files)
}

/// Bytes that this process has had written to disk, where the system tells; sockets do not count.
fn written() -> Option<u64> {
    let counters = fs::read_to_string("/proc/self/io").ok()?;
    counters.lines().find_map(|line| line.strip_prefix("write_bytes: "))?.parse().ok()
}
