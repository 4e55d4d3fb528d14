//! Names: what parses prints as it was, is below any folder that it is joined to, and clashes with its own twins.
#![no_main]

use std::path::{Component, Path};

use hub_layout::{ClashKind, FileKind, Grammar, ModelId, RepoPath, Revision, Task, find_clashes};
use libfuzzer_sys::fuzz_target;

fn is_below(name: &str) -> bool {
    let plain = |part: &str| !matches!(part, "" | "." | "..") && !part.ends_with(['.', ' ']);
    Path::new(name).components().all(|part| matches!(part, Component::Normal(_)))
        && name.split('/').all(plain)
        && !name.contains(['\\', '\0', ':'])
}

fuzz_target!(|texts: Vec<&str>| {
    let mut paths = Vec::new();
    for text in texts {
        let names = [
            text.parse::<ModelId>().map(|name| name.to_string()),
            text.parse::<Revision>().map(|name| name.to_string()),
            text.parse::<Task>().map(|name| name.to_string()),
            text.parse::<RepoPath>().map(|name| name.to_string()),
        ];
        for name in names {
            match name {
                Ok(name) => assert!(name == text && is_below(&name)),
                Err(error) => assert!(!error.to_string().contains(char::is_control)),
            }
        }
        for grammar in [Grammar::Hub, Grammar::Options] {
            assert!(grammar.model(text).is_err() || text.parse::<ModelId>().is_ok());
            assert!(grammar.revision(text).is_err() || text.parse::<Revision>().is_ok());
            assert!(grammar.task(text).is_err() || text.parse::<Task>().is_ok());
            assert!(
                grammar.file(text).is_ok_and(|path| is_below(path.as_str())) || grammar.file(text).is_err()
            );
        }
        if let Ok(path) = text.parse::<RepoPath>() {
            FileKind::of(&path);
            paths.push(path);
        }
    }
    let clashes = find_clashes(&paths);
    let twins = |n: usize| paths[..n].iter().any(|other| other.folded() == paths[n].folded());
    let count = (0..paths.len()).filter(|&n| twins(n)).count();
    let found = clashes.iter().filter(|clash| matches!(clash.kind, ClashKind::Repeated | ClashKind::Folded));
    assert_eq!(found.count(), count);
});
