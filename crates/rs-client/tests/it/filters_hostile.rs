//! Filter expressions made to do harm, on a small stack; and what random ones come to.

use std::{
    cmp::Ordering,
    thread,
    time::{Duration, Instant},
};

use proptest::prelude::*;
use rs_client::{Hidden, HiddenReason, Limits, ToolkitVersion};
use serde_json::{Value, json};

use crate::filters_jexl::{environment, hidden_from};

/// Runs `work` with the stack that the smallest threads have, in a build that takes the most of it.
fn on_a_small_stack<T: Send + 'static>(work: impl FnOnce() -> T + Send + 'static) -> T {
    let thread = thread::Builder::new().stack_size(512 << 10).spawn(work).expect("threads can be started");
    thread.join().expect("the expression does not bring the thread down")
}

#[test]
fn nesting_as_deep_as_allowed_fits_a_small_stack() {
    // A level takes the most where operators of every precedence wait for it, on its left or on its right.
    let brackets = [
        ("(", ")"),
        ("[", "]"),
        ("{a: ", "}"),
        ("1 ? ", " : 2"),
        ("1 ? 1 : ", ""),
        ("env[", "]"),
        ("!![", "].x|length ? 1 : 2"),
        ("(", " % 1 * 1 + 1 == 1 && true)"),
        ("!!([", "][0].x|length % 1 * 1 + 1 == 1 && true ? 1 : 2)"),
        ("true && 1 == 1 + 0 * 2 % (", ")"),
        ("true && 1 == 1 + 0 * 2 % !!['1', ", "].x|length"),
    ];
    for (opening, closing) in brackets {
        for levels in 1..34 {
            let expression = format!("{}1{}", opening.repeat(levels), closing.repeat(levels));
            let hidden = on_a_small_stack(|| hidden_from(&environment(), &expression.into()));
            match hidden.map(|hidden| hidden.reason) {
                Some(HiddenReason::Error(error)) => {
                    assert!(
                        levels > 4 && error.ends_with("nested more than 32 deep"),
                        "{levels} {opening}: {error}"
                    );
                }
                _ => assert!(levels < 32, "{levels} {opening}"),
            }
        }
    }
}

#[test]
fn hostile_expressions_hide_their_record() {
    let many = |text: &str, count: usize| text.repeat(count);
    let list = format!("[{}]", many("1,", 300));
    let expressions = [
        many("(", 4_000),
        many("[", 4_000),
        many("{a:", 1_300),
        many("1?", 2_000),
        many("1?1:", 1_000),
        many("a[", 2_000),
        many("a|b(", 1_000),
        many("!", 4_095),
        many("-", 4_000),
        many(".", 4_000),
        many("1", 4_096) + "1",
        format!("{}0{}", many("(", 33), many(")", 33)),
        // Filters in filters in filters.
        format!("{list}[{list}[{list}[.x || {list}[.x]]]]|nothing"),
        format!("{list}[.a == 1 || {list}[.a == 1 || {list}[.a == 1 || .b]]] && false"),
        format!("{list}[.a || {list} intersect {list} == {list}] && false"),
        format!("{list}[.a || 'a' in '{}'] == 2", many("b", 2_000)),
        // Numbers that are none, places that are not there.
        "1 / 0 - 1 / 0".to_owned(),
        "1 % 0".to_owned(),
        format!("{} == 0", many("9", 400)),
        "[1][1 / 0] || [1][0 / 0] || [1][-1 / 0] || [1][99999999999999999999999]".to_owned(),
        "0 ^ (0 - 1) < 0".to_owned(),
        "'x'|bucketSample(1 / 0, 1, 1)".to_owned(),
        format!("'{}'|versionCompare('{}') == 2", many("9", 2_000), many("9.", 1_000)),
        format!("'{}'|versionCompare('') == 2", many(".", 4_000)),
        // Texts that are hard to cut.
        "'".to_owned(),
        "'\\".to_owned(),
        "'\\'".to_owned(),
        "\"é".to_owned(),
        "'é' == 'e'".to_owned(),
        "é".to_owned(),
        "a.é".to_owned(),
        "\u{0}".to_owned(),
        "'\u{0}' == 1".to_owned(),
        "\u{feff}1".to_owned(),
        "𝟙".to_owned(),
        "1\u{301}".to_owned(),
        "env.constructor.constructor('x')".to_owned(),
        "env.__proto__.polluted".to_owned(),
    ];
    for expression in expressions {
        let started = Instant::now();
        let hidden = on_a_small_stack({
            let expression = expression.clone();
            || hidden_from(&environment(), &expression.into())
        });
        let hidden = hidden.unwrap_or_else(|| panic!("{expression} is shown"));
        assert!(hidden.expression.len() <= Limits::default().filter_bytes);
        assert!(started.elapsed() < Duration::from_secs(5), "{hidden}");
    }
    // Long is not deep.
    let long = format!("{}true", many("false||", 580));
    assert_eq!(on_a_small_stack(|| hidden_from(&environment(), &long.into())), None);
    let long = format!("env{} == null", many(".a", 2_000));
    assert_eq!(on_a_small_stack(|| hidden_from(&environment(), &long.into())), None);
}

