//! Properties: names stay what they are, URLs stay under their root, nothing panics.

use std::{error::Error as _, fmt::Display};

use hub_layout::{
    ClashKind, Dtype, FileKind, FileRequest, Grammar, GrammarError, Hub, HubKind, Inventory, ModelClass,
    ModelConfig, ModelId, NameProblem, ParseNameError, RepoPath, Revision, Task, UrlPrefix, UrlRules,
    find_clashes, needed_files,
};
use proptest::prelude::*;
use serde::{Serialize, de::DeserializeOwned};
use url::Url;

use crate::{
    choosing::{asked, paths},
    strategies::{file, hub, path, text},
};

/// What parses, prints and serialises as the text it came from.
fn keeps_its_text<T>(text: &str) -> Result<(), TestCaseError>
where
    T: std::str::FromStr + Display + Serialize + DeserializeOwned + PartialEq + std::fmt::Debug,
    T::Err: Display,
{
    let json = serde_json::to_string(text).expect("a text is JSON");
    match text.parse::<T>() {
        Ok(name) => {
            prop_assert_eq!(name.to_string(), text);
            prop_assert_eq!(serde_json::to_string(&name).expect("a name is JSON"), json.clone());
            prop_assert_eq!(serde_json::from_str::<T>(&json).expect("what parses also deserialises"), name);
        }
        Err(error) => {
            let message = error.to_string();
            prop_assert!(!message.contains(char::is_control), "{:?}", message);
            prop_assert!(message.contains("allowed: "), "{}", message);
            prop_assert!(serde_json::from_str::<T>(&json).is_err());
        }
    }
    Ok(())
}

/// What may be joined to a folder on any platform without leaving it.
fn is_safe_below_a_folder(text: &str) -> bool {
    let plain = |segment: &str| !matches!(segment, "" | "." | "..") && !segment.ends_with(['.', ' ']);
    !text.contains(['\\', '\0', ':', '\t', '\r', '\n']) && text.split('/').all(plain)
}

