//! Filter expressions: what they mean, what they can ask, and why they hide a record.

use rs_client::{FilterEnvironment, Hidden, HiddenReason, Limits, Outcome};
use serde_json::{Value, json};

use crate::{
    filters::collection,
    support::{LIST, Pair, ids, list},
};

pub(crate) fn environment() -> FilterEnvironment {
    FilterEnvironment::new()
        .version("128.0.1")
        .channel("nightly")
        .locale("de-AT")
        .os_name("Linux")
        .os_version("6.12")
        .app_id("{aaaaaaaa-bbbb-cccc-dddd-eeeeeeeeeeee}")
        .form_factor("desktop")
        .country("AT")
        .custom("distribution", "demo-1")
        .custom(
            "addons",
            json!([{"id": "one", "active": true}, {"id": "two", "active": false}, {"id": "drei-ß"}]),
        )
        .custom("memory", 16)
}

/// Why a record with this expression is hidden from `environment`.
pub(crate) fn hidden_from(environment: &FilterEnvironment, expression: &Value) -> Option<Hidden> {
    let collection = collection(&[json!({"id": "r", "filter_expression": expression})]);
    let visible = collection.visible(environment);
    assert_eq!(visible.shown.len() + visible.hidden.len(), 1);
    visible.hidden.into_iter().next()
}

fn hidden(expression: &str) -> Option<Hidden> {
    hidden_from(&environment(), &expression.into())
}

fn reason(expression: &str) -> Option<HiddenReason> {
    hidden(expression).map(|hidden| hidden.reason)
}

