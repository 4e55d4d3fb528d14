//! Tables of names that pass and names that do not.

use std::{fmt::Debug, str::FromStr};

use hub_layout::{
    ClashKind, Dtype, ModelId, NameKind, NameProblem, ParseNameError, RepoPath, Revision, Task, find_clashes,
};

fn passes<T: FromStr<Err = ParseNameError>>(texts: &[&str]) {
    for text in texts {
        assert!(text.parse::<T>().is_ok(), "{:?}", text.parse::<T>().err());
    }
}

fn fails<T: FromStr<Err = ParseNameError> + Debug>(table: &[(&str, NameProblem)]) {
    for (text, problem) in table {
        let error = text.parse::<T>().expect_err(text);
        assert_eq!(error.problem(), *problem, "{text:?}");
    }
}

#[test]
fn model_ids() {
    passes::<ModelId>(&[
        "Xenova/all-MiniLM-L6-v2",
        "Mozilla/distilvit",
        "gpt2",
        "b--ert",
        "acme/.hidden",
        "a_b/c.d_e",
        "a.b/c",
        "acme/bert-",
        "acme/-bert",
        "1/2",
        "onnx-community/gpt2-ONNX",
        "acme/console",
        "com10/x",
    ]);
    fails::<ModelId>(&[
        ("", NameProblem::Empty),
        ("/bert", NameProblem::Absolute),
        ("acme/", NameProblem::EmptySegment),
        ("acme//bert", NameProblem::TooManyParts),
        ("a/b/c", NameProblem::TooManyParts),
        ("..", NameProblem::DotSegment),
        ("acme/..", NameProblem::DotSegment),
        ("./bert", NameProblem::DotSegment),
        ("acme/b--ert", NameProblem::DoubleHyphen),
        ("ac--me/bert", NameProblem::DoubleHyphen),
        ("-acme/bert", NameProblem::OuterHyphen),
        ("acme-/bert", NameProblem::OuterHyphen),
        ("acme/bert.", NameProblem::OuterSpaceOrDot),
        ("acme/be rt", NameProblem::Character),
        ("acme:x/bert", NameProblem::Character),
        ("C:/bert", NameProblem::Character),
        ("acme\\bert", NameProblem::Backslash),
        ("acme/bert\n", NameProblem::ControlCharacter),
        ("acme/be\0rt", NameProblem::ControlCharacter),
        ("acme/bért", NameProblem::Character),
        ("аcme/bert", NameProblem::LookAlike),
        ("acme/aux", NameProblem::ReservedName),
        ("nul/bert", NameProblem::ReservedName),
        ("acme/Com1.onnx", NameProblem::ReservedName),
        ("acme/bert@main", NameProblem::Character),
        ("acme/%2e%2e", NameProblem::Character),
        (&"x".repeat(97), NameProblem::TooLong),
    ]);
    let id: ModelId = "Xenova/all-MiniLM-L6-v2".parse().expect("a valid id");
    assert_eq!((id.org(), id.name()), (Some("Xenova"), "all-MiniLM-L6-v2"));
    let id: ModelId = "gpt2".parse().expect("a valid id");
    assert_eq!((id.org(), id.name()), (None, "gpt2"));
}

#[test]
fn revisions() {
    passes::<Revision>(&[
        "main",
        "refs/pr/1",
        "v1.2.0-rc.1+build.5",
        "a_b",
        "-x",
        ".x",
        "5f8986ea",
        "feature/x",
    ]);
    fails::<Revision>(&[
        ("", NameProblem::Empty),
        ("..", NameProblem::DotSegment),
        ("a/../b", NameProblem::DotSegment),
        ("v1..v2", NameProblem::DotSegment),
        ("/main", NameProblem::Absolute),
        ("refs//pr", NameProblem::EmptySegment),
        ("main/", NameProblem::EmptySegment),
        ("main.", NameProblem::OuterSpaceOrDot),
        ("ma in", NameProblem::Character),
        ("main~1", NameProblem::Character),
        ("main^", NameProblem::Character),
        ("a@{1}", NameProblem::Character),
        ("a:b", NameProblem::Character),
        ("a\\b", NameProblem::Backslash),
        ("main\t", NameProblem::ControlCharacter),
        ("refs%2Fpr%2F1", NameProblem::Character),
        ("con", NameProblem::ReservedName),
        (&"a".repeat(201), NameProblem::TooLong),
    ]);
}

