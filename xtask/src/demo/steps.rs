//! The story that the demo tells, step by step. Every step checks itself.

use serde_json::Value;

use super::{
    Demo,
    world::{MODEL, NEWEST_RUNTIME, OPTIONS, RECORD, RUNTIME, TASK, WEIGHTS, runtime_bytes},
};

/// One step: what it shows, and how.
pub(super) struct Step {
    pub(super) title: &'static str,
    pub(super) run: fn(&mut Demo) -> Result<(), String>,
}

pub(super) const STEPS: &[Step] = &[
    Step { title: "Fetch the settings, and verify who signed them", run: sync },
    Step { title: "Which model does the task use, and why?", run: resolve },
    Step { title: "What would be downloaded?", run: plan },
    Step { title: "Download the model", run: pull },
    Step { title: "Run it", run: embed },
    Step { title: "Once more with all servers stopped", run: offline },
    Step { title: "The same from a hub with the Mozilla layout", run: mozilla_layout },
    Step { title: "Change one record: every client moves to the new revision", run: new_revision },
    Step { title: "A record changed by someone without the key", run: tampered },
    Step { title: "A runtime file for programs that embed the WASM runtime", run: runtime },
];

/// Two sentences that say the same, two about related things, two about nothing in common.
const PAIRS: [(&str, [&str; 2]); 3] = [
    ("a paraphrase", ["A man is playing a guitar.", "Someone plays the guitar."]),
    ("a related sentence", ["A man is playing a guitar.", "A woman is playing the violin."]),
    ("an unrelated sentence", ["A man is playing a guitar.", "The stock market fell sharply today."]),
];
const SENTENCE: &str = "Good morning, world!";

fn sync(demo: &mut Demo) -> Result<(), String> {
    println!(
        "The settings server holds signed lists of records. mlmgr fetches three lists and keeps one only if its\n\
         signature is good, from a certificate chain that ends in the root it was told to trust.\n"
    );
    demo.mlmgr.show_ok(&["sync"])?;
    let report = demo.mlmgr.json(&["sync"])?;
    let collections = report["settings"].as_array().map_or(0, Vec::len);
    let good = report["settings"].as_array().into_iter().flatten().all(|it| it["outcome"] == "up-to-date");
    demo.check(
        "three verified collections are stored, and a second sync has nothing to do",
        collections == 3 && good,
    )
}

fn resolve(demo: &mut Demo) -> Result<(), String> {
    println!("A record says which model, in which revision, serves a task. This needs no request.\n");
    let before = demo.world.requests();
    demo.mlmgr.show_ok(&["resolve", TASK])?;
    let selection = demo.mlmgr.json(&["resolve", TASK])?["selection"].take();
    demo.check("the record of the settings server was chosen", selection["record"] == RECORD)?;
    demo.check(
        "it names the model and its revision v1",
        selection["model"] == MODEL && selection["revision"] == "v1",
    )?;
    demo.check("no request was made", demo.world.requests() == before)
}

fn plan(demo: &mut Demo) -> Result<(), String> {
    println!(
        "From the hub's listing follows what is needed: the int8 weights, the tokenizer, the configuration.\n"
    );
    demo.mlmgr.show_ok(&["plan", TASK])?;
    let report = demo.mlmgr.json(&["plan", TASK])?;
    let files = report["plan"]["files"].as_array().cloned().unwrap_or_default();
    let weights = files.iter().any(|file| file["path"] == WEIGHTS);
    demo.check(
        "the int8 weights are in the plan, and nothing is here yet",
        weights && files.iter().all(|file| file["present"] == false),
    )?;
    let all = report["bytes_to_fetch"] == report["total_bytes"];
    let mib = report["total_bytes"].as_u64().unwrap_or_default() >> 20;
    demo.check(
        "about 22 MiB are to be fetched, in six files out of the eight that the hub has",
        all && (20..25).contains(&mib) && files.len() == 6,
    )
}

fn pull(demo: &mut Demo) -> Result<(), String> {
    println!(
        "Each file is hashed while it arrives; it gets a name in the store only if size and SHA-256 are right.\n"
    );
    demo.mlmgr.show_ok(&["pull", TASK])?;
    let digest = demo.world.weights_digest("v1");
    let stored = demo.world.stored_digests()?;
    demo.check(
        "the weights are in the store, with the digest that the signed record names",
        stored.contains(&digest),
    )?;
    let models = demo.mlmgr.json(&["ls"])?;
    let sha256 = &models["models"][0]["files"][WEIGHTS]["sha256"];
    demo.check("`mlmgr ls` lists them", sha256.as_str() == Some(&digest))
}