proptest! {
    #[test]
    fn every_parser_takes_any_text(text in text()) {
        keeps_its_text::<ModelId>(&text)?;
        keeps_its_text::<Revision>(&text)?;
        keeps_its_text::<RepoPath>(&text)?;
        keeps_its_text::<Task>(&text)?;
        keeps_its_text::<Dtype>(&text)?;
        keeps_its_text::<UrlPrefix>(&text)?;
        let _ = text.parse::<HubKind>();
    }

    #[test]
    fn what_parses_is_safe_below_a_folder(text in text()) {
        let parsed = [
            text.parse::<ModelId>().is_ok(),
            text.parse::<Revision>().is_ok(),
            text.parse::<RepoPath>().is_ok(),
            text.parse::<Task>().is_ok(),
        ];
        prop_assert!(!parsed.contains(&true) || is_safe_below_a_folder(&text), "{:?}", text);
    }

    #[test]
    fn clashes_are_those_of_every_pair(texts in prop::collection::vec("[aAßbоo.]{1,2}(/[aAb]{1,2}){0,2}", 0..12)) {
        let paths: Vec<RepoPath> = texts.iter().filter_map(|text| text.parse().ok()).collect();
        let clashes = find_clashes(&paths);
        let found = |kinds: &[ClashKind]| clashes.iter().any(|clash| kinds.contains(&clash.kind));
        let pairs = || paths.iter().enumerate().flat_map(|(n, a)| paths[n + 1..].iter().map(move |b| (a, b)));
        let twins = pairs().any(|(a, b)| a.folded() == b.folded());
        prop_assert_eq!(found(&[ClashKind::Folded, ClashKind::Repeated]), twins);
        let below = |a: &RepoPath, b: &RepoPath| b.folded().starts_with(&format!("{}/", a.folded()));
        prop_assert_eq!(found(&[ClashKind::FileAndFolder]), pairs().any(|(a, b)| below(a, b) || below(b, a)));
        for clash in &clashes {
            prop_assert!(paths.contains(&clash.first) && paths.contains(&clash.second));
        }
    }

    #[test]
    fn a_template_is_kept_or_refused(text in text()) {
        let root = Hub::mozilla().root().clone();
        if let Ok(hub) = Hub::custom(root, &text) {
            prop_assert_eq!(hub.template(), text);
        }
    }

    #[test]
    fn a_url_stays_below_its_root_and_reads_back(hub in hub(), file in file()) {
        let url = hub.file_url(&file.model, &file.revision, &file.path);
        prop_assert_eq!(url.origin(), hub.root().origin());
        prop_assert!(url.path().starts_with(hub.root().path()), "{}", url);
        prop_assert_eq!((url.query(), url.fragment(), url.username()), (None, None, ""));
        let below = url.path()[hub.root().path().len()..].split('/').count();
        let names = hub.template().split('/').count() + file.model.as_str().split('/').count() - 1;
        prop_assert_eq!(below, names + file.path.segments().count());
        // Parsing the text again, as any HTTP library does, changes nothing.
        prop_assert_eq!(&Url::parse(url.as_str()).expect("a URL's text is a URL"), &url);
        prop_assert_eq!(hub.parse_file_url(&url), Ok(file));
    }

    #[test]
    fn a_listing_stays_below_its_root(hub in hub(), file in file()) {
        let urls = [hub.listing_url(&file.model, &file.revision), hub.revision_url(&file.model, &file.revision)];
        for url in urls.into_iter().flatten() {
            prop_assert_eq!(url.origin(), hub.root().origin());
            let below = url.path().strip_prefix(hub.root().path());
            prop_assert!(below.is_some_and(|below| below.starts_with("api/models/")), "{}", url);
            prop_assert_eq!(&Url::parse(url.as_str()).expect("a URL's text is a URL"), &url);
        }
    }

    #[test]
    fn any_url_is_read_or_refused(hub in hub(), text in text(), below in any::<bool>()) {
        let url = if below { hub.root().join(&text) } else { Url::parse(&text) };
        let Ok(url) = url else { return Ok(()) };
        match hub.parse_file_url(&url) {
            Ok(file) => {
                prop_assert_eq!(url.origin(), hub.root().origin());
                let again = hub.file_url(&file.model, &file.revision, &file.path);
                prop_assert_eq!(hub.parse_file_url(&again), Ok(file));
            }
            Err(error) => prop_assert!(!error.to_string().contains(char::is_control)),
        }
    }

    #[test]
    fn every_path_has_a_kind(path in path()) {
        let kind = FileKind::of(&path);
        let json = serde_json::to_string(&kind).expect("a kind is JSON");
        prop_assert_eq!(serde_json::from_str::<FileKind>(&json).expect("its JSON reads back"), kind);
    }

    #[test]
    fn a_refused_hub_text_never_passes_by_encoding(path in path()) {
        // Whatever is decoded once from a URL is checked as a name: a path that reads as an escape is refused.
        let decoded = path.as_str().replace("%2e", ".").replace("%2F", "/").replace("%00", "\0");
        let url = format!("https://model-hub.mozilla.org/a/b/main/{decoded}");
        if let Ok(file) = Hub::mozilla().parse_file_url(&Url::parse(&url).expect("the host is fixed")) {
            prop_assert!(is_safe_below_a_folder(file.path.as_str()));
        }
    }

    #[test]
    fn needed_files_are_listed_once_and_more_files_never_hurt(
        mut listing in prop::collection::vec(listed(), 0..24),
        more in prop::collection::vec(path(), 0..4),
        task in prop::sample::select(&["feature-extraction", "summarization", "image-to-text", "other"][..]),
        dtype in prop::option::of(prop::sample::select(Dtype::ALL)),
    ) {
        let mut request = FileRequest::new(task.parse().expect("a constant task is valid"));
        if let Some(dtype) = dtype {
            request = request.with_dtype(dtype);
        }
        let before = needed_files(&request, Some(&listing));
        if let Ok(files) = &before {
            for (n, file) in files.iter().enumerate() {
                prop_assert!(listing.contains(&file.path));
                prop_assert!(files[..n].iter().all(|other| other.path != file.path));
            }
        }
        listing.extend(more);
        prop_assert!(before.is_err() || needed_files(&request, Some(&listing)).is_ok());
    }

    #[test]
    fn asking_ends_where_a_listing_ends(
        listing in prop::collection::vec(listed(), 0..24),
        task in prop::sample::select(&["ner", "translation", "automatic-speech-recognition", "something-new"][..]),
        dtype in prop::option::of(prop::sample::select(Dtype::ALL)),
        class in prop::option::of(prop::sample::select(&[ModelClass::Seq2Seq, ModelClass::DecoderOnly][..])),
        named in prop::option::weighted(0.2, listed()),
        config in prop::option::weighted(0.2, Just(r#"{"transformers.js_config":{"use_external_data_format":1}}"#)),
        always in prop::option::weighted(0.8, Just("config.json tokenizer.json preprocessor_config.json")),
    ) {
        let mut listing = listing;
        listing.extend(always.map(paths).unwrap_or_default());
        // Chunks behind a gap are found in a listing only.
        listing.retain(|path| !path.as_str().ends_with("_data_2"));
        let whole = listing.clone();
        listing.retain(|path| path.as_str().strip_suffix("_1").is_none_or(|first| whole.iter().any(|path| path.as_str() == first)));
        // An index of no shards is refused where it is read, and one that is a shard itself is none.
        let has_shards = listing.iter().any(|path| path.as_str().ends_with("-of-00002.safetensors"));
        let may_be_read = |path: &RepoPath| has_shards && path.as_str() == "model.safetensors.index.json";
        let named = named.filter(|path| !path.as_str().ends_with(".index.json") || may_be_read(path));
        let mut request = FileRequest::new(task.parse().expect("a constant task is valid"));
        (request.dtype, request.class, request.model_file) = (dtype, class, named);
        if let Some(config) = config {
            request = request.with_config(&ModelConfig::from_json(config.as_bytes()).expect("valid JSON"));
        }
        let listed = needed_files(&request, Some(&listing));
        match asked(&request, &listing) {
            Ok((files, rounds)) => {
                prop_assert!(rounds.len() <= 12, "{} rounds", rounds.len());
                prop_assert_eq!(Ok(files), listed);
            }
            // If several are missing, each may be the first to be noticed.
            Err(error) => {
                prop_assert!(listed.is_err());
                prop_assert!(error.file().is_some_and(|file| !listing.contains(file)), "{}", error);
            }
        }
    }

    #[test]
    fn configurations_and_indexes_are_read_or_refused(
        bytes in prop::collection::vec(any::<u8>(), 0..64),
        text in "[{}\\[\\]\":,a0-9._/]{0,48}",
        chunks in any::<i64>(),
        shard in text(),
    ) {
        let _ = ModelConfig::from_json(&bytes);
        let _ = ModelConfig::from_json(text.as_bytes());
        let json = serde_json::json!({"transformers.js_config": {"use_external_data_format": {"model": chunks}}});
        let read = ModelConfig::from_json(json.to_string().as_bytes());
        prop_assert_eq!(read.is_ok(), chunks <= 100);
        let index: RepoPath = "a/model.safetensors.index.json".parse().expect("a constant path is valid");
        let mut known = Inventory::default();
        let _ = known.note_index(index.clone(), &bytes);
        let json = serde_json::json!({"weight_map": {"x": shard}}).to_string();
        let safe = format!("a/{shard}").parse::<RepoPath>().is_ok();
        prop_assert_eq!(known.note_index(index, json.as_bytes()).is_ok(), safe);
    }

    #[test]
    fn any_named_file_is_needed_or_missing(
        listing in prop::collection::vec(prop_oneof![path(), listed()], 0..8),
        named in prop_oneof![path(), listed()],
        task in prop::sample::select(&["feature-extraction", "llama-text-generation", "static-embeddings", "test-echo"][..]),
    ) {
        let request = FileRequest::new(task.parse().expect("a constant task is valid")).with_model_file(named.clone());
        match needed_files(&request, Some(&listing)) {
            Ok(files) => prop_assert!(files.iter().all(|file| listing.contains(&file.path))),
            Err(error) => prop_assert!(error.file().is_some_and(|file| !listing.contains(file))),
        }
        let files = needed_files(&request, None).expect("without a listing a named file is taken as it is");
        prop_assert!(files.iter().any(|file| file.path == named && file.required));
    }

    #[test]
    fn an_allowed_url_has_the_origin_of_its_rule(text in text(), below in any::<bool>()) {
        let prefix: UrlPrefix = "https://hub.example/org/".parse().expect("a constant prefix is valid");
        let base = Url::parse("https://hub.example/org/").expect("a constant URL is valid");
        let url = if below { base.join(&text) } else { Url::parse(&text) };
        let Ok(url) = url else { return Ok(()) };
        let verdict = UrlRules::new(vec![prefix.clone()], vec![]).verdict(&url);
        prop_assert!(!verdict.reason.contains(char::is_control));
        prop_assert_eq!(verdict.allowed, verdict.rejection.is_none());
        if verdict.allowed && verdict.rule.is_some() {
            prop_assert_eq!(url.origin(), base.origin());
            prop_assert!(url.path().to_ascii_lowercase().starts_with("/org"));
        }
        // What a rule allows, the same rule can deny.
        let denied = UrlRules::new(vec![prefix.clone()], vec![prefix]).verdict(&url);
        prop_assert!(!(verdict.rule.is_some() && denied.allowed), "{}", url);
    }

    // Firefox's grammars: what they accept passes, or is refused for a stated reason of safety.

    #[test]
    fn hub_level_names_pass(
        model in "([A-Za-z0-9]([A-Za-z0-9]|-[A-Za-z0-9]){0,6}/)?([A-Za-z0-9._]|-[A-Za-z0-9._]){1,9}",
        revision in "[A-Za-z0-9.-]{1,40}",
        file in "/?[A-Za-z0-9._-]{1,9}(/[A-Za-z0-9._-]{1,9}){0,4}",
    ) {
        passes_or_is_not_safe(Grammar::Hub.model(&model))?;
        passes_or_is_not_safe(Grammar::Hub.revision(&revision))?;
        passes_or_is_not_safe(Grammar::Hub.file(&file))?;
    }

    #[test]
    fn option_level_names_pass(
        model in "([A-Za-z0-9_.:-]{1,9}/)?[A-Za-z0-9._:-]{1,9}",
        revision in "v?[0-9]{1,3}(\\.[0-9]{1,3}){0,2}([.-](alpha|beta|pre|post|rc)[0-9]{0,2})?",
    ) {
        passes_or_is_not_safe(Grammar::Options.model(&model))?;
        let revision = Grammar::Options.revision(&revision).expect("a version is safe");
        prop_assert!(!revision.is_moving(), "{}", revision);
    }

    #[test]
    fn what_a_grammar_accepts_is_a_name_of_ascii(text in text()) {
        for grammar in [Grammar::Hub, Grammar::Options] {
            let read = [
                grammar.model(&text).is_ok_and(|name| text.parse() == Ok(name)),
                grammar.revision(&text).is_ok_and(|name| text.parse() == Ok(name)),
                grammar.file(&text).is_ok_and(|name| text.strip_prefix('/').unwrap_or(&text).parse() == Ok(name)),
                grammar.task(&text).is_ok_and(|name| text.parse() == Ok(name)),
            ];
            let accepted = [
                grammar.model(&text).is_ok(),
                grammar.revision(&text).is_ok(),
                grammar.file(&text).is_ok(),
                grammar.task(&text).is_ok(),
            ];
            prop_assert_eq!(read, accepted);
            let is_plain = text.chars().all(|c| c.is_ascii_alphanumeric() || "-_./".contains(c));
            prop_assert!(is_plain || !accepted.contains(&true), "{:?}", text);
        }
    }
}

/// What a pattern of Firefox's makes is accepted, unless the name itself is refused.
fn passes_or_is_not_safe<T>(read: Result<T, GrammarError>) -> Result<(), TestCaseError> {
    use NameProblem::{Character, DotSegment, DoubleHyphen, OuterHyphen, OuterSpaceOrDot, ReservedName};
    let Err(error) = read else { return Ok(()) };
    let source = error.source().and_then(|source| source.downcast_ref::<ParseNameError>());
    let Some(name) = source else { return Err(TestCaseError::fail(format!("{error}"))) };
    // No hub has an id with a colon.
    let is_colon = name.problem() == Character && error.found().contains(':');
    let is_of_hub =
        matches!(name.problem(), DoubleHyphen | OuterHyphen) && error.grammar() == Grammar::Options;
    let is_unsafe = matches!(name.problem(), DotSegment | OuterSpaceOrDot | ReservedName);
    prop_assert!(is_unsafe || is_colon || is_of_hub, "{}: {}", error, name);
    Ok(())
}

/// Files that real models have.
fn listed() -> impl Strategy<Value = RepoPath> {
    let bases = "(config|tokenizer|tokenizer_config|preprocessor_config)\\.json|README\\.md|\
        (onnx/)?(model|encoder_model|decoder_model_merged)(_quantized|_fp16|_int8|_q4)?\\.onnx(_data(_[12])?)?|\
        (model-0000[12]-of-00002|model)\\.safetensors(\\.index\\.json)?|[ab](-0000[12]-of-00002)?\\.gguf|\
        (sub/)?(fp32|fp8_e4m3)\\.d(8|16)\\.npy(\\.zst)?|(sub/)?tokenizer\\.json(\\.zst)?";
    bases.prop_filter_map("not a path", |text| text.parse().ok())
}
