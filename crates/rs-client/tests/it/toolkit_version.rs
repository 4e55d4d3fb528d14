//! Mozilla's toolkit version order: a table, and the laws of an order.

use std::cmp::Ordering;

use proptest::prelude::*;
use rs_client::ToolkitVersion as Version;

/// Ascending; versions in one line are equal.
const ASCENDING: &[&[&str]] = &[
    &["", "0", "0.0"],
    &["0.9"],
    &["1pre1a", "1pre1a.0"],
    &["1pre1aa"],
    &["1pre1ab"],
    &["1pre1", "01pre1"],
    &["1pre2"],
    &["1pre10"],
    &["1.-1"],
    &["1", "1.0", "1.0.0", "1.", "1..", "01", "1.00"],
    &["1.0.1"],
    &["1.1a"],
    &["1.1pre", "1.1pre0", "1.0+", "1.0+anything"],
    &["1.1pre1a"],
    &["1.1pre1"],
    &["1.1pre10"],
    &["1.1"],
    &["1.10"],
    &["1.*", "1.*.0"],
    &["2.0a1"],
    &["2.0a2"],
    &["2.0b1"],
    &["2.0"],
    &["5.0a1"],
    &["5.0b2"],
    &["5.0"],
    &["5.0.1"],
    &["5.2.0"],
    &["5.10.0"],
];

#[test]
fn the_table_is_in_order() {
    for (index, line) in ASCENDING.iter().enumerate() {
        for (other_index, other) in ASCENDING.iter().enumerate() {
            for (one, two) in line.iter().flat_map(|one| other.iter().map(move |two| (one, two))) {
                let order = Version::new(*one).cmp(&Version::new(*two));
                assert_eq!(order, index.cmp(&other_index), "{one} and {two}");
            }
        }
    }
}

#[test]
fn majors_hold_their_pre_releases_and_not_the_next_ones() {
    let is_five = |text| Version::new(text).is_of_majors(5, 5);
    for inside in ["5.0a1", "5.0b2", "5", "5.0", "5.0.1", "5.10.0", "5.99", "5.*"] {
        assert!(is_five(inside), "{inside}");
    }
    for outside in ["4.9.9", "4.*", "6.0a1", "6.0a", "6", "6.0", "50", "", "x"] {
        assert!(!is_five(outside), "{outside}");
    }
    assert!(Version::new("4.2").is_of_majors(4, 5));
    assert!(!Version::new("4294967296").is_of_majors(0, u32::MAX));
}

#[test]
fn numbers_beyond_bounds_stay_in_order() {
    let huge = format!("5.{}", "9".repeat(40));
    assert!(Version::new("5.1") < Version::new(&*huge));
    assert_eq!(Version::new(&*huge), Version::new(format!("{huge}9")));
    assert!(Version::new("1.-5") < Version::new("1"));
}

/// Texts that look like versions more often than random ones do.
fn versions() -> impl Strategy<Value = String> {
    prop_oneof!["([0-9]{1,3}|[*]|[a-c]{1,3}|[-+.]|pre){0,8}", ".{0,12}"]
}

proptest! {
    #[test]
    fn any_text_compares_and_equals_itself(text in versions()) {
        let version = Version::new(&*text);
        prop_assert_eq!(version.cmp(&version.clone()), Ordering::Equal);
        prop_assert_eq!(Version::new(format!("{text}.0")), version);
    }

    #[test]
    fn the_order_is_one(texts in proptest::array::uniform3(versions())) {
        let [a, b, c] = texts.map(Version::new);
        prop_assert_eq!(a.cmp(&b), b.cmp(&a).reverse());
        if a <= b && b <= c {
            prop_assert!(a <= c);
        }
        if a == b {
            prop_assert_eq!(a.cmp(&c), b.cmp(&c));
        }
    }

    #[test]
    fn plain_versions_compare_as_numbers(left in proptest::array::uniform3(0_u32..40), right in proptest::array::uniform3(0_u32..40)) {
        let version = |[a, b, c]: [u32; 3]| Version::new(format!("{a}.{b}.{c}"));
        prop_assert_eq!(version(left).cmp(&version(right)), left.cmp(&right));
    }
}
