//! Power cuts: a store is written to while its disk is cut off, again and again, and each cut disk is checked. Deliberate
//! mistakes, no sync of files and no sync of folders, everywhere or in one place, must be found in the same way.

use std::{
    fs::{self, File},
    path::{Path, PathBuf},
    process::{Child, Command, Stdio},
    thread,
    time::{Duration, Instant},
};

use serde::Deserialize;

use super::rig::{self, Rig};
use crate::{
    repo,
    report::{self, Row},
};

/// The report's name.
const REPORT: &str = "adversity-power-cuts";
/// Cuts of a run.
pub(super) const CUTS: u32 = 1000;
/// Cuts until a mistake must have been found.
const MISTAKE_CUTS: u32 = 200;
/// What the writer leaves out, by the names it knows.
const MISTAKES: [(&str, &str); 6] = [
    ("all file", "no sync of files"),
    ("all folder", "no sync of folders"),
    ("few file", "no sync of files where a few blobs are put at once"),
    ("few folder", "no sync of folders where a few blobs are put at once"),
    ("many file", "no wait for the disk before many blobs get their names"),
    ("many folder", "no wait for the disk after many blobs got their names"),
];
/// Cuts of one store, from its first moment on.
const CUTS_OF_A_STORE: u32 = 5;
/// Milliseconds of work before a cut, at most.
const WORK_MS: u64 = 150;

/// The writer; it ends with this.
struct Writer(Child);

impl Drop for Writer {
    fn drop(&mut self) {
        let _ = self.0.kill();
        let _ = self.0.wait();
    }
}

/// What the checks found, added up.
#[derive(Debug, Default)]
struct Counts {
    cuts: u32,
    acknowledged: u64,
    visible: u64,
    damaged: u64,
    lost: u64,
    stuck: u64,
}

impl Counts {
    fn is_sound(&self) -> bool {
        self.damaged == 0 && self.lost == 0 && self.stuck == 0
    }

    /// Adds a line such as `cut: acknowledged=1 visible=2 damaged=0 lost=0 stuck=0`.
    fn add(&mut self, output: &str) -> Result<(), String> {
        let line = output.lines().find_map(|line| line.strip_prefix("cut: "));
        let line = line.ok_or_else(|| format!("the check said nothing:\n{output}"))?;
        for part in line.split(' ') {
            let Some((name, Ok(number))) =
                part.split_once('=').map(|(name, text)| (name, text.parse::<u64>()))
            else {
                return Err(format!("the check said {part:?}"));
            };
            match name {
                "acknowledged" => self.acknowledged += number,
                "visible" => self.visible += number,
                "damaged" => self.damaged += number,
                "lost" => self.lost += number,
                "stuck" => self.stuck += number,
                _ => {}
            }
        }
        self.cuts += 1;
        Ok(())
    }
}

/// Runs with this number of cuts.
pub(super) fn run(cuts: u32) -> Result<(), String> {
    report::forget(REPORT)?;
    if let Some(why) = rig::missing() {
        println!("SKIPPED: power cuts: {why}");
        return Ok(());
    }
    let folder = repo::root().join("target/adversity");
    fs::create_dir_all(&folder).map_err(|error| format!("no folder {}: {error}", folder.display()))?;
    let folder = tempfile::tempdir_in(&folder).map_err(|error| format!("no temporary folder: {error}"))?;
    // A copy, so that nothing changes under a run that takes minutes.
    let program = folder.path().join(format!("it{}", std::env::consts::EXE_SUFFIX));
    fs::copy(build()?, &program).map_err(|error| format!("cannot copy the tests of blob-store: {error}"))?;
    let rig = match Rig::new(&folder.path().join("rig")) {
        Ok(rig) => rig,
        Err(why) => {
            println!("SKIPPED: power cuts: this machine makes no such disk: {why}");
            return Ok(());
        }
    };
    let log = folder.path().join("log");
    println!("Deliberate mistakes first: they must be found.");
    let mut mistakes = Vec::new();
    for (mistake, what) in MISTAKES {
        let counts = many(&rig, &program, &log, MISTAKE_CUTS, Some(mistake))?;
        println!("{what}: after {} cuts, {} damaged, {} lost", counts.cuts, counts.damaged, counts.lost);
        let caught = if counts.is_sound() { 1e9 } else { f64::from(counts.cuts) };
        let row = Row::plain(format!("mistake: {what}: cuts until it was found"), caught, "");
        mistakes.push(row.at_most(f64::from(MISTAKE_CUTS)));
    }
    println!("{cuts} cuts of the store as it is.");
    let start = Instant::now();
    let counts = many(&rig, &program, &log, cuts, None)?;
    let each = start.elapsed().as_secs_f64() / f64::from(counts.cuts.max(1));
    let mut rows = vec![
        Row::plain("cuts", f64::from(counts.cuts), "").at_least(f64::from(cuts)),
        Row::plain("time of a cut with its check", each, "s"),
        Row::plain("acknowledged blobs and documents checked", counts.acknowledged as f64, ""),
        Row::plain("visible blobs and documents checked", counts.visible as f64, ""),
        Row::plain("visible and damaged", counts.damaged as f64, "").at_most(0.0),
        Row::plain("acknowledged and lost", counts.lost as f64, "").at_most(0.0),
        Row::plain("stores that did not go on working", counts.stuck as f64, "").at_most(0.0),
    ];
    rows.append(&mut mistakes);
    report::finish(REPORT, &rows)
}

