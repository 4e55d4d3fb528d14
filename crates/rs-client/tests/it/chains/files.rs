//! Chain files that are bad, or odd and good all the same: what is in them, in which order, and how it is written.

use std::sync::Arc;

use rs_client::{CertificateProblem as Problem, ErrorKind};
use testkit::pki::{
    certificate::{pem, pem_block},
    der::utc_time,
    forge::{Forge, Pki, authority},
};

use super::{SIGNER, check, pin};

/// A name, certificates in some order, and what is said of them.
type Row<'a> = (&'static str, Vec<&'a [u8]>, Option<Problem>);

/// What is said of a file where `root` is pinned.
fn problem(forge: &Forge, file: impl AsRef<[u8]>, root: &[u8]) -> Option<Problem> {
    let result = check(forge, file, &[&pin(root)]);
    result.err().map(|error| error.certificate().unwrap_or_else(|| panic!("{error} is not about the chain")))
}

#[test]
fn how_a_file_is_written() {
    let forge = Forge::new(Pki::Elliptic, SIGNER);
    let certificates = forge.certificates();
    let [leaf, intermediate, root] = certificates.clone().map(|it| pem([it]));
    let whole = pem(&certificates);
    let key = pem_block("PRIVATE KEY", &[0x30; 100]);
    let (good, bad) = (None, Some(Problem::Malformed));
    let relabelled = |label: &str| whole.replace(" CERTIFICATE-----", &format!(" {label}-----"));
    let rows: Vec<(&str, Vec<u8>, Option<Problem>)> = vec![
        ("as it should be", whole.clone().into(), good),
        ("empty", Vec::new(), bad),
        ("white space", b" \r\n\t\n".into(), bad),
        ("no PEM", b"certificates".into(), bad),
        ("HTML", b"<!doctype html><title>Sign in</title>".into(), bad),
        ("DER", certificates.concat(), bad),
        ("JSON", format!("{{\"chain\": {whole:?}}}").into(), bad),
        ("NUL bytes", vec![0; 1000], bad),
        ("not UTF-8", [whole.as_bytes(), b"\xff\xfe"].concat(), bad),
        ("junk around", format!("before\n{leaf}between\n{intermediate}\n\n{root}after").into(), good),
        ("other things between", format!("{key}{leaf}{key}{intermediate}{key}{root}{key}").into(), good),
        ("CRLF", whole.replace('\n', "\r\n").into(), good),
        ("CR", whole.replace('\n', "\r").into(), good),
        (
            "without line breaks inside",
            [&leaf, &intermediate, &root].map(|it| one_line(it)).concat().into(),
            good,
        ),
        ("no line break at the end", whole.trim_end().into(), good),
        ("spaces at the end of lines", whole.replace('\n', " \n").into(), good),
        ("a byte order mark hides the leaf", format!("\u{feff}{whole}").into(), Some(Problem::Link)),
        ("cut in the last line", whole[..whole.len() - 40].into(), bad),
        ("cut in the middle", whole[..whole.len() / 2].into(), bad),
        ("no first line", whole.split_once('\n').expect("there are lines").1.into(), Some(Problem::Link)),
        ("no last line", whole[..whole.trim_end().rfind('\n').expect("there are lines")].into(), bad),
        ("another last line", whole.replacen("END CERTIFICATE", "END PUBLIC KEY", 1).into(), bad),
        ("a character that is not base64", whole.replacen("MII", "M!I", 1).into(), bad),
        ("URL-safe base64", whole.replace('+', "-").replace('/', "_").into(), bad),
        ("padding in the middle", whole.replacen("MII", "MI=", 1).into(), bad),
        ("other labels", relabelled("X509 CERTIFICATE").into(), bad),
        ("keys by their labels", relabelled("PRIVATE KEY").into(), bad),
        ("lists by their labels", relabelled("X509 CRL").into(), bad),
        ("lower case", whole.to_lowercase().into(), bad),
    ];
    let mut others = Vec::new();
    for (name, file, expected) in rows {
        let found = problem(&forge, file, &certificates[2]);
        if found != expected {
            others.push((name, found));
        }
    }
    assert!(others.is_empty(), "{others:#?}");
}

