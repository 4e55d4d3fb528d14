//! Evaluates a parsed filter expression, in a bounded number of steps.

use std::{cmp::Ordering, collections::BTreeMap, sync::Arc};

use serde_json::Value as Json;

use super::{
    parse::{Id, Node, Operator, Suffix, Tree},
    transforms,
    value::Value,
};
use crate::Limits;

/// One evaluation.
#[derive(Debug)]
pub(super) struct Evaluation<'a> {
    tree: &'a Tree,
    context: &'a Value,
    steps: usize,
    most_steps: usize,
    /// The fields of the context that were looked at.
    pub(super) read: BTreeMap<String, Json>,
}

impl<'a> Evaluation<'a> {
    pub(super) fn new(tree: &'a Tree, context: &'a Value, limits: &Limits) -> Self {
        Self { tree, context, steps: 0, most_steps: limits.filter_steps, read: BTreeMap::new() }
    }

    pub(super) fn run(&mut self) -> Result<Value, String> {
        self.node(self.tree.root, None)
    }

    /// Counts the work, so that filters inside of filters come to an end.
    fn charge(&mut self, steps: usize) -> Result<(), String> {
        self.steps = self.steps.saturating_add(steps);
        if self.steps > self.most_steps {
            return Err(format!("the evaluation takes more than {} steps", self.most_steps));
        }
        Ok(())
    }

    fn node(&mut self, id: Id, item: Option<&Value>) -> Result<Value, String> {
        self.charge(1)?;
        let tree = self.tree;
        match &tree.nodes[id] {
            Node::Literal(value) => Ok(value.clone()),
            Node::Name(name) => Ok(self.name(name)),
            Node::Relative(name) => Ok(item.map_or(Value::Null, |item| item.field(name))),
            Node::List(items) => Ok(Value::List(self.all(items, item)?.into())),
            Node::Object(fields) => self.object(fields, item),
            Node::Not(inner) => Ok(Value::Bool(!self.node(*inner, item)?.is_truthy())),
            Node::Chain { first, rest } => self.chain(*first, rest, item),
            Node::Suffixed { subject, suffixes } => self.suffixed(*subject, suffixes, item),
            Node::Conditional { test, then, otherwise } => {
                let value = self.node(*test, item)?;
                match then {
                    Some(then) if value.is_truthy() => self.node(*then, item),
                    None if value.is_truthy() => Ok(value),
                    _ => self.node(*otherwise, item),
                }
            }
        }
    }

    fn name(&mut self, name: &str) -> Value {
        let value = self.context.field(name);
        self.note(name, &value);
        value
    }

    /// Notes a field for the explanation, once.
    fn note(&mut self, path: &str, value: &Value) {
        if !self.read.contains_key(path) {
            self.read.insert(path.to_owned(), value.to_json());
        }
    }

    fn all(&mut self, ids: &[Id], item: Option<&Value>) -> Result<Vec<Value>, String> {
        ids.iter().map(|id| self.node(*id, item)).collect()
    }

    fn object(&mut self, fields: &BTreeMap<String, Id>, item: Option<&Value>) -> Result<Value, String> {
        let fields = fields.iter().map(|(name, id)| Ok((name.clone(), self.node(*id, item)?)));
        Ok(Value::Object(Arc::new(fields.collect::<Result<_, String>>()?)))
    }

    fn chain(
        &mut self,
        first: Id,
        rest: &'a [(Operator, Id)],
        item: Option<&Value>,
    ) -> Result<Value, String> {
        // The left sides of left sides are no deeper for the parser, and must not be for the stack.
        let mut chains = vec![rest];
        let mut leftmost = first;
        while let Node::Chain { first, rest } = &self.tree.nodes[leftmost] {
            chains.push(rest);
            leftmost = *first;
        }
        let mut left = self.node(leftmost, item)?;
        for (operator, right) in chains.into_iter().rev().flatten() {
            left = match operator {
                // What does not matter is not evaluated.
                Operator::And if !left.is_truthy() => left,
                Operator::Or if left.is_truthy() => left,
                Operator::And | Operator::Or => self.node(*right, item)?,
                operator => {
                    let right = self.node(*right, item)?;
                    self.charge(work(&left).saturating_mul(work(&right)))?;
                    apply(*operator, &left, &right)?
                }
            };
        }
        Ok(left)
    }

