//! The signed allow and deny list, before any request to a hub and for what is installed.

use mlmgr::{ErrorKind, Hub, ModelOutcome, NoProgress, Offline, Transport};
use serde_json::{Value, json};
use std::sync::Arc;

use crate::world::{MODEL, RULES, TASK, World, check_error, embed};

fn rule(id: &str, filter: &str, prefix: &str) -> Value {
    json!({"id": id, "filter": filter, "urlPrefix": prefix})
}

/// A manager for the public hub that cannot reach it: whatever gets through the rules ends with `Offline`.
async fn verdict_on_the_public_hub(world: &World) -> mlmgr::Error {
    world.manager().sync().await.expect("the settings are good");
    let transport: Arc<dyn Transport> = Arc::<Offline>::default();
    let manager = world.builder("store").hub(Hub::hugging_face()).transport(transport).build();
    let manager = manager.expect("a manager can be made");
    let selection = manager.resolve(TASK).await.expect("one record is for the task");
    manager.pull(&selection, &NoProgress).await.expect_err("nothing can be fetched")
}

#[tokio::test]
async fn an_empty_list_allows_this_machine_only() {
    let world = World::new();
    let error = verdict_on_the_public_hub(&world).await;
    check_error(&error, ErrorKind::Denied, &["huggingface.co", "empty or was never fetched"]);
    world.installed().await; // The hub on loopback is allowed.
}

#[tokio::test]
async fn what_is_allowed_is_asked_and_nothing_else() {
    let world = World::new();
    world.settings.set_record(RULES, rule("a", "ALLOW", "https://huggingface.co/org/"));
    let error = verdict_on_the_public_hub(&world).await;
    check_error(&error, ErrorKind::Offline, &["huggingface.co"]);
    world.settings.set_record(RULES, rule("a", "ALLOW", "https://huggingface.co/organisation/"));
    let error = verdict_on_the_public_hub(&world).await;
    check_error(&error, ErrorKind::Denied, &["huggingface.co/org/tiny"]);
}

#[tokio::test]
async fn a_deny_rule_wins_over_an_allow_rule() {
    let world = World::new();
    world.settings.set_record(RULES, rule("a", "ALLOW", "https://huggingface.co/"));
    world.settings.set_record(RULES, rule("d", "DENY", "https://huggingface.co/org/tiny/"));
    let error = verdict_on_the_public_hub(&world).await;
    check_error(&error, ErrorKind::Denied, &["https://huggingface.co/org/tiny/"]);
}

#[tokio::test]
async fn a_rule_that_cannot_be_read_closes_everything_but_this_machine() {
    let world = World::new();
    world.settings.set_record(RULES, rule("a", "ALLOW", "https://huggingface.co/"));
    world.settings.set_record(RULES, rule("d", "DENY", "huggingface"));
    let error = verdict_on_the_public_hub(&world).await;
    check_error(&error, ErrorKind::Denied, &["record d"]);
    world
        .settings
        .set_record(RULES, json!({"id": "d", "filter": "FORBID", "urlPrefix": "https://x.example/"}));
    let error = verdict_on_the_public_hub(&world).await;
    check_error(&error, ErrorKind::Denied, &["record d", "FORBID"]);
    world.installed().await;
}

#[tokio::test]
async fn the_dangerous_option_keeps_deny_rules() {
    let world = World::new();
    world.settings.set_record(RULES, rule("d", "DENY", "https://huggingface.co/evil/"));
    world.manager().sync().await.expect("the settings are good");
    let transport: Arc<dyn Transport> = Arc::<Offline>::default();
    let builder = world.builder("store").hub(Hub::hugging_face()).transport(transport);
    let manager = builder.dangerously_allow_any_hub(true).build().expect("a manager can be made");
    let selection = manager.resolve(TASK).await.expect("one record is for the task");
    let error = manager.plan(&selection).await.expect_err("there is no network");
    check_error(&error, ErrorKind::Offline, &[]);
    let mut evil = selection;
    evil.model = "evil/model".parse().expect("a model id");
    let error = manager.plan(&evil).await.expect_err("it is denied");
    check_error(&error, ErrorKind::Denied, &["https://huggingface.co/evil/"]);
}

#[tokio::test]
async fn a_model_denied_later_is_refused_and_running_engines_stop() {
    let world = World::new();
    let manager = world.installed().await;
    let engine = manager.engine(TASK).await.expect("it is installed");
    embed(&engine).expect("it runs");

    world.settings.set_record(RULES, rule("d", "DENY", &format!("{}/{MODEL}/", world.hub.url())));
    let update = manager.update(&NoProgress).await.expect("the store can be read");
    assert_eq!(update.models[0].outcome, ModelOutcome::Refused);
    let error = update.failure().expect("it is refused");
    check_error(error, ErrorKind::Denied, &[MODEL]);
    check_error(&embed(&engine).expect_err("it stopped"), ErrorKind::Denied, &[MODEL]);
    for manager in [&manager, &world.offline()] {
        let error = manager.engine(TASK).await.expect_err("it is denied");
        check_error(&error, ErrorKind::Denied, &["must not be used now", MODEL]);
    }
    let selection = manager.resolve(TASK).await.expect("the record is still there");
    let error = manager.pull(&selection, &NoProgress).await.expect_err("it is denied");
    check_error(&error, ErrorKind::Denied, &[MODEL]);

    // The rule goes away: everything works again, the engine included.
    world.settings.set_record(RULES, rule("other", "ALLOW", "https://x.example/"));
    world.settings.delete_record(RULES, "d");
    let update = manager.update(&NoProgress).await.expect("the store can be read");
    assert!(update.failure().is_none(), "{:?}", update.failure());
    embed(&manager.engine(TASK).await.expect("it is allowed")).expect("it runs");
    embed(&engine).expect("it runs again");
}

#[tokio::test]
async fn a_denied_model_is_not_even_asked_for() {
    let world = World::new();
    world.settings.set_record(RULES, rule("d", "DENY", &format!("{}/{MODEL}/", world.hub.url())));
    let manager = world.manager();
    manager.sync().await.expect("the settings are good");
    let selection = manager.resolve(TASK).await.expect("one record is for the task");
    let error = manager.pull(&selection, &NoProgress).await.expect_err("it is denied");
    check_error(&error, ErrorKind::Denied, &[MODEL]);
    assert_eq!(world.hub.requests(), []);
}