#[test]
fn records_are_shown_where_their_expression_holds() {
    let shown = [
        // In the manner of production.
        "env.version|versionCompare('128.0a1') >= 0 && env.version|versionCompare('129.0a1') < 0",
        "env.channel == 'default' || env.channel == 'nightly'",
        "env.appinfo.OS != 'Android' || env.channel != 'release'",
        "(env.channel == 'default' || env.channel == 'nightly') && env.appinfo.OS != 'Android'",
        r#"env.appinfo.ID == "{aaaaaaaa-bbbb-cccc-dddd-eeeeeeeeeeee}""#,
        "env.version|versionCompare('133.!') < 0",
        "env.locale in ['de-DE', 'de-AT', 'de-CH']",
        "env.country == 'AT' && env.formFactor in ['desktop', 'tablet']",
        "env.os.name == 'Linux' && env.os.version|versionCompare('6.2') > 0",
        "env.os.isLinux && !env.os.isWindows && !env.os.isMac",
        "env.distribution == 'demo-1'",
        // Without a need for them, and over several lines.
        "  \n\tenv.channel\r\n == \n'nightly' ",
        // Texts beside numbers are numbers.
        "'57' == 57 && 57.0 == '57' && '115.0' < 116 && env.memory >= '8'",
        "!('118.0.1' < 116) && !('118.0.1' > 116)",
        "true == 1 && false == 0 && '' == 0 && ' 1e2 ' == 100",
        // Texts beside texts are letters.
        "'9' > '118' && 'a' < 'b' && 'ä' == 'ä' && 'ä' != 'a'",
        // What is not there is nothing: equal to itself, and in no order.
        "env.nothing == null && env.nothing == undefined && env.nothing.at.all == nobody",
        "!(env.nothing < 1) && !(env.nothing > 1) && env.nothing != 0 && env.nothing != false",
        // Precedence.
        "1 + 2 * 3 == 7 && (1 + 2) * 3 == 9 && 2 * 3 % 2 == 2 && 2 ^ 3 ^ 2 == 64",
        "7 // 2 == 3 && 7 / 2 == 3.5 && -7 // 2 == -4 && 5 % 3 == 2 && 10 - 4 - 3 == 3",
        "!(true || true && false) == true ? true : false",
        "1 == 2 ? false : 'yes'",
        "false ? false : false ? false : 3 > 2",
        "'kept' ?: false",
        "('' ?: 'kept') == 'kept'",
        "!!'x' == true && !!!'x' == false",
        "!env.nothing.there",
        "-1 < .5 && 3 - -1 == 4 && [-1, 2][0] == -1",
        "1 / 0 > 9 ^ 300 && -1 / 0 < 0 && 10 ^ 21 + '' == '1e+21' && 1 / 10 ^ 7 + '' == '1e-7'",
        "'a' + 'b' + 1 + true == 'ab1true' && 1 + 1 + '1' == '21' && 1.5 + '' == '1.5' && 1 + true == 2",
        // Members, items, and filters.
        "{a: {'b c': [1, 2, {d: 'e'}]}}.a['b c'][2].d == 'e'",
        "[[1, 2], [3, 4]][1][0] == 3 && [1, 2,][1] == 2 && [1][7] == null && [1][-1] == null && [1][0.5] == null",
        "env.addons[.active].id == 'one' && env.addons[.active == false].id == 'two'",
        "env.addons[.id == 'drei-ß']|length == 1 && env.addons[.nothing]|length == 0",
        "env.addons[(.active || .id == 'drei-ß')]|length == 2 && env.nothing[.x]|length == 0",
        "env.addons[.id in ['one', 'two'][.nothing]]|length == 0",
        "{x: 1}[.x == 1][0].x == 1 && env.addons[1 == 1]|length == 3 && env.addons[false] == null",
        "{a: 1, 'in': 2}['in'] == 2 && {1: 2}|keys == ['1']",
        "'ell' in 'hello' && !('elk' in 'hello') && 3 in [1, '3'] && 12 in 'a123' && !('a' in {a: 1})",
        "[1, 2, 3] intersect [4, 2, 6, 3] == [2, 3] && ['2'] intersect [2] == [] && 5 intersect [5] == null",
        "[1, 2, 3] == [1, 2, 3] && {a: [1]} == {a: [1]} && [1] != ['1'] && [] != {} && [] != ''",
        "[] && {} && !'' && !0 && !null",
        // Quotes.
        r#"'it\'s' == "it's" && "say \"x\"" == 'say "x"' && 'a\\b' == "a\\b" && '\d' == "\d""#,
        "'日本' in '日本語' && \"é\" == 'é'",
        // Transforms.
        "{foo: 1, bar: 2}|keys|length == 2 && {a: 5}|values == [5] && 5|keys == null && null|values == null",
        "[{a: 1}, {b: 2}, {a: 3}, 4]|mapToProperty('a') == [1, null, 3, null] && 5|mapToProperty('a') == null",
        "[1, null, {a: 2}]|length == 3 && []|length == 0 && 5|length == null && 'abc'|length == null",
        "['test-1']|stableSample(0.5) && !(['test-4']|stableSample(0.5))",
        "['test']|stableSample(1) && !(['test']|stableSample(0))",
        "['test-1']|bucketSample(0, 5, 10) && !(['test-4']|bucketSample(0, 5, 10))",
        "['test-4']|bucketSample(6, 1, 10) && ['test-4']|bucketSample(16, 1, 10) && !(['test-4']|bucketSample(7, 9, 10)) && !(['test-1']|bucketSample(15, 1, 10))",
        "['test-4']|bucketSample(9, 8, 10) && ['test-9']|bucketSample(9, 3, 10)",
        "['ab-\u{1}é', 57, 1.5, true, null]|stableSample(0.58049818497462)",
        "!(['ab-\u{1}é', 57, 1.5, true, null]|stableSample(0.58049818497461))",
    ];
    for expression in shown {
        assert_eq!(hidden(expression).map(|hidden| hidden.to_string()), None, "{expression}");
    }
}

#[test]
fn records_are_hidden_where_it_does_not() {
    for expression in
        ["env.channel == 'release'", "!env.channel", "env.version|versionCompare('129') > 0", "false"]
    {
        assert_eq!(reason(expression), Some(HiddenReason::False), "{expression}");
    }
    let not_true = [
        ("env.nothing", json!(null)),
        ("nobody", json!(null)),
        ("''", json!("")),
        ("1 - 1", json!(0)),
        ("0 / 0", json!(null)),
        ("env.version|versionCompare('128.0.1')", json!(0)),
    ];
    for (expression, value) in not_true {
        assert_eq!(reason(expression), Some(HiddenReason::NotTrue(value)), "{expression}");
    }
    // The left operand first, also for `||` before `&&`.
    assert_eq!(reason("true || true && false"), Some(HiddenReason::False));
}

#[test]
fn records_without_an_expression_are_shown() {
    let records = [json!({"id": "a"}), json!({"id": "b", "filter_expression": null})];
    assert_eq!(collection(&records).visible(&FilterEnvironment::new()).shown.len(), 2);
    for empty in ["", " ", "\n\t"] {
        assert_eq!(hidden(empty), None);
    }
    for value in [json!(true), json!(false), json!(0), json!(["env.channel"]), json!({"a": 1})] {
        let hidden = hidden_from(&environment(), &value).expect("it is not text");
        assert_eq!(hidden.reason, HiddenReason::Error("the expression is not text".to_owned()));
        assert_eq!(hidden.expression, value.to_string());
    }
}

