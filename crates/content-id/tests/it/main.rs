//! Digests read back as written, refuse everything else, and do not depend on how content was split.

use content_id::{ContentId, Digest, Hasher};
use proptest::prelude::*;

#[test]
fn known_answer() {
    let empty = ContentId::of(b"");
    assert_eq!(empty.size, 0);
    assert_eq!(empty.digest.to_string(), "e3b0c44298fc1c149afbf4c8996fb92427ae41e4649b934ca495991b7852b855");
}

#[test]
fn only_64_lower_case_hexadecimal_digits_are_a_digest() {
    let good = "0".repeat(64);
    assert!(good.parse::<Digest>().is_ok());
    for bad in [
        "",
        &good[1..],
        &format!("{good}0"),
        &good.replacen('0', "A", 1),
        &good.replacen('0', "g", 1),
        &format!("../{}", &good[3..]),
        &format!(" {}", &good[1..]),
        &"é".repeat(32),
    ] {
        let error = bad.parse::<Digest>().expect_err("not a digest");
        assert!(error.to_string().contains("64 lower-case"), "{error}");
        assert!(serde_json::from_value::<Digest>(bad.into()).is_err(), "{bad:?}");
    }
}

proptest! {
    #[test]
    fn digest_text_round_trips(bytes: [u8; 32]) {
        let digest = Digest::from_bytes(bytes);
        prop_assert_eq!(digest.to_string().parse(), Ok(digest));
        let json = serde_json::to_string(&digest).expect("a digest is a string");
        prop_assert_eq!(serde_json::from_str::<Digest>(&json).expect("it reads back"), digest);
    }

    #[test]
    fn identity_ignores_how_content_was_split(content: Vec<u8>, cuts: Vec<prop::sample::Index>) {
        let mut cuts: Vec<usize> = cuts.iter().map(|cut| cut.index(content.len() + 1)).collect();
        cuts.sort_unstable();
        let mut hasher = Hasher::default();
        let mut start = 0;
        for cut in cuts {
            hasher.update(&content[start..cut]);
            start = cut;
        }
        hasher.update(&content[start..]);
        prop_assert_eq!(hasher.finish(), ContentId::of(&content));
    }
}