    fn suffixed(&mut self, subject: Id, suffixes: &[Suffix], item: Option<&Value>) -> Result<Value, String> {
        // A chain of names is one thing to whoever reads why a record is hidden: `env.os.name`.
        let (mut value, mut path) = match &self.tree.nodes[subject] {
            Node::Name(name) if matches!(suffixes.first(), Some(Suffix::Member(_))) => {
                (self.context.field(name), Some(name.clone()))
            }
            _ => (self.node(subject, item)?, None),
        };
        for (index, suffix) in suffixes.iter().enumerate() {
            self.charge(1)?;
            value = match suffix {
                Suffix::Member(name) => {
                    let member = value.field(name);
                    if let Some(mut so_far) = path.take() {
                        so_far = format!("{so_far}.{name}");
                        if matches!(suffixes.get(index + 1), Some(Suffix::Member(_))) {
                            path = Some(so_far);
                        } else {
                            self.note(&so_far, &member);
                        }
                    }
                    member
                }
                Suffix::Index(index) => {
                    let index = self.node(*index, item)?;
                    at(&value, &index)
                }
                Suffix::Filter(condition) => self.filter(&value, *condition)?,
                Suffix::Transform(name, arguments) => {
                    let arguments = self.all(arguments, item)?;
                    self.charge(work(&value))?;
                    transforms::apply(name, &value, &arguments)?
                }
            };
        }
        Ok(value)
    }

    fn filter(&mut self, subject: &Value, condition: Id) -> Result<Value, String> {
        let items: &[Value] = match subject {
            Value::Null => &[],
            Value::List(items) => items,
            other => std::slice::from_ref(other),
        };
        let mut kept = Vec::new();
        for item in items {
            if self.node(condition, Some(item))?.is_truthy() {
                kept.push(item.clone());
            }
        }
        Ok(Value::List(kept.into()))
    }
}

/// How much there is to look at in a value.
fn work(value: &Value) -> usize {
    match value {
        Value::Text(text) => 1 + text.len() / 64,
        Value::List(items) => 1 + items.len(),
        Value::Object(fields) => 1 + fields.len(),
        _ => 1,
    }
}

/// The item or field that `index` names; true and false keep and drop the subject.
fn at(subject: &Value, index: &Value) -> Value {
    match (subject, index) {
        (subject, Value::Bool(true)) => subject.clone(),
        (Value::List(items), Value::Number(number)) if *number >= 0.0 && number.fract() == 0.0 =>
        {
            #[expect(
                clippy::cast_possible_truncation,
                clippy::cast_sign_loss,
                reason = "a float too large is the largest index"
            )]
            items.get(*number as usize).cloned().unwrap_or(Value::Null)
        }
        (Value::Object(_), Value::Text(_) | Value::Number(_)) => {
            index.text().map_or(Value::Null, |name| subject.field(&name))
        }
        _ => Value::Null,
    }
}

fn apply(operator: Operator, left: &Value, right: &Value) -> Result<Value, String> {
    let (a, b) = (left.number(), right.number());
    Ok(match operator {
        Operator::Equal => Value::Bool(left.equals(right)),
        Operator::NotEqual => Value::Bool(!left.equals(right)),
        Operator::Greater => Value::Bool(order(left, right) == Some(Ordering::Greater)),
        Operator::Less => Value::Bool(order(left, right) == Some(Ordering::Less)),
        Operator::GreaterOrEqual => Value::Bool(order(left, right).is_some_and(Ordering::is_ge)),
        Operator::LessOrEqual => Value::Bool(order(left, right).is_some_and(Ordering::is_le)),
        Operator::In => Value::Bool(is_in(left, right)),
        Operator::Add => return add(left, right),
        Operator::Subtract => Value::Number(a - b),
        Operator::Multiply => Value::Number(a * b),
        Operator::Divide => Value::Number(a / b),
        Operator::FloorDivide => Value::Number((a / b).floor()),
        Operator::Modulo => Value::Number(a % b),
        Operator::Power => Value::Number(a.powf(b)),
        Operator::Intersect => intersect(left, right),
        // Decided before their right side is evaluated.
        Operator::And => if left.is_truthy() { right } else { left }.clone(),
        Operator::Or => if left.is_truthy() { left } else { right }.clone(),
    })
}

/// Two texts by their letters, everything else by its number; nothing where there is no order.
fn order(left: &Value, right: &Value) -> Option<Ordering> {
    match (left, right) {
        (Value::Text(left), Value::Text(right)) => Some(left.cmp(right)),
        _ => left.number().partial_cmp(&right.number()),
    }
}

fn is_in(left: &Value, right: &Value) -> bool {
    match right {
        Value::Text(text) => left.text().is_some_and(|part| text.contains(&part)),
        Value::List(items) => items.iter().any(|item| item.equals(left)),
        _ => false,
    }
}

fn add(left: &Value, right: &Value) -> Result<Value, String> {
    if !matches!(left, Value::Text(_)) && !matches!(right, Value::Text(_)) {
        return Ok(Value::Number(left.number() + right.number()));
    }
    let (Some(mut text), Some(more)) = (left.text(), right.text()) else {
        return Err(format!("{} and {} cannot be joined", left.kind(), right.kind()));
    };
    text.push_str(&more);
    Ok(Value::Text(text.into()))
}

/// The items of the left list that the right one has, too.
fn intersect(left: &Value, right: &Value) -> Value {
    let (Value::List(left), Value::List(right)) = (left, right) else { return Value::Null };
    Value::List(left.iter().filter(|item| right.iter().any(|other| other.is(item))).cloned().collect())
}
