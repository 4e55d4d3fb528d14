//! Versions: an order, whatever they are.
#![no_main]

use libfuzzer_sys::fuzz_target;
use rs_client::ToolkitVersion;

fuzz_target!(|texts: (&str, &str, &str)| {
    let [a, b, c] = [texts.0, texts.1, texts.2].map(ToolkitVersion::new);
    assert_eq!(a.cmp(&b), b.cmp(&a).reverse());
    assert_eq!(a == b, a.cmp(&b).is_eq());
    assert!(a.cmp(&a).is_eq());
    let mut sorted = [&a, &b, &c];
    sorted.sort();
    assert!(sorted[0] <= sorted[2], "{a} {b} {c}");
    if a <= b && b <= c {
        assert!(a <= c, "{a} {b} {c}");
    }
});