fn one_line(pem: &str) -> String {
    let mut lines: Vec<&str> = pem.lines().collect();
    let (last, first) = (lines.pop().expect("there are lines"), lines.remove(0));
    format!("{first}\n{}\n{last}\n", lines.concat())
}

#[test]
fn what_is_in_a_file() {
    for pki in [Pki::Elliptic, Pki::Rsa] {
        let mut forge = Forge::new(pki, SIGNER);
        let certificates = forge.certificates();
        let [leaf, intermediate, root] = &certificates.clone();
        let mut other = Forge::new(pki, SIGNER);
        other.root.serial = vec![0x44];
        let [_, stranger, other_root] = &other.certificates();
        forge.root.not_after = utc_time("490101000000Z");
        let renewed = forge.root.der();
        forge.intermediate.subject = "Throw-away Intermediate of the past".into();
        forge.intermediate.not_after = utc_time("260101000000Z");
        let past = forge.intermediate.der();
        let cut = |der: &[u8]| der[..der.len() - 1].to_vec();
        let longer = |der: &[u8]| [der, &[0]].concat();
        let (good, malformed, link) = (None, Some(Problem::Malformed), Some(Problem::Link));
        let wrong_root = Some(Problem::Root);
        let rows: Vec<Row<'_>> = vec![
            ("as it should be", vec![leaf, intermediate, root], good),
            ("reversed", vec![root, intermediate, leaf], wrong_root),
            ("root in the middle", vec![leaf, root, intermediate], wrong_root),
            ("intermediate first", vec![intermediate, leaf, root], link),
            ("no intermediate", vec![leaf, root], link),
            ("no root", vec![leaf, intermediate], wrong_root),
            ("no leaf", vec![intermediate, root], link),
            ("leaf alone", vec![leaf], malformed),
            ("root alone", vec![root], malformed),
            ("root for everything", vec![root, root, root], link),
            ("leaf twice", vec![leaf, leaf, intermediate, root], good),
            ("intermediate twice", vec![leaf, intermediate, intermediate, root], good),
            ("root twice", vec![leaf, intermediate, root, root], good),
            ("leaf at the end", vec![leaf, intermediate, root, leaf], wrong_root),
            ("another root", vec![leaf, intermediate, other_root], wrong_root),
            ("the same key in another root", vec![leaf, intermediate, &renewed], wrong_root),
            ("another root before", vec![leaf, intermediate, other_root, root], good),
            ("another root after", vec![leaf, intermediate, root, other_root], wrong_root),
            (
                "an intermediate more, of the past",
                vec![leaf, &past, intermediate, root],
                Some(Problem::Expired),
            ),
            ("leaf cut", vec![&leaf[..9], intermediate, root], malformed),
            ("nine", [vec![&leaf[..]], vec![intermediate; 7], vec![root]].concat(), malformed),
            ("nothing in a block", vec![leaf, &[], root], malformed),
        ];
        for (name, file, expected) in rows {
            assert_eq!(problem(&forge, pem(file), root), expected, "{name}, {pki:?}");
        }
        for at in 0..3 {
            for edit in [&cut as &dyn Fn(&[u8]) -> Vec<u8>, &longer] {
                let mut certificates = certificates.clone();
                certificates[at] = edit(&certificates[at]);
                let file = pem(&certificates);
                let expected = if at == 2 { wrong_root } else { malformed };
                assert_eq!(problem(&forge, &file, root), expected, "{at}, {pki:?}");
                // A root that somebody pinned as it is does not become better by that.
                assert_eq!(problem(&forge, &file, &certificates[2]), malformed, "{at}, {pki:?}");
            }
        }
        // Only with keys of their own is the other intermediate somebody else's.
        let expected = if pki == Pki::Elliptic { link } else { good };
        assert_eq!(problem(&forge, pem([&leaf[..], stranger, root]), root), expected, "{pki:?}");
        assert_eq!(problem(&forge, pem([&leaf[..], stranger, intermediate, root]), root), good, "{pki:?}");
    }
}

