//! Help texts.

use crate::program::{World, ran};

#[test]
fn every_command_has_help_with_an_example() {
    let world = World::new();
    let commands: [&[&str]; 15] = [
        &[],
        &["sync"],
        &["resolve"],
        &["plan"],
        &["pull"],
        &["run"],
        &["ls"],
        &["rm"],
        &["du"],
        &["pin"],
        &["unpin"],
        &["export"],
        &["import"],
        &["runtime"],
        &["runtime", "pull"],
    ];
    for command in commands {
        let ran = ran(world.bare(command).arg("--help"));
        assert_eq!((ran.code, ran.stderr.as_str()), (Some(0), ""), "{command:?}");
        let example =
            ran.stdout.split("Example:").nth(1).unwrap_or_else(|| panic!("{command:?} has no example"));
        let shown = format!("  mlmgr {}", command.join(" "));
        assert!(example.contains(shown.trim_end()), "{command:?}: {example}");
    }
}

#[test]
fn the_version_is_told() {
    let world = World::new();
    let ran = ran(&mut world.bare(&["--version"]));
    assert_eq!(ran.stdout.trim(), format!("mlmgr {}", env!("CARGO_PKG_VERSION")));
}

#[test]
fn examples_in_help_parse() {
    let world = World::new();
    let commands = [
        "sync", "resolve", "plan", "pull", "run", "ls", "rm", "du", "pin", "unpin", "export", "import",
        "runtime",
    ];
    for command in commands {
        let help = ran(&mut world.bare(&[command, "--help"])).stdout;
        let example = help.split("Example:").nth(1).unwrap_or_default();
        for line in example.lines().filter_map(|line| line.trim().strip_prefix("mlmgr ")) {
            let words: Vec<&str> = line.split_whitespace().collect();
            let first = *words.first().expect("an example has words");
            let listed = ran(&mut world.bare(&["--help"])).stdout;
            assert!(listed.contains(&format!("  {first} ")), "{first} is no command");
        }
    }
}