#[test]
fn only_commits_versions_and_tags_stand_still() {
    let commit = "5f8986ea1c3a4e7d9b2f0a6c8e4d7b1f3a5c9e02";
    for (text, is_commit, is_moving) in [
        (commit, true, false),
        (&commit[..39], false, true),
        (&commit.to_uppercase(), false, true),
        ("main", false, true),
        ("refs/pr/1", false, true),
        ("fp16", false, true),
        ("v1-dev", false, true),
        ("v1-rc.x", false, true),
        ("v1.x", false, true),
        ("v", false, true),
        ("1/2", false, true),
        ("v0.5.0", false, false),
        ("2", false, false),
        ("1.0.0-rc.1", false, false),
        ("v1.0+cpu", false, false),
        ("refs/tags/stable", false, false),
    ] {
        let revision: Revision = text.parse().expect("a valid revision");
        assert_eq!((revision.is_commit(), revision.is_moving()), (is_commit, is_moving), "{text}");
    }
    assert_eq!(Revision::default().as_str(), "main");
}

#[test]
fn paths() {
    passes::<RepoPath>(&[
        "config.json",
        "onnx/model_quantized.onnx",
        ".gitattributes",
        "1_Pooling/config.json",
        "LICENSE (1).txt",
        "données/été.txt",
        "说明.md",
        "a%2e%2e",
        "..a",
        "a..b",
        "nulls/auxiliary.txt",
        "#1?".trim_end_matches('?'),
        "~x",
        "модель.onnx",
        "μοντέλο_v2.onnx",
        "кот-cat.png",
        "ΔH2O.csv",
        "TNFα.csv",
        ".gitattributes",
        ".github/x",
        "git/config",
    ]);
    fails::<RepoPath>(&[
        ("", NameProblem::Empty),
        ("/etc/passwd", NameProblem::Absolute),
        ("C:/x", NameProblem::Absolute),
        ("c:x", NameProblem::Absolute),
        ("//host/x", NameProblem::Absolute),
        ("a//b", NameProblem::EmptySegment),
        ("a/", NameProblem::EmptySegment),
        ("../x", NameProblem::DotSegment),
        ("a/./b", NameProblem::DotSegment),
        ("a/..", NameProblem::DotSegment),
        ("..\\x", NameProblem::Backslash),
        ("a/b:stream", NameProblem::Character),
        ("a?b", NameProblem::Character),
        ("a*b", NameProblem::Character),
        ("a\0b", NameProblem::ControlCharacter),
        ("a\nb", NameProblem::ControlCharacter),
        ("a\u{9b}b", NameProblem::ControlCharacter),
        ("a/nul", NameProblem::ReservedName),
        ("AUX.json", NameProblem::ReservedName),
        ("lpt9 .txt", NameProblem::ReservedName),
        ("conin$", NameProblem::ReservedName),
        ("a./b", NameProblem::OuterSpaceOrDot),
        ("a /b", NameProblem::OuterSpaceOrDot),
        (" a", NameProblem::OuterSpaceOrDot),
        ("...", NameProblem::OuterSpaceOrDot),
        ("e\u{301}te\u{301}", NameProblem::NotNormalised),
        ("a\u{2044}b", NameProblem::LookAlike),
        ("a\u{2215}b", NameProblem::LookAlike),
        ("a\u{ff0f}b", NameProblem::LookAlike),
        ("\u{ff0e}\u{ff0e}/x", NameProblem::LookAlike),
        ("\u{2025}/x", NameProblem::LookAlike),
        ("c\u{ff1a}x", NameProblem::LookAlike),
        ("com\u{b9}", NameProblem::LookAlike),
        ("\u{ff43}on", NameProblem::LookAlike),
        ("model\u{200b}.onnx", NameProblem::LookAlike),
        ("gpj.\u{202e}exe", NameProblem::LookAlike),
        ("a\u{a0}b", NameProblem::LookAlike),
        ("a\u{2028}b", NameProblem::LookAlike),
        ("\u{441}onfig.json", NameProblem::LookAlike),
        ("onnx/m\u{43e}del.onnx", NameProblem::LookAlike),
        ("C\u{39f}NFIG.json", NameProblem::LookAlike),
        ("\u{13df}ONFIG.json", NameProblem::LookAlike),
        ("conf\u{456}g2.json", NameProblem::LookAlike),
        ("a\u{f05c}b", NameProblem::LookAlike),
        ("a\u{f03a}b", NameProblem::LookAlike),
        ("\u{10ffff}", NameProblem::LookAlike),
        (".git/config", NameProblem::ReservedName),
        ("x/.GIT/hooks/post-checkout", NameProblem::ReservedName),
        ("GIT~1/config", NameProblem::ReservedName),
        ("\u{ff0e}git/config", NameProblem::LookAlike),
        (&"x".repeat(256), NameProblem::TooLong),
        (&"é".repeat(128), NameProblem::TooLong),
        (&["x"; 33].join("/"), NameProblem::TooLong),
        (&["x".repeat(250).as_str(); 5].join("/"), NameProblem::TooLong),
    ]);
}

