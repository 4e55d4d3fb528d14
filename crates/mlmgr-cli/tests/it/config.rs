//! Where the program takes servers and folders from.

use crate::program::{MODEL, Ran, TASK, TEXT, World, ran};

/// What `mlmgr.toml` says about this world.
fn file(world: &World) -> String {
    format!(
        "server = '{}'\nserver-root = ['{}']\nhub = '{}'\nhub-layout = 'huggingface'\nstore = 'from-file'\n",
        world.settings.url(),
        world.settings.root_hash(),
        world.hub.url()
    )
}

fn write(world: &World, name: &str, text: &str) {
    let path = world.path(name);
    std::fs::create_dir_all(path.parent().expect("the path has a folder")).expect("the folder can be made");
    std::fs::write(path, text).expect("the file can be written");
}

fn good(ran: &Ran) {
    assert_eq!(ran.code, Some(0), "{ran:?}");
}

#[test]
fn the_file_in_this_folder_is_read() {
    let world = World::new();
    write(&world, "mlmgr.toml", &file(&world));
    good(&ran(&mut world.bare(&["run", TASK, TEXT])));
    assert!(world.path("from-file").is_dir());
}

#[test]
fn flags_win_over_variables_and_variables_over_the_file() {
    let world = World::new();
    write(&world, "mlmgr.toml", &file(&world));
    good(&ran(world.bare(&["sync"]).env("MLMGR_STORE", "from-variable")));
    assert!(world.path("from-variable").is_dir() && !world.path("from-file").exists());
    good(&ran(world.bare(&["sync", "--store", "from-flag"]).env("MLMGR_STORE", "not-used")));
    assert!(world.path("from-flag").is_dir() && !world.path("not-used").exists());
}

#[cfg(target_os = "linux")]
#[test]
fn the_platform_folders_are_used() {
    let world = World::new();
    let text = file(&world).replace("store = 'from-file'\n", "");
    write(&world, "config/mlmgr/mlmgr.toml", &text);
    let mut command = world.bare(&["run", TASK, TEXT]);
    command.env("XDG_CONFIG_HOME", world.path("config")).env("XDG_CACHE_HOME", world.path("cache"));
    good(&ran(&mut command));
    assert!(world.path("cache/mlmgr").is_dir());
}

#[test]
fn another_file_can_be_named() {
    let world = World::new();
    write(&world, "mlmgr.toml", "this is not read");
    write(&world, "etc/other.toml", &file(&world));
    good(&ran(&mut world.bare(&["sync", "--config", "etc/other.toml"])));
    assert!(world.path("etc/from-file").is_dir(), "a relative store is meant from where the file is");
    good(&ran(world.bare(&["sync"]).env("MLMGR_CONFIG", "etc/other.toml")));
    std::fs::remove_file(world.path("mlmgr.toml")).expect("the folder can be written to");
    good(&ran(world.bare(&["ls"]).env("MLMGR_CONFIG", "")));
}

#[test]
fn a_wrong_file_is_named_with_its_line() {
    let world = World::new();
    for (text, name) in [
        ("hub = 'http://127.0.0.1/'\nhubs = 'x'\n", "hubs"),
        ("\n\nhub = [\n", "line 3"),
        ("settings = 'nightly'\n", "nightly"),
    ] {
        write(&world, "mlmgr.toml", text);
        let ran = ran(&mut world.bare(&["ls"]));
        assert_eq!(ran.code, Some(2), "{ran:?}");
        assert!(ran.stderr.contains("mlmgr.toml") && ran.stderr.contains(name), "{}", ran.stderr);
        assert_eq!(ran.stderr.lines().count(), 2, "one line and a hint: {}", ran.stderr);
    }
    let ran = ran(&mut world.bare(&["ls", "--config", "nowhere.toml"]));
    assert_eq!(ran.code, Some(2), "{ran:?}");
}

#[cfg(unix)]
#[test]
fn an_endless_file_is_not_read_to_its_end() {
    let world = World::new();
    let ran = ran(&mut world.bare(&["ls", "--config", "/dev/zero"]));
    assert_eq!(ran.code, Some(2), "{ran:?}");
    assert!(ran.stderr.contains("/dev/zero is larger than"), "{}", ran.stderr);
}

#[test]
fn a_password_in_an_address_is_refused_and_not_shown() {
    let world = World::new();
    let root = "0".repeat(64);
    for address in ["--server", "--hub"] {
        let url = "https://somebody:geheim@127.0.0.1/v1";
        let ran = ran(&mut world.bare(&["sync", "--server-root", &root, address, url]));
        assert_eq!(ran.code, Some(2), "{ran:?}");
        assert!(!ran.stderr.contains("geheim"), "{}", ran.stderr);
    }
}

#[test]
fn addresses_are_checked() {
    let world = World::new();
    let root = "0".repeat(64);
    for arguments in [
        &["ls", "--server", "http://127.0.0.1/v1"][..],
        &["ls", "--server", "127.0.0.1", "--server-root", &root],
        &["ls", "--server", "ftp://127.0.0.1/v1", "--server-root", &root],
        &["ls", "--server", "http://127.0.0.1/v1", "--server-root", "abc"],
        &["ls", "--settings", "stage", "--server", "http://127.0.0.1/v1"],
        &["ls", "--hub", "no address"],
        &["ls", "--hub", "file:///etc"],
        &["ls", "--hub-layout", "{model}/{revision}"],
        &["ls", "--hub", "http://127.0.0.1/", "--hub-layout", "{nonsense}"],
    ] {
        let ran = ran(&mut world.bare(arguments));
        assert_eq!(ran.code, Some(2), "{arguments:?}: {ran:?}");
    }
}

#[test]
fn offline_can_be_set_in_each_place() {
    let world = World::new();
    good(&world.run(&["run", TASK, TEXT]));
    let requests = world.requests();
    assert_eq!(world.run(&["sync", "--offline"]).code, Some(3));
    assert_eq!(ran(world.command(&["sync"]).env("MLMGR_OFFLINE", "1")).code, Some(3));
    write(&world, "mlmgr.toml", "offline = true\n");
    assert_eq!(world.run(&["sync"]).code, Some(3));
    let report = world.json(&["run", TASK, TEXT]);
    assert_eq!(report["engine"]["model"], MODEL);
    assert_eq!(world.requests(), requests);
}