#[test]
fn which_root_is_pinned() {
    let mut forge = Forge::new(Pki::Production, SIGNER);
    let certificates = forge.certificates();
    let (file, root) = (pem(&certificates), pin(&certificates[2]));
    let other = "0".repeat(64);
    check(&forge, &file, &[&root]).expect("it is pinned");
    check(&forge, &file, &[&other, &root]).expect("pins are a set");
    check(&forge, &file, &[&root.to_uppercase()]).expect("case does not matter");
    let bytes: Vec<&str> = (0..32).map(|at| &root[2 * at..2 * at + 2]).collect();
    check(&forge, &file, &[&bytes.join(":")]).expect("colons do not matter");
    let key = pin(&forge.root.key);
    let (leaf, intermediate) = (pin(&certificates[0]), pin(&certificates[1]));
    for pins in [&[][..], &[&*other], &[&*intermediate], &[&*leaf], &[&*key]] {
        let error = check(&forge, &file, pins).expect_err("that is not the root");
        assert_eq!(error.certificate(), Some(Problem::Root), "{pins:?}");
        assert!(error.to_string().contains(&root), "{error}");
    }
    forge.root.not_after = utc_time("500101000000Z");
    let renewed = forge.certificates();
    check(&forge, pem(&renewed), &[&root]).expect_err("the same key, but another certificate");
    let pins = [&*root, &pin(&renewed[2])];
    let error = check(&forge, pem(&renewed), &pins).expect_err("two digits mean 1950");
    assert_eq!(error.certificate(), Some(Problem::Expired));
}

/// A leaf that signs itself is not a chain, pinned or not.
#[test]
fn a_leaf_that_is_its_own_root() {
    let mut forge = Forge::new(Pki::Elliptic, SIGNER);
    forge.leaf.signer = Arc::clone(&forge.leaf_key);
    forge.leaf.issuer = forge.leaf.subject.clone();
    let leaf = forge.leaf.der();
    for count in [1, 2, 3] {
        let result = check(&forge, pem(vec![&leaf; count]), &[&pin(&leaf)]);
        let found = result.expect_err("it is no authority").certificate();
        assert_eq!(found, Some(if count == 1 { Problem::Malformed } else { Problem::Link }), "{count}");
    }
}

/// One intermediate more or fewer than production has.
#[test]
fn other_lengths() {
    for pki in [Pki::Elliptic, Pki::Rsa] {
        let mut forge = Forge::new(pki, SIGNER);
        let root = forge.root.der();
        let mut lower = forge.intermediate.clone();
        lower.subject = "Throw-away Lower".into();
        lower.key = forge.stranger.public();
        lower.issuer = forge.intermediate.subject.clone();
        lower.signer = Arc::clone(&forge.intermediate_key);
        (forge.leaf.issuer, forge.leaf.signer) = (lower.subject.clone(), Arc::clone(&forge.stranger));
        for (length, expected) in [(None, None), (Some(1), None), (Some(0), Some(Problem::Link))] {
            forge.intermediate.set(authority(length));
            let file = pem([forge.leaf.der(), lower.der(), forge.intermediate.der(), root.clone()]);
            assert_eq!(problem(&forge, file, &root), expected, "{length:?}");
        }
        (forge.leaf.issuer, forge.leaf.signer) = (forge.root.subject.clone(), Arc::clone(&forge.root_key));
        assert_eq!(problem(&forge, pem([forge.leaf.der(), root.clone()]), &root), None, "signed by the root");
    }
}

#[test]
fn a_file_has_a_largest_size() {
    let forge = Forge::new(Pki::Elliptic, SIGNER);
    let certificates = forge.certificates();
    let hundred = pem([vec![&certificates[0]], vec![&certificates[1]; 98], vec![&certificates[2]]].concat());
    let error = check(&forge, hundred, &[&pin(&certificates[2])]).expect_err("it is too long");
    assert_eq!(error.kind(), ErrorKind::TooLarge, "{error}");
    for filling in ["x", "\n", "-----BEGIN CERTIFICATE-----\n"] {
        let file = pem(&certificates) + &filling.repeat((1 << 20) / filling.len());
        let error = check(&forge, file, &[&pin(&certificates[2])]).expect_err("it is too long");
        assert_eq!(error.kind(), ErrorKind::TooLarge, "{error}");
    }
}