fn embed(demo: &mut Demo) -> Result<(), String> {
    println!(
        "The task feature-extraction turns a text into numbers: texts that mean the same get numbers that point the same\n\
         way. The cosine of the angle between them is 1 for the same direction and about 0 for unrelated ones.\n"
    );
    let before = demo.world.requests();
    demo.mlmgr.show_ok(&["run", TASK, SENTENCE])?;
    println!();
    let (guitar, others) = (PAIRS[0].1[0], PAIRS.map(|(_, [_, other])| other));
    let ran = demo.mlmgr.show_ok(&["run", TASK, guitar, others[0], others[1], others[2]])?;
    println!("({:.1} s, with loading the model)\n", ran.time.as_secs_f64());
    let mut similarity = Vec::new();
    for (what, pair) in PAIRS {
        let cosine = cosine(&embedding(demo, pair[0])?, &embedding(demo, pair[1])?);
        println!("  {cosine:.2}  {what}: {:?} and {:?}", pair[0], pair[1]);
        similarity.push(cosine);
    }
    demo.check("a paraphrase is similar (above 0.7)", similarity[0] > 0.7)?;
    demo.check(
        "a related sentence lies in between",
        similarity[1] < similarity[0] && similarity[1] > similarity[2],
    )?;
    demo.check("an unrelated sentence is not similar (below 0.2)", similarity[2] < 0.2)?;
    demo.check("an installed model runs without any request", demo.world.requests() == before)
}

fn offline(demo: &mut Demo) -> Result<(), String> {
    println!("The settings server and both hubs stop now: their ports are closed.\n");
    let (before, first) = (demo.world.requests(), embedding(demo, SENTENCE)?);
    demo.world.stop();
    demo.check("nobody listens on the three ports", demo.world.is_stopped())?;
    println!();
    demo.mlmgr.show_ok(&["run", TASK, SENTENCE])?;
    let second = embedding(demo, SENTENCE)?;
    demo.check("the answer is the same, number by number", first == second && first.len() == 384)?;
    println!();
    let ran = demo.mlmgr.show(&["sync"])?;
    demo.check("what does need the network says so (exit code 3)", ran.code == Some(3))?;
    demo.check("and the model still runs", embedding(demo, SENTENCE)? == first)?;
    demo.world.restart();
    demo.check("no request reached a server; they are running again", demo.world.requests() == before)
}

fn mozilla_layout(demo: &mut Demo) -> Result<(), String> {
    println!(
        "Mozilla's hub has other addresses and neither a listing nor digests. The signed record has digests, so the files\n\
         are verified all the same. A second store, so that nothing is here already.\n"
    );
    let hub = demo.world.mozilla.url();
    let store = demo.world.folder.path().join("second-store").display().to_string();
    let place = ["--hub", &hub, "--hub-layout", "mozilla", "--store", &store];
    demo.mlmgr.show_ok(&[&["run", TASK, SENTENCE][..], &place].concat())?;
    let report = demo.mlmgr.json(&[&["run", TASK, SENTENCE][..], &place].concat())?;
    demo.check("the answer is the same", numbers(&report)? == embedding(demo, SENTENCE)?)?;
    let asked = demo
        .world
        .mozilla
        .requests()
        .iter()
        .any(|request| request.path() == format!("/{MODEL}/v1/{WEIGHTS}"));
    demo.check("and the files came from that hub", asked)
}

