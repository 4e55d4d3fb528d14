//! URLs: what a hub makes stays below its root and reads back, what it reads is its own, and no rule is outwitted.
#![no_main]

use hub_layout::{FileRef, Hub, HubKind, UrlPrefix, UrlRules};
use libfuzzer_sys::fuzz_target;
use url::Url;

fuzz_target!(|texts: (&str, &str, &str, &str, bool)| {
    let (first, model, revision, path, is_template) = texts;
    let root: Url = "https://hub.example/a/b%20c/".parse().expect("a constant root");
    let mut hubs: Vec<Hub> = [HubKind::HuggingFace, HubKind::Mozilla]
        .map(|kind| Hub::new(kind, root.clone()).expect("a constant root"))
        .into();
    if is_template {
        hubs.extend(Hub::custom(root.clone(), first));
    }
    for hub in &hubs {
        if let (Ok(model), Ok(revision), Ok(path)) = (model.parse(), revision.parse(), path.parse()) {
            let file = FileRef::new(model, revision, path);
            let url = hub.file_url(&file.model, &file.revision, &file.path);
            assert!(url.as_str().starts_with(root.as_str()), "{url}");
            assert_eq!(Url::parse(url.as_str()).as_ref(), Ok(&url));
            assert_eq!(hub.parse_file_url(&url), Ok(file));
        }
        for url in [hub.root().join(first), Url::parse(first)].into_iter().flatten() {
            match hub.parse_file_url(&url) {
                Ok(file) => {
                    assert_eq!(url.origin(), root.origin());
                    let again = hub.file_url(&file.model, &file.revision, &file.path);
                    assert_eq!(hub.parse_file_url(&again), Ok(file));
                }
                Err(error) => assert!(!error.to_string().contains(char::is_control)),
            }
            let rule: UrlPrefix = root.as_str().parse().expect("a constant rule");
            let verdict = UrlRules::new(vec![rule.clone()], vec![]).verdict(&url);
            if verdict.allowed && verdict.rule.is_some() {
                assert_eq!(url.origin(), root.origin());
                assert!(!UrlRules::new(vec![rule.clone()], vec![rule]).verdict(&url).allowed, "{url}");
            }
        }
    }
    let _ = first.parse::<UrlPrefix>();
});
