//! Which runtime file to use: the highest version within the majors this program supports.

use std::collections::BTreeMap;

use crate::{Error, ErrorKind, records::RuntimeRecord};

/// The runtime file that programs with the WASM runtime load, by default.
pub const DEFAULT_RUNTIME: &str = "ort-wasm-simd-threaded.jsep.wasm";

/// The major versions of runtime files that are supported: first and last.
pub const SUPPORTED_MAJORS: (u32, u32) = (5, 5);

/// Chooses, for each name, the record with the highest version of the majors `first` to `last`.
///
/// Pre-releases of these majors count. Of two records with equal versions the first one is taken.
pub fn newest_runtimes(
    records: &[RuntimeRecord],
    (first, last): (u32, u32),
) -> BTreeMap<&str, &RuntimeRecord> {
    let mut newest = BTreeMap::<&str, &RuntimeRecord>::new();
    for record in records.iter().filter(|record| record.version.is_of_majors(first, last)) {
        let best = newest.entry(&record.name).or_insert(record);
        if best.version < record.version {
            *best = record;
        }
    }
    newest
}

/// Chooses the record for `name`.
///
/// # Errors
///
/// [`ErrorKind::NotFound`], naming the versions there are, if none is of a supported major.
pub(crate) fn newest_runtime<'a>(
    records: &'a [RuntimeRecord],
    name: &str,
) -> Result<&'a RuntimeRecord, Error> {
    let chosen = newest_runtimes(records, SUPPORTED_MAJORS).remove(name);
    chosen.ok_or_else(|| {
        let (first, last) = SUPPORTED_MAJORS;
        let majors = if first == last { first.to_string() } else { format!("{first} to {last}") };
        let versions: Vec<_> = records
            .iter()
            .filter(|record| record.name == name)
            .map(|record| record.version.as_str())
            .collect();
        let there = if versions.is_empty() {
            let mut names: Vec<_> = records.iter().map(|record| record.name.as_str()).collect();
            names.sort_unstable();
            names.dedup();
            format!("names with records: {}", crate::resolve::listed(&names))
        } else {
            format!("versions with records: {}", versions.join(", "))
        };
        Error::new(
            ErrorKind::NotFound,
            format!("no record of ml-onnx-runtime offers {name} of major version {majors} ({there})"),
        )
    })
}