#[test]
fn parts_of_a_path() {
    let path: RepoPath = "a/b/model.onnx".parse().expect("a valid path");
    assert_eq!(path.segments().collect::<Vec<_>>(), ["a", "b", "model.onnx"]);
    assert_eq!((path.file_name(), path.parent()), ("model.onnx", Some("a/b")));
    assert_eq!(path.sibling("x.json").expect("a valid name").as_str(), "a/b/x.json");
    assert_eq!(path.sibling("..").expect_err("no name").problem(), NameProblem::DotSegment);
    let top: RepoPath = "model.onnx".parse().expect("a valid path");
    assert_eq!((top.file_name(), top.parent()), ("model.onnx", None));
}

#[test]
fn twins_on_a_case_insensitive_disk_share_a_key() {
    let key = |text: &str| text.parse::<RepoPath>().expect("a valid path").folded();
    assert_eq!(key("README.md"), key("Readme.MD"));
    assert_eq!(key("ﬁle"), key("FILE"));
    assert_eq!(key("straße"), key("STRASSE"));
    assert_eq!(key("ΟΔΟΣ"), key("οδος"));
    assert_ne!(key("a/b"), key("ab"));
}

fn clashes(texts: &[&str]) -> String {
    let paths: Vec<RepoPath> = texts.iter().map(|text| text.parse().expect("a valid path")).collect();
    find_clashes(&paths).iter().map(ToString::to_string).collect::<Vec<_>>().join("; ")
}

#[test]
fn clashes_within_a_model_are_found() {
    for (texts, expected) in [
        (&["a", "b", "a"][..], "a and a are the same name"),
        (&["README.md", "ReadMe.md"], "README.md and ReadMe.md differ only in case or Unicode form"),
        (&["straße", "STRASSE"], "straße and STRASSE differ only in case or Unicode form"),
        (&["ﬁle", "file"], "ﬁle and file differ only in case or Unicode form"),
        (&["a", "a/b"], "a and a/b are a file and what lies in a folder of its name"),
        (&["A/b/c", "a/B"], "a/B and A/b/c are a file and what lies in a folder of its name"),
        (&["сор", "cop"], "сор and cop differ only in letters that look alike"),
        (&["ΗΝ", "hn"], "ΗΝ and hn differ only in letters that look alike"),
        (&["\u{4ba}", "h"], "\u{4ba} and h differ only in letters that look alike"),
        (&["file", "ﬁle/x"], "file and ﬁle/x are a file and what lies in a folder of its name"),
        (&["x/a", "y/a", "a", "a.b", "ab", "a-b/c"], ""),
        (&["Onnx/a", "onnx/b"], ""),
        (&[], ""),
    ] {
        assert_eq!(clashes(texts), expected);
    }
    assert_eq!(
        clashes(&["a", "A", "a", "A/x"]),
        "a and A differ only in case or Unicode form; a and a are the same name; a and A/x are a file and what lies in \
         a folder of its name"
    );
}

