//! Whatever a server does over time: time never goes back, and nothing is ever read that was not published.

use std::collections::{BTreeMap, BTreeSet};

use proptest::{prelude::*, sample::select};
use rs_client::Client;
use serde_json::{Value, json};
use testkit::{
    http::{Fault, FaultKind},
    settings::{ApiVersion, SettingsOptions, SettingsServer},
};

use crate::support::{LIST, Pair, list};

/// What a server, or somebody between it and the client, may do.
#[derive(Clone, Copy, Debug)]
enum Step {
    Publish(u8, u8),
    Delete(u8),
    Tamper(u8),
    Undo,
    RollBack(usize),
    Equivocate(u8),
    ForgetHistory,
    RotateLeaf,
    RefreshSignature,
    CutAnswer(u64),
    FlipByte(u64),
    Restart,
    SyncAll,
    Sync,
}

type State = BTreeMap<String, Value>;

fn any_step() -> impl Strategy<Value = Step> {
    prop_oneof![
        4 => (0..4_u8, any::<u8>()).prop_map(|(id, value)| Step::Publish(id, value)),
        1 => (0..4_u8).prop_map(Step::Delete),
        1 => (0..4_u8).prop_map(Step::Tamper),
        1 => Just(Step::Undo),
        1 => (1..3_usize).prop_map(Step::RollBack),
        1 => (0..4_u8).prop_map(Step::Equivocate),
        1 => select(vec![Step::ForgetHistory, Step::RotateLeaf, Step::RefreshSignature, Step::Restart]),
        1 => (0..3000_u64).prop_map(Step::CutAnswer),
        1 => (0..3000_u64).prop_map(Step::FlipByte),
        1 => Just(Step::SyncAll),
        5 => Just(Step::Sync),
    ]
}

/// The records without what differs between their writings.
fn records_of<'a>(records: impl IntoIterator<Item = &'a Value>) -> State {
    records.into_iter().map(|record| (record["id"].to_string(), record.clone())).collect()
}

fn served(server: &SettingsServer) -> (u64, State) {
    let changeset = server.changeset(LIST);
    let changes = changeset["changes"].as_array().expect("a changeset has changes");
    (changeset["timestamp"].as_u64().expect("it is a number"), records_of(changes))
}

fn record(id: u8, value: &str) -> Value {
    json!({"id": format!("r{id}"), "value": value})
}

async fn held(client: &Client) -> Option<(u64, State)> {
    let copy = client.load(&list()).await.expect("a copy is never damaged")?;
    let records: Vec<Value> = copy.records.iter().map(|record| Value::Object(record.fields())).collect();
    Some((copy.timestamp, records_of(&records)))
}

async fn follow(version: ApiVersion, steps: Vec<Step>) {
    let mut options = SettingsOptions::default();
    options.version = version;
    let pair = Pair::with(options);
    let server = &pair.server;
    let nothing = served(server);
    server.set_record(LIST, record(9, "always there"));
    let mut client = pair.restarted();
    let key = |(timestamp, state): &(u64, State)| format!("{timestamp} {state:?}");
    let mut signed = BTreeSet::from([key(&nothing), key(&served(server))]);
    let mut latest = 0;
    for step in steps {
        match step {
            Step::Publish(id, value) => drop(server.set_record(LIST, record(id, &value.to_string()))),
            Step::Delete(id) => drop(server.delete_record(LIST, &format!("r{id}"))),
            Step::Tamper(id) => drop(server.tamper(LIST, record(id, "never signed"))),
            Step::Undo => server.undo(LIST),
            Step::RollBack(steps) => server.roll_back(LIST, steps),
            Step::Equivocate(id) => server.equivocate(LIST, record(id, "another truth")),
            Step::ForgetHistory => server.forget_history(LIST),
            Step::RotateLeaf => server.rotate_leaf(),
            Step::RefreshSignature => server.refresh_signature(LIST),
            Step::CutAnswer(after) => {
                server.fault(Fault::new("*/changeset", FaultKind::CutAfter(after)).times(1))
            }
            Step::FlipByte(at) => server.fault(Fault::new("*/changeset", FaultKind::FlipByte(at)).times(1)),
            Step::Restart => client = pair.restarted(),
            Step::SyncAll => drop(client.sync_all(&[list()]).await),
            Step::Sync => drop(client.sync(&list()).await),
        }
        if matches!(
            step,
            Step::Publish(..)
                | Step::Delete(_)
                | Step::Equivocate(_)
                | Step::RotateLeaf
                | Step::RefreshSignature
        ) {
            signed.insert(key(&served(server)));
        }
        if let Some(held) = held(&client).await {
            assert!(held.0 >= latest, "{step:?}: from {latest} back to {}", held.0);
            assert!(signed.contains(&key(&held)), "{step:?}: nobody published {held:?}");
            latest = held.0;
        }
    }
    // Whatever was, an honest newer state is taken in the end.
    server.forget_history(LIST);
    server.set_record(LIST, record(8, "the end"));
    // Faults that were not used up come first.
    let mut failures = 0;
    while let Err(error) = client.sync(&list()).await {
        failures += 1;
        assert!(failures < 20, "{error}");
    }
    assert_eq!(held(&client).await, Some(served(server)));
}

proptest! {
    #![proptest_config(ProptestConfig::with_cases(24))]

    #[test]
    fn time_never_goes_back_and_nothing_unpublished_is_read(
        steps in prop::collection::vec(any_step(), 1..16),
        version in select(vec![ApiVersion::V1, ApiVersion::V2]),
    ) {
        let runtime = tokio::runtime::Builder::new_current_thread().enable_all().build();
        runtime.expect("there are few files open").block_on(follow(version, steps));
    }
}