/// Cuts up to `cuts` times; a mistake only until it is found.
fn many(rig: &Rig, program: &Path, log: &Path, cuts: u32, mistake: Option<&str>) -> Result<Counts, String> {
    let mut counts = Counts::default();
    let mut random = 0x9e37_79b9_7f4a_7c15_u64;
    while counts.cuts < cuts {
        // A name that no store before had: what a mistake has left on the disk is none of the next one's.
        let store = rig.live().join(format!(
            "store-{}-{}",
            mistake.unwrap_or("sound").replace(' ', "-"),
            counts.cuts
        ));
        let output = File::create(log).map_err(|error| format!("no log: {error}"))?;
        let mut command = role(program, "writer");
        command.env("BLOB_STORE_POWER_CUTS_WRITE", &store).stdout(output).stderr(Stdio::null());
        if let Some(mistake) = mistake {
            command.env("BLOB_STORE_POWER_CUTS_WITHOUT", mistake);
        }
        let mut writer =
            Writer(command.spawn().map_err(|error| format!("the writer did not start: {error}"))?);
        for _ in 0..CUTS_OF_A_STORE.min(cuts - counts.cuts) {
            random = random.wrapping_mul(6364136223846793005).wrapping_add(1442695040888963407);
            #[expect(clippy::disallowed_methods, reason = "the moment of a cut is one by time")]
            thread::sleep(Duration::from_micros((random >> 33) % (WORK_MS * 1000)));
            if let Ok(Some(status)) = writer.0.try_wait() {
                return Err(format!("the writer ended by itself ({status})"));
            }
            cut(rig, program, log, &store, &mut counts)?;
            if mistake.is_some() && !counts.is_sound() {
                break;
            }
        }
        drop(writer);
        fs::remove_dir_all(&store).map_err(|error| format!("cannot empty the disk: {error}"))?;
        if mistake.is_some() && !counts.is_sound() {
            break;
        }
        if mistake.is_none() && counts.cuts.is_multiple_of(50) {
            println!("{counts:?}");
        }
    }
    Ok(counts)
}

/// One cut and its check.
fn cut(rig: &Rig, program: &Path, log: &Path, store: &Path, counts: &mut Counts) -> Result<(), String> {
    let (told, cut) = rig.cut(|| fs::metadata(log).map_or(0, |log| log.len()))?;
    // What was begun until now may be on the disk, or not.
    let later = log.with_extension("later");
    fs::copy(log, &later).map_err(|error| format!("cannot copy the log: {error}"))?;
    let name = store.file_name().unwrap_or_default();
    let output = role(program, "check")
        .env("BLOB_STORE_POWER_CUTS_CHECK", cut.at().join(name))
        .env("BLOB_STORE_POWER_CUTS_LOG", &later)
        .env("BLOB_STORE_POWER_CUTS_TOLD", told.to_string())
        .output()
        .map_err(|error| format!("the check did not start: {error}"))?;
    let text = String::from_utf8_lossy(&output.stdout);
    for detail in text.lines().filter(|line| line.starts_with("detail: ")) {
        println!("cut {}: {detail}", counts.cuts);
    }
    if !output.status.success() {
        let errors = String::from_utf8_lossy(&output.stderr);
        return Err(format!("the check failed:\n{text}{errors}"));
    }
    counts.add(&text)
}

/// One of the programs in the test binary of blob-store.
fn role(program: &Path, role: &str) -> Command {
    let mut command = Command::new(program);
    command.args(["--exact", &format!("power_cuts::{role}"), "--nocapture"]);
    command
}

/// Builds that binary and returns where it is.
fn build() -> Result<PathBuf, String> {
    #[derive(Deserialize)]
    struct Built {
        executable: Option<PathBuf>,
    }
    println!("Building the tests of blob-store.");
    let output = repo::cargo()
        .args(["test", "--locked", "--package", "blob-store", "--test", "it", "--no-run"])
        .args(["--message-format", "json"])
        .stderr(Stdio::inherit())
        .output()
        .map_err(|error| format!("cargo did not start: {error}"))?;
    if !output.status.success() {
        return Err("the tests of blob-store do not build".to_owned());
    }
    String::from_utf8_lossy(&output.stdout)
        .lines()
        .filter_map(|line| serde_json::from_str::<Built>(line).ok()?.executable)
        .next_back()
        .ok_or_else(|| "cargo did not say where the tests of blob-store are".to_owned())
}

#[cfg(test)]
mod tests {
    use super::Counts;

    #[test]
    fn counts_are_added_up() {
        let mut counts = Counts::default();
        for lost in [0, 2] {
            let output =
                format!("running 1 test\ncut: acknowledged=3 visible=9 damaged=0 lost={lost} stuck=0\nok");
            counts.add(&output).expect("a line of counts");
        }
        assert_eq!((counts.cuts, counts.acknowledged, counts.visible, counts.lost), (2, 6, 18, 2));
        assert!(!counts.is_sound());
        assert!(counts.add("nothing").is_err());
    }
}