#[test]
fn clashes_of_the_same_reference_count() {
    let path: RepoPath = "a".parse().expect("a valid path");
    assert_eq!(find_clashes([&path, &path])[0].kind, ClashKind::Repeated);
}

#[test]
fn tasks() {
    passes::<Task>(&["feature-extraction", "text2text-generation", "moz_x", "A"]);
    fails::<Task>(&[
        ("", NameProblem::Empty),
        ("a b", NameProblem::Character),
        ("a/b", NameProblem::Character),
        ("task\n", NameProblem::ControlCharacter),
        ("..", NameProblem::DotSegment),
        ("nul", NameProblem::ReservedName),
        (&"t".repeat(65), NameProblem::TooLong),
    ]);
}

#[test]
fn an_error_shows_the_text_the_reason_and_what_is_allowed() {
    let error = "acme/..".parse::<ModelId>().expect_err("dots lead out");
    assert_eq!(error.name(), NameKind::ModelId);
    assert_eq!(
        error.to_string(),
        "invalid model id \"acme/..\": \".\" and \"..\" lead out of the model (allowed: \"org/name\" or \"name\" of \
         letters, digits, \"-\", \"_\" and \".\", at most 96 characters a part)"
    );
    let error = "é".repeat(5000).parse::<Task>().expect_err("too long");
    assert_eq!(error.found(), "é".repeat(80));
}

#[test]
fn dtypes() {
    for &dtype in Dtype::ALL {
        assert_eq!(dtype.to_string().parse(), Ok(dtype));
        let json = serde_json::to_string(&dtype).expect("a dtype is JSON");
        assert_eq!(serde_json::from_str::<Dtype>(&json).expect("its JSON reads back"), dtype);
    }
    assert_eq!(Dtype::default(), Dtype::Q8);
    let suffixes =
        [("fp32", ""), ("fp16", "_fp16"), ("int8", "_int8"), ("uint8", "_uint8"), ("q8", "_quantized")];
    let more = [("q4", "_q4"), ("q4f16", "_q4f16"), ("bnb4", "_bnb4"), ("q2", "_q2"), ("q1f16", "_q1f16")];
    for (name, suffix) in suffixes.into_iter().chain(more) {
        assert_eq!(name.parse::<Dtype>().expect("a known dtype").onnx_suffix(), Some(suffix), "{name}");
    }
    assert_eq!(Dtype::Fp8E4m3.onnx_suffix(), None);
    let error = "Q8".parse::<Dtype>().expect_err("case counts");
    assert!(error.to_string().starts_with("unknown dtype \"Q8\" (allowed: fp32, fp16, q8, "), "{error}");
}

#[test]
fn a_missing_dtype_falls_back_to_the_same_width_then_wider_then_narrower() {
    let order = |dtype: Dtype| dtype.fallbacks().map(Dtype::as_str).collect::<Vec<_>>().join(" ");
    assert_eq!(order(Dtype::Q8), "int8 uint8 fp8_e4m3 fp8_e5m2 fp16 fp32 q4 q4f16 bnb4 q2 q2f16 q1 q1f16");
    assert_eq!(order(Dtype::Q4), "q4f16 bnb4 q8 int8 uint8 fp8_e4m3 fp8_e5m2 fp16 fp32 q2 q2f16 q1 q1f16");
    assert!(order(Dtype::Fp32).starts_with("fp16 q8 int8 uint8"));
    for &dtype in Dtype::ALL {
        assert_eq!(dtype.fallbacks().count(), Dtype::ALL.len() - 1);
    }
}
