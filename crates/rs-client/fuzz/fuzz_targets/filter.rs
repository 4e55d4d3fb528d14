//! Filter expressions: a decision or a reason, whatever they say.
#![no_main]

use libfuzzer_sys::fuzz_target;
use rs_client::{Changeset, Collection, CollectionName, FilterEnvironment, Limits};
use serde_json::json;

fuzz_target!(|expression: &str| {
    let body = json!({"timestamp": 1, "changes": [{"id": "a", "filter_expression": expression}]});
    let limits = Limits::default();
    let Ok(changeset) = Changeset::parse(body.to_string(), &limits) else { return };
    let name = CollectionName::new("main", "list").expect("it is a name");
    let collection = Collection::merge(None, &name, changeset);
    let environment = FilterEnvironment::new().version("140.0a1").locale("de").os_name("Linux");
    for record in &collection.records {
        let _ = environment.explain(record);
    }
});