/// Expressions that are about right.
fn almost_expressions() -> impl Strategy<Value = String> {
    let token = prop::sample::select(vec![
        "env",
        ".version",
        ".",
        "nobody",
        "'a'",
        "\"ß\"",
        "12",
        ".5",
        "-",
        "+",
        "*",
        "/",
        "//",
        "%",
        "^",
        "==",
        "!=",
        "<",
        "<=",
        ">",
        ">=",
        "in",
        "intersect",
        "&&",
        "||",
        "!",
        "?",
        ":",
        "(",
        ")",
        "[",
        "]",
        "{",
        "}",
        ",",
        "|",
        "keys",
        "length",
        "versionCompare",
        "stableSample(1)",
        "[.id",
        "{a:",
        "true",
        "null",
        " ",
        "'",
    ]);
    prop::collection::vec(token, 0..24).prop_map(|tokens| tokens.concat())
}

/// Expressions that mean the same to everybody, by the kind of their value: no other client's evaluator takes
/// texts for numbers.
fn expressions() -> impl Strategy<Value = String> {
    let number = prop_oneof![(0..9_u8).prop_map(|n| n.to_string()), Just("env.memory".to_owned())];
    let text = prop_oneof!["'[a-c]{0,2}'", Just("env.channel".to_owned()), Just("'128.0.1'".to_owned())];
    let boolean =
        prop_oneof![Just("true".to_owned()), Just("false".to_owned()), Just("env.os.isMac".to_owned())];
    let leaf = (number, text, boolean);
    leaf.prop_map(|(number, text, boolean)| [number, text, boolean])
        .prop_recursive(4, 24, 2, |inner| {
            (inner.clone(), inner, 0..8_u8, 0..6_usize).prop_map(|(one, two, shape, choice)| {
                let [number, text, boolean] = one;
                let [number2, text2, boolean2] = two;
                let compare = ["==", "!=", "<", "<=", ">", ">="][choice];
                let (logic, sum) = (["&&", "||"][choice % 2], ["+", "-", "*"][choice % 3]);
                match shape {
                    0 => [format!("{number} {sum} {number2}"), text, boolean],
                    1 => [format!("({number} {sum} {number2})"), format!("({text} + {text2})"), boolean],
                    2 => [number, text, format!("{boolean} {logic} {boolean2}")],
                    3 => [number, text, format!("({boolean} {logic} {boolean2})")],
                    4 => {
                        [number2.clone(), text2, format!("({number} {compare} {number2}) {logic} {boolean}")]
                    }
                    5 => [number, text2.clone(), format!("({text} {compare} {text2})")],
                    6 => [
                        format!("(({boolean}) ? ({number}) : ({number2}))"),
                        text.clone(),
                        format!("({text2} in [{text}, {text2}])"),
                    ],
                    _ => [
                        format!("({text}|versionCompare({text2}))"),
                        text.clone(),
                        format!("({text} in {text2})"),
                    ],
                }
            })
        })
        .prop_flat_map(|all| prop::sample::select(all.to_vec()))
}

/// The value of an expression, to the evaluator that other clients use; nothing where it refuses it.
fn value_elsewhere(expression: &str) -> Option<Value> {
    let compare = |values: &[Value]| {
        let version = |index: usize| ToolkitVersion::new(values[index].as_str().unwrap_or_default());
        Ok(json!(match version(0).cmp(&version(1)) {
            Ordering::Less => -1.0,
            Ordering::Equal => 0.0,
            Ordering::Greater => 1.0,
        }))
    };
    let evaluator = jexl_eval::Evaluator::new().with_transform("versionCompare", compare);
    evaluator.eval_in_context(expression, json!({"env": environment().to_json()})).ok()
}

proptest! {
    #[test]
    fn no_text_is_more_than_shown_or_hidden(text in prop_oneof![".{0,60}", almost_expressions()]) {
        hidden_from(&environment(), &text.into());
    }

    #[test]
    fn the_other_evaluator_comes_to_the_same(expression in expressions()) {
        if let Some(expected) = value_elsewhere(&expression) {
            let is_the_same = |value: Value| hidden_from(&environment(), &format!("({expression}) == {value}").into());
            prop_assert_eq!(is_the_same(expected), None);
        }
    }

    #[test]
    fn what_is_read_is_what_is_there(expression in expressions()) {
        if let Some(Hidden { read, reason, .. }) = hidden_from(&environment(), &expression.into()) {
            prop_assert!(!matches!(reason, HiddenReason::Error(_)));
            for (path, value) in read {
                let env = json!({"env": environment().to_json()});
                prop_assert_eq!(env.pointer(&format!("/{}", path.replace('.', "/"))), Some(&value));
            }
        }
    }
}
