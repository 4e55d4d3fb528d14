//! A disk whose power can be cut: an ext4 image on a loop device, inside an XFS that copies files by reference. The
//! copy of the live image is what the disk held at that moment; what the system had not written yet is not in it.

use std::{
    fs,
    path::{Path, PathBuf},
    process::{Command, Stdio},
};

/// Bytes of the XFS and of the disk in it.
const OUTER: u64 = 1 << 30;
const DISK: u64 = 96 << 20;

/// The mounted disk; goes away with it.
#[derive(Debug)]
pub(super) struct Rig {
    folder: PathBuf,
    /// What is mounted, in order.
    mounted: Vec<PathBuf>,
}

/// A disk after a cut, mounted; goes away with it.
#[derive(Debug)]
pub(super) struct Cut {
    image: PathBuf,
    at: PathBuf,
}

/// Why there can be no rig on this machine, if so.
pub(super) fn missing() -> Option<String> {
    if !cfg!(target_os = "linux") {
        return Some("loop devices and reflinks are needed, so Linux is".to_owned());
    }
    let uid = Command::new("id").arg("-u").output();
    if !uid.is_ok_and(|output| output.stdout.trim_ascii() == b"0") {
        return Some("only root may mount".to_owned());
    }
    for (tool, version, package) in [
        ("losetup", "--version", "util-linux"),
        ("mount", "--version", "util-linux"),
        ("umount", "--version", "util-linux"),
        ("mkfs.ext4", "-V", "e2fsprogs"),
        ("mkfs.xfs", "-V", "xfsprogs"),
    ] {
        let there = Command::new(tool).arg(version).stdout(Stdio::null()).stderr(Stdio::null()).status();
        if there.is_err() {
            return Some(format!("there is no {tool} (package {package})"));
        }
    }
    None
}

impl Rig {
    /// Makes and mounts the disk, with its files in `folder`; the reason where the kernel does not let us.
    pub(super) fn new(folder: &Path) -> Result<Self, String> {
        let mut rig = Self { folder: folder.to_owned(), mounted: Vec::new() };
        let (outer, live) = (folder.join("outer"), folder.join("live"));
        for path in [&outer, &live, &folder.join("cut")] {
            fs::create_dir_all(path).map_err(|error| format!("no folder {}: {error}", path.display()))?;
        }
        sparse(&folder.join("outer.img"), OUTER)?;
        call("mkfs.xfs", &["-q", "-f", "-m", "reflink=1"], &[&folder.join("outer.img")])?;
        rig.mount("loop", &folder.join("outer.img"), &outer)?;
        sparse(&outer.join("disk.img"), DISK)?;
        call("mkfs.ext4", &["-q", "-F"], &[&outer.join("disk.img")])?;
        // Nothing is written that a sync did not ask for, as far as the file system lets us choose.
        rig.mount("loop,noauto_da_alloc,commit=60", &outer.join("disk.img"), &live)?;
        Ok(rig)
    }

    fn mount(&mut self, options: &str, image: &Path, at: &Path) -> Result<(), String> {
        call("mount", &["-o", options], &[image, at])?;
        self.mounted.push(at.to_owned());
        Ok(())
    }

    /// The disk's top folder.
    pub(super) fn live(&self) -> PathBuf {
        self.folder.join("live")
    }

    /// Cuts the power: `look` is called right before, and the disk is mounted once more as it was after it.
    pub(super) fn cut<T>(&self, look: impl FnOnce() -> T) -> Result<(T, Cut), String> {
        let cut = Cut { image: self.folder.join("outer/cut.img"), at: self.folder.join("cut") };
        let seen = look();
        call("cp", &["--reflink=always"], &[&self.folder.join("outer/disk.img"), &cut.image])?;
        call("mount", &["-o", "loop"], &[&cut.image, &cut.at])?;
        Ok((seen, cut))
    }
}

impl Cut {
    /// The top folder of the disk.
    pub(super) fn at(&self) -> &Path {
        &self.at
    }
}

impl Drop for Cut {
    fn drop(&mut self) {
        unmount(&self.at);
        let _ = fs::remove_file(&self.image);
    }
}

impl Drop for Rig {
    fn drop(&mut self) {
        for at in self.mounted.iter().rev() {
            unmount(at);
        }
        let _ = fs::remove_dir_all(&self.folder);
    }
}

fn unmount(at: &Path) {
    // Lazily where something still looks at it: a rig that stays mounted is worse.
    if call("umount", &[], &[at]).is_err()
        && let Err(message) = call("umount", &["-l"], &[at])
    {
        println!("{message}");
    }
}

fn sparse(path: &Path, bytes: u64) -> Result<(), String> {
    fs::File::create(path)
        .and_then(|file| file.set_len(bytes))
        .map_err(|error| format!("cannot make {}: {error}", path.display()))
}

fn call(program: &str, arguments: &[&str], paths: &[&Path]) -> Result<(), String> {
    let output = Command::new(program).args(arguments).args(paths).output();
    let output = output.map_err(|error| format!("{program} did not start: {error}"))?;
    if output.status.success() {
        return Ok(());
    }
    Err(format!("{program} failed: {}", String::from_utf8_lossy(&output.stderr).trim_end()))
}
