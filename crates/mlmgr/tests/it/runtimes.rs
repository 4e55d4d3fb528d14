//! Which runtime file wins.

use mlmgr::{SUPPORTED_MAJORS, newest_runtimes, records::RuntimeRecord};
use proptest::prelude::*;
use serde_json::json;

use crate::records::decoded;

fn records(versions: &[(&str, &str)]) -> Vec<RuntimeRecord> {
    let record = |(index, (name, version)): (usize, &(&str, &str))| json!({"id": format!("r{index}"), "name": name, "version": version});
    decoded(&versions.iter().enumerate().map(record).collect::<Vec<_>>()).records
}

fn chosen(versions: &[(&str, &str)]) -> Vec<(String, String)> {
    let records = records(versions);
    let newest = newest_runtimes(&records, SUPPORTED_MAJORS);
    newest.into_iter().map(|(name, record)| (name.to_owned(), record.id.clone())).collect()
}

#[test]
fn the_highest_version_of_the_major_wins_for_each_name() {
    let versions = [
        ("a.wasm", "4.9.9"),
        ("a.wasm", "5.2.0"),
        ("a.wasm", "5.10.0"),
        ("a.wasm", "6.0.0"),
        ("b.wasm", "5.0a1"),
        ("c.wasm", "1.0"),
    ];
    let expected = [("a.wasm", "r2"), ("b.wasm", "r4")].map(|(a, b)| (a.to_owned(), b.to_owned()));
    assert_eq!(chosen(&versions), expected);
}

#[test]
fn of_equal_versions_the_first_is_kept() {
    assert_eq!(chosen(&[("a", "5.0"), ("a", "5"), ("a", "5.0.0")]), [("a".to_owned(), "r0".to_owned())]);
}

#[test]
fn a_release_wins_over_its_pre_releases() {
    assert_eq!(chosen(&[("a", "5.0b9"), ("a", "5.0"), ("a", "5.0a1")]), [("a".to_owned(), "r1".to_owned())]);
}

proptest! {
    #[test]
    fn nothing_in_range_is_higher_than_what_is_chosen(versions in proptest::collection::vec("[456](\\.[0-9]{1,2}){1,2}([ab][0-9])?", 0..12)) {
        let all: Vec<_> = versions.iter().map(|version| ("a", &**version)).collect();
        let all = records(&all);
        let newest = newest_runtimes(&all, SUPPORTED_MAJORS);
        let inside: Vec<_> = all.iter().filter(|record| record.version.is_of_majors(5, 5)).collect();
        prop_assert_eq!(newest.is_empty(), inside.is_empty());
        if let Some(best) = newest.get("a") {
            prop_assert!(inside.iter().all(|record| record.version <= best.version));
            prop_assert!(best.version.as_str().starts_with('5'));
        }
    }
}
