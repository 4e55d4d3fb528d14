//! One wait for everything that was written to a file system, where that is as good as a sync of each file and folder.
//!
//! Linux has `syncfs`. It reports what failed since 5.8, and only on file systems that write to their own disk: one in
//! user space is not told of it at all, and one on top of another does not hear of the other's errors. So it is used
//! on those of which it is known, and everywhere else each file is synced.

#[cfg(target_os = "linux")]
use std::fs::File;
use std::{io, path::Path};

/// A file system, to wait for everything written to it.
#[derive(Debug)]
pub(super) struct Barrier {
    #[cfg(target_os = "linux")]
    folder: File,
}

impl Barrier {
    /// A barrier for what is written from now on to the file system of `folder`, where it has one.
    #[cfg(target_os = "linux")]
    pub(super) fn before(folder: &Path) -> io::Result<Option<Self>> {
        let system = rustix::system::uname();
        if !kernel_reports(&system.release().to_string_lossy()) {
            return Ok(None);
        }
        let folder = File::open(folder)?;
        let kind = rustix::fs::fstatfs(&folder)?.f_type;
        // Signed on some machines, of which the sign says nothing.
        Ok(is_known(kind as u32).then_some(Self { folder }))
    }

    #[cfg(not(target_os = "linux"))]
    pub(super) fn before(_: &Path) -> io::Result<Option<Self>> {
        Ok(None)
    }

    #[cfg(target_os = "linux")]
    pub(super) fn sync(&self) -> io::Result<()> {
        Ok(rustix::fs::syncfs(&self.folder)?)
    }

    #[cfg(not(target_os = "linux"))]
    pub(super) fn sync(&self) -> io::Result<()> {
        Err(io::ErrorKind::Unsupported.into())
    }
}

/// Whether this is Linux 5.8 or later.
#[cfg(target_os = "linux")]
fn kernel_reports(release: &str) -> bool {
    let mut numbers = release.split(|it: char| !it.is_ascii_digit()).map(|it| it.parse::<u32>().unwrap_or(0));
    let (major, minor) = (numbers.next().unwrap_or(0), numbers.next().unwrap_or(0));
    (5, 8) <= (major, minor)
}

/// Whether the file system with this magic number writes to a disk of its own and tells what failed: ext2 to ext4,
/// XFS, Btrfs, F2FS; and tmpfs, which has nothing to wait for.
#[cfg(target_os = "linux")]
fn is_known(kind: u32) -> bool {
    matches!(kind, 0xef53 | 0x5846_5342 | 0x9123_683e | 0xf2f5_2010 | 0x0102_1994)
}

#[cfg(all(test, target_os = "linux"))]
mod tests {
    use super::{is_known, kernel_reports};

    #[test]
    fn old_kernels_have_none() {
        assert!(kernel_reports("5.8.0-1-generic") && kernel_reports("6.1") && kernel_reports("10.0.0"));
        assert!(
            !kernel_reports("5.7.19")
                && !kernel_reports("4.19.0")
                && !kernel_reports("")
                && !kernel_reports("x")
        );
    }

    #[test]
    fn file_systems_on_top_of_others_have_none() {
        let (ext4, fuse, overlay, network) = (0xef53, 0x6573_5546, 0x794c_7630, 0x6969);
        assert!(is_known(ext4));
        assert!(!is_known(fuse) && !is_known(overlay) && !is_known(network));
    }
}