#[test]
fn what_cannot_be_evaluated_hides_and_says_why() {
    let cases = [
        ("env.channel =", "'=' at byte 12 means nothing"),
        ("env.channel == 'x", "the text that begins at byte 15 has no end"),
        ("env.channel == ", "the end stands at byte 15, in place of a value"),
        ("(1", r#"the end stands at byte 2, in place of ")""#),
        ("1 2", "2 stands at byte 2, in place of the end"),
        ("a b", r#""b" stands at byte 2, in place of the end"#),
        ("env.'x'", r#""x" stands at byte 4, in place of a name"#),
        ("env.channel & 1", "'&' at byte 12 means nothing"),
        ("ä == 1", "'ä' at byte 0 means nothing"),
        (".x == 1", r#""." stands at byte 0, in place of a value"#),
        ("[1 2]", r#"2 stands at byte 3, in place of ",""#),
        ("{1.5.2: 3}", r#"0.2 stands at byte 4, in place of ":""#),
        ("true ? 1", r#"the end stands at byte 8, in place of ":""#),
        ("-env.version", r#""-" stands at byte 0, in place of a value"#),
        ("x in", "the end stands at byte 4, in place of a value"),
        ("intersect", r#""intersect" stands at byte 0, in place of a value"#),
        ("'p'|preferenceValue(1)", r#"there is no transform "preferenceValue""#),
        ("'2016-04-22'|date", r#"there is no transform "date""#),
        ("'a'|regExpMatch('a')", r#"there is no transform "regExpMatch""#),
        ("1|versionCompare", r#"the transform "versionCompare" is used with the wrong arguments"#),
        ("[1]|versionCompare('1')", "versionCompare is given a list"),
        ("env.nothing|versionCompare('1')", "versionCompare is given nothing"),
        ("'a'|stableSample(2)", "2 is no share between 0 and 1"),
        ("'a'|stableSample(0/0)", "NaN is no share between 0 and 1"),
        ("'a'|bucketSample(0, 0, 0)", "NaN is no share between 0 and 1"),
        ("'a'|bucketSample(0, -1, 10)", "-0.1 is no share between 0 and 1"),
        ("env.nothing|stableSample(1)", "nothing cannot be sampled over"),
        ("[{}]|stableSample(1)", "a list cannot be sampled over"),
        ("env.nothing + 'x'", "nothing and text cannot be joined"),
        ("false || true && 'a'|b", r#"there is no transform "b""#),
    ];
    for (expression, error) in cases {
        let error = Some(HiddenReason::Error(error.to_owned()));
        assert_eq!(reason(expression), error, "{expression}");
    }
    // What does not matter is not evaluated, but it must be an expression.
    assert_eq!(reason("true || 'a'|b"), None);
    assert_eq!(reason("true ? true : 'a'|b"), None);
    assert_eq!(reason("false && 'a'|b"), Some(HiddenReason::False));
    assert!(matches!(reason("true || ="), Some(HiddenReason::Error(_))));
}

#[test]
fn the_explanation_tells_what_the_expression_saw() {
    let hidden =
        hidden("env.version|versionCompare('129') >= 0 && env.os.name == 'Linux' || env.beta.since > 1")
            .expect("the version is older");
    assert_eq!(hidden.id, "r");
    let read = json!({"env.version": "128.0.1", "env.beta.since": null});
    assert_eq!(json!(hidden.read), read, "what decided nothing is not there");
    assert_eq!(
        hidden.to_string(),
        "r is hidden, because \"env.version|versionCompare('129') >= 0 && env.os.name == 'Linux' || \
         env.beta.since > 1\" is false; here env.beta.since is not known, env.version is \"128.0.1\""
    );

    let text = |expression: &str| self::hidden(expression).expect("it hides").to_string();
    assert_eq!(
        text("nobody"),
        "r is hidden, because \"nobody\" is null, which counts as false; here nobody is not known"
    );
    assert_eq!(
        text("1 +"),
        "r is hidden, because \"1 +\" cannot be evaluated: the end stands at byte 3, in place of a value"
    );
    assert_eq!(
        text("env.memory < 8 && env.addons"),
        "r is hidden, because \"env.memory < 8 && env.addons\" is false; here env.memory is 16"
    );

    let collection =
        collection(&[json!({"id": "x", "filter_expression": "env.channel == 'beta'"}), json!({"id": "y"})]);
    let visible = collection.visible(&environment());
    assert_eq!(visible.shown, [collection.matching(&rs_client::Filters::new().equals("id", "y"))[0]]);
    let explained: Vec<_> = collection
        .matching(&rs_client::Filters::new())
        .into_iter()
        .map(|r| environment().explain(r))
        .collect();
    assert_eq!(explained, [Some(visible.hidden[0].clone()), None]);
}

#[test]
fn the_environment_has_the_shape_of_the_specification() {
    let env = json!({
        "version": "128.0.1", "channel": "nightly", "locale": "de-AT", "formFactor": "desktop", "country": "AT",
        "os": {"name": "Linux", "version": "6.12", "isLinux": true, "isMac": false, "isWindows": false},
        "appinfo": {"ID": "{aaaaaaaa-bbbb-cccc-dddd-eeeeeeeeeeee}", "OS": "Linux"},
        "distribution": "demo-1", "memory": 16,
        "addons": [{"id": "one", "active": true}, {"id": "two", "active": false}, {"id": "drei-ß"}],
    });
    assert_eq!(environment().to_json(), env);
    assert_eq!(FilterEnvironment::new().to_json(), json!({}));

    let last = FilterEnvironment::new().os_name("WINNT").os_name("Darwin").custom("version", 1).version("2");
    assert_eq!(
        last.to_json()["os"],
        json!({"name": "Darwin", "isLinux": false, "isMac": true, "isWindows": false})
    );
    assert_eq!(last.to_json()["version"], "2");
    let deep =
        FilterEnvironment::new().country("x").custom("country.code.a", 1).custom("os", json!({"v": 2}));
    assert_eq!(
        deep.os_version("3").to_json(),
        json!({"country": {"code": {"a": 1}}, "os": {"v": 2, "version": "3"}})
    );
}

#[tokio::test]
async fn filters_change_nothing_of_what_is_kept() {
    let pair = Pair::new();
    pair.set("for-all");
    pair.server.set_record(LIST, json!({"id": "for-beta", "filter_expression": "env.channel == 'beta'"}));
    pair.client.sync(&list()).await.expect("the server is honest");
    let kept = pair.stored().await;

    let collection = pair.client.load(&list()).await.expect("it verifies").expect("it was synced");
    let visible = collection.visible(&environment());
    assert_eq!(visible.shown.iter().map(|record| record.id()).collect::<Vec<_>>(), ["for-all"]);
    assert_eq!(visible.hidden[0].id, "for-beta");
    assert_eq!(collection.visible(&FilterEnvironment::new().channel("beta")).shown.len(), 2);
    assert_eq!(ids(&collection), ["for-all", "for-beta"]);

    assert_eq!(pair.stored().await, kept);
    let report = pair.restarted().sync(&list()).await.expect("nothing is new");
    assert_eq!(report.outcome, Outcome::UpToDate);
}

#[test]
fn limits_are_those_that_are_set() {
    let mut limits = Limits::default();
    (limits.filter_bytes, limits.filter_depth, limits.filter_steps) = (20, 2, 10);
    let environment = environment().with_limits(limits);
    let error = |expression: &str| match hidden_from(&environment, &expression.into()) {
        Some(Hidden { reason: HiddenReason::Error(error), expression, .. }) => Some((error, expression)),
        Some(hidden) => panic!("{hidden}"),
        None => None,
    };
    assert_eq!(
        error("'45678901234567890'=="),
        Some(("the expression has 21 bytes; 20 are allowed".into(), "'45678901234567890'=".into()))
    );
    assert_eq!(error("'456789012345678ä'"), None);
    assert_eq!(
        error("'45678901234567890ä'").map(|(_, expression)| expression),
        Some("'45678901234567890ä".into())
    );
    assert_eq!(error("(1)"), None);
    assert_eq!(
        error("((1))").map(|(error, _)| error),
        Some("the expression is nested more than 2 deep".into())
    );
    assert_eq!(error("1+1+1+1"), None);
    assert_eq!(
        error("1+1+1+1+1+1+1").map(|(error, _)| error),
        Some("the evaluation takes more than 10 steps".into())
    );
}