fn new_revision(demo: &mut Demo) -> Result<(), String> {
    println!(
        "A new revision of the model is on the hub: another file of weights (with a note in it, and the same numbers, so that\n\
         its answers are known), the same tokenizer. Nobody uses it until the record is changed and signed. Then one\n\
         `mlmgr sync` does all that is left to do.\n"
    );
    let answer = embedding(demo, SENTENCE)?;
    demo.world.publish("v2");
    demo.world.settings.set_record(OPTIONS, demo.world.record("v2"));
    demo.world.requested();
    demo.mlmgr.show_ok(&["sync"])?;
    // In parts, each of them once.
    let whole = demo.world.weights_bytes("v2");
    let asked: Vec<(String, u64)> = demo.world.asked(whole).into_iter().collect();
    let weights_only = matches!(&asked[..], [(path, bytes)] if path.ends_with(WEIGHTS) && *bytes == whole);
    demo.check(
        "the new weights were downloaded, once, and nothing else: the other files are the same",
        weights_only,
    )?;
    let (old, new) = (demo.world.weights_digest("v1"), demo.world.weights_digest("v2"));
    let stored = demo.world.stored_digests()?;
    demo.check(
        "the new weights are in the store, and the old ones are gone from the disk",
        stored.contains(&new) && !stored.contains(&old),
    )?;
    println!();
    let ran = demo.mlmgr.show_ok(&["ls"])?;
    demo.check("the task uses revision v2", ran.stdout.contains("v2") && !ran.stdout.contains("v1"))?;
    // The second revision differs in its documentation only, so its answers are known.
    demo.check("it runs", embedding(demo, SENTENCE)? == answer)
}

fn tampered(demo: &mut Demo) -> Result<(), String> {
    println!(
        "Someone with access to the settings server, but not to the key, changes the record after it was signed.\n"
    );
    let answer = embedding(demo, SENTENCE)?;
    let mut record = demo.world.record("v2");
    record["modelId"] = "evil/model".into();
    demo.world.settings.tamper(OPTIONS, record);
    demo.world.requested();
    let ran = demo.mlmgr.show(&["sync"])?;
    demo.check("the change is refused (exit code 4: integrity)", ran.code == Some(4))?;
    demo.check("the hub was not even asked", demo.world.requested().is_empty())?;
    let selection = demo.mlmgr.json(&["resolve", TASK])?["selection"].take();
    demo.check(
        "the record verified before is still in force",
        selection["model"] == MODEL && selection["revision"] == "v2",
    )?;
    demo.check("and the model still runs", embedding(demo, SENTENCE)? == answer)?;
    demo.world.settings.undo(OPTIONS);
    println!("\nThe change is taken back:\n");
    demo.mlmgr.show_ok(&["sync"])?;
    Ok(())
}

fn runtime(demo: &mut Demo) -> Result<(), String> {
    println!(
        "Another signed list names files of the WASM runtime, in several versions. The highest one of the supported major\n\
         version is taken: 5.10.0 here, not 6.0.0, and 5.10 is more than 5.2.\n"
    );
    let copy = demo.world.folder.path().join("runtime.wasm");
    let out = copy.display().to_string();
    demo.mlmgr.show_ok(&["runtime", "pull", RUNTIME, "--out", &out])?;
    let content = std::fs::read(&copy).map_err(|error| format!("no copy was written: {error}"))?;
    demo.check(
        "the highest supported version was taken, byte for byte",
        content == runtime_bytes(NEWEST_RUNTIME),
    )?;
    let before = demo.world.requests();
    demo.mlmgr.json(&["runtime", "pull", RUNTIME])?;
    demo.check("the second time it is there already, and no request is made", demo.world.requests() == before)
}

/// The numbers of one text, as programs get them.
fn embedding(demo: &Demo, text: &str) -> Result<Vec<f64>, String> {
    numbers(&demo.mlmgr.json(&["run", TASK, text])?)
}

fn numbers(report: &Value) -> Result<Vec<f64>, String> {
    let values = report.pointer("/output/embeddings/0/values").and_then(Value::as_array);
    let values = values.ok_or("the answer has no embedding")?;
    Ok(values.iter().filter_map(Value::as_f64).collect())
}

fn cosine(left: &[f64], right: &[f64]) -> f64 {
    let dot = |left: &[f64], right: &[f64]| -> f64 { left.iter().zip(right).map(|(x, y)| x * y).sum() };
    dot(left, right) / (dot(left, left) * dot(right, right)).sqrt()
}

#[cfg(test)]
mod tests {
    use super::cosine;

    #[test]
    fn the_cosine_is_that_of_the_angle() {
        assert_eq!(cosine(&[1.0, 0.0], &[0.0, 2.0]), 0.0);
        assert!((cosine(&[1.0, 1.0], &[3.0, 0.0]) - 0.5_f64.sqrt()).abs() < 1e-12);
    }
}
