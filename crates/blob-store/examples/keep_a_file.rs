//! Keeps a file's bytes in a store of their own, by name, and reads them back verified.

use std::time::SystemTime;

use blob_store::{BlobStoreExt, FileEntry, FsStore, Manifest, ManifestName};

#[tokio::main(flavor = "current_thread")]
async fn main() -> Result<(), Box<dyn std::error::Error>> {
    let dir = tempfile::tempdir()?;
    let store = FsStore::open(dir.path())?;
    let content =
        store.put_bytes(std::fs::read(file!()).unwrap_or_else(|_| b"fn main() {}".to_vec()).into()).await?;
    let now = SystemTime::now().duration_since(SystemTime::UNIX_EPOCH)?.as_secs();
    let mut manifest = Manifest::new(ManifestName::new("local", "examples/keep_a_file", "v1"), now);
    manifest.files.insert("main.rs".into(), FileEntry::new(content, now));
    store.put_manifest(&manifest, None).await?;
    let (found, _) = store.manifest(&manifest.name).await?.ok_or("it was just written")?;
    let bytes = store.read_all(found.files["main.rs"].content, 1 << 20).await?;
    println!("{content}: read back {} bytes, verified", bytes.len());
    Ok(())
}
