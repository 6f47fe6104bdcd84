//! What an expression says of one flow, for a bounded amount of work.

use std::sync::Arc;

use prost_reflect::{DynamicMessage, FieldDescriptor, ReflectMessage as _, Value as Reflected};

use super::functions;
use super::node::{Comparison, Macro, Node, Operator};
use super::value::Value;

/// Why an expression has no value for a flow; it does not match then.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) enum Failed {
    /// Something that cannot be done with these values, such as dividing by zero.
    Impossible,
    /// More work than one flow is worth.
    Costly,
}

pub(super) type Evaluated = Result<Value, Failed>;

/// One evaluation.
pub(super) struct Evaluation<'a> {
    pub(super) flow: &'a DynamicMessage,
    pub(super) locals: Vec<Value>,
    /// Steps left.
    pub(super) fuel: u32,
}

/// Bytes of a text or elements of a list that an expression may make.
const MAX_MADE: usize = 4_096;

impl Evaluation<'_> {
    fn spend(&mut self, steps: u32) -> Result<(), Failed> {
        self.fuel = self.fuel.checked_sub(steps).ok_or(Failed::Costly)?;
        Ok(())
    }

    /// Whether a condition holds.
    pub(super) fn holds(&mut self, node: &Node) -> Result<bool, Failed> {
        let Value::Bool(value) = self.value(node)? else {
            return Err(Failed::Impossible);
        };
        Ok(value)
    }

    pub(super) fn value(&mut self, node: &Node) -> Evaluated {
        self.spend(1)?;
        match node {
            Node::Constant(value) => Ok(value.clone()),
            Node::Flow => Ok(Value::Message(Arc::new(self.flow.clone()))),
            Node::Local(slot) => self.locals.get(*slot).cloned().ok_or(Failed::Impossible),
            Node::Path(base, fields) => self.inside(base, |message| walk(message, fields)),
            Node::Has(base, fields) => {
                self.inside(base, |message| Value::Bool(is_set(message, fields)))
            }
            Node::Named { of, name, has } => {
                let of = self.value(of)?;
                named(&of, name, *has)
            }
            Node::Index(of, index) => {
                let (of, index) = (self.value(of)?, self.value(index)?);
                self.spend(of.weight())?;
                at(&of, &index)
            }
            Node::List(nodes) => nodes.iter().map(|node| self.value(node)).collect(),
            Node::Map(nodes) => {
                let pairs: Result<Vec<_>, Failed> = nodes
                    .iter()
                    .map(|(key, value)| Ok((self.value(key)?, self.value(value)?)))
                    .collect();
                Ok(Value::Map(pairs?.into()))
            }
            Node::Not(of) => Ok(Value::Bool(!self.holds(of)?)),
            Node::Negative(of) => negative(&self.value(of)?).ok_or(Failed::Impossible),
            Node::Logic { any, of } => self.logic(*any, of),
            Node::If(parts) => {
                let [condition, yes, no] = parts.as_ref();
                let chosen = if self.holds(condition)? { yes } else { no };
                self.value(chosen)
            }
            Node::Compare(comparison, sides) => self.compare(*comparison, sides),
            Node::Calculate(operator, sides) => {
                let [left, right] = sides.as_ref();
                let (left, right) = (self.value(left)?, self.value(right)?);
                self.spend(left.weight().saturating_add(right.weight()))?;
                calculate(*operator, &left, &right)
            }
            Node::Call(function, args) => {
                let args: Vec<Value> = args
                    .iter()
                    .map(|arg| self.value(arg))
                    .collect::<Result<_, _>>()?;
                let weight = args.iter().map(Value::weight).sum();
                self.spend(weight)?;
                functions::call(*function, &args).ok_or(Failed::Impossible)
            }
            Node::Matches(text, pattern) => {
                let Value::Text(text) = self.value(text)? else {
                    return Err(Failed::Impossible);
                };
                self.spend(u32::try_from(text.len()).unwrap_or(u32::MAX))?;
                Ok(Value::Bool(pattern.is_match(&text)))
            }
            Node::Macro {
                which,
                over,
                each,
                made,
            } => self.expand(*which, over, each, made.as_deref()),
        }
    }

    /// Reads of a message without copying it, where it is the flow.
    fn inside(&mut self, base: &Node, read: impl FnOnce(&DynamicMessage) -> Value) -> Evaluated {
        if matches!(base, Node::Flow) {
            return Ok(read(self.flow));
        }
        let Value::Message(message) = self.value(base)? else {
            return Err(Failed::Impossible);
        };
        Ok(read(&message))
    }

    /// One side that decides makes up for another that fails.
    fn logic(&mut self, any: bool, of: &[Node]) -> Evaluated {
        let mut failed = None;
        for node in of {
            match self.holds(node) {
                Ok(value) if value == any => return Ok(Value::Bool(any)),
                Ok(_) => {}
                Err(Failed::Costly) => return Err(Failed::Costly),
                Err(Failed::Impossible) => failed = Some(Failed::Impossible),
            }
        }
        failed.map_or(Ok(Value::Bool(!any)), Err)
    }

    fn compare(&mut self, comparison: Comparison, sides: &[Node; 2]) -> Evaluated {
        let (left, right) = (self.value(&sides[0])?, self.value(&sides[1])?);
        self.spend(left.weight().saturating_add(right.weight()))?;
        let order = || left.order(&right).ok_or(Failed::Impossible);
        let holds = match comparison {
            Comparison::Equal => left.same(&right),
            Comparison::Unequal => !left.same(&right),
            Comparison::Less => order()?.is_lt(),
            Comparison::LessOrEqual => order()?.is_le(),
            Comparison::Greater => order()?.is_gt(),
            Comparison::GreaterOrEqual => order()?.is_ge(),
            Comparison::In => elements(&right)?.iter().any(|one| one.same(&left)),
        };
        Ok(Value::Bool(holds))
    }

    fn expand(&mut self, which: Macro, over: &Node, each: &Node, made: Option<&Node>) -> Evaluated {
        let elements = elements(&self.value(over)?)?;
        let depth = self.locals.len();
        let (mut results, mut matches, mut failed) = (Vec::new(), 0, None);
        for element in elements.iter() {
            self.locals.push(element.clone());
            let result = self.element(which, each, made);
            self.locals.truncate(depth);
            match (which, result) {
                (Macro::All, Ok(Some(Value::Bool(false)))) => return Ok(Value::Bool(false)),
                (Macro::Exists, Ok(Some(Value::Bool(true)))) => return Ok(Value::Bool(true)),
                (Macro::ExistsOne, Ok(Some(Value::Bool(true)))) => matches += 1,
                (Macro::All | Macro::Exists, Err(Failed::Impossible)) => {
                    failed = Some(Failed::Impossible);
                }
                (_, Err(failure)) => return Err(failure),
                (Macro::Filter, Ok(Some(Value::Bool(true)))) => results.push(element.clone()),
                (Macro::Map, Ok(Some(value))) => results.push(value),
                (
                    Macro::All | Macro::Exists | Macro::ExistsOne | Macro::Filter | Macro::Map,
                    Ok(_),
                ) => {}
            }
        }
        match (which, failed) {
            (_, Some(failure)) => Err(failure),
            (Macro::All, None) => Ok(Value::Bool(true)),
            (Macro::Exists, None) => Ok(Value::Bool(false)),
            (Macro::ExistsOne, None) => Ok(Value::Bool(matches == 1)),
            (Macro::Filter | Macro::Map, None) => Ok(results.into_iter().collect()),
        }
    }

    /// What a macro makes of one element; `None` when it leaves it out.
    fn element(
        &mut self,
        which: Macro,
        each: &Node,
        made: Option<&Node>,
    ) -> Result<Option<Value>, Failed> {
        match (which, made) {
            (Macro::Map, Some(made)) => {
                if self.holds(each)? {
                    self.value(made).map(Some)
                } else {
                    Ok(None)
                }
            }
            (Macro::Map, None) => self.value(each).map(Some),
            (Macro::All | Macro::Exists | Macro::ExistsOne | Macro::Filter, _) => {
                self.holds(each).map(|holds| Some(Value::Bool(holds)))
            }
        }
    }
}

fn negative(of: &Value) -> Option<Value> {
    if let Value::Double(number) = of {
        return Some(Value::Double(-number));
    }
    let Value::Int(number) = of else {
        return None;
    };
    number.checked_neg().map(Value::Int)
}

/// The elements of a list, the keys of a map.
fn elements(of: &Value) -> Result<Arc<[Value]>, Failed> {
    if let Value::List(list) = of {
        return Ok(list.clone());
    }
    let Value::Map(map) = of else {
        return Err(Failed::Impossible);
    };
    Ok(map.iter().map(|(key, _)| key.clone()).collect())
}

/// The value at the end of a path; what is not set has its default.
fn walk(message: &DynamicMessage, fields: &[FieldDescriptor]) -> Value {
    let Some((field, rest)) = fields.split_first() else {
        return Value::message(message);
    };
    if rest.is_empty() && field.kind().as_message().is_some() && !field.is_list() {
        let nullable = !message.has_field(field) && nothing_when_unset(field);
        if nullable {
            return Value::Null;
        }
    }
    let value = message.get_field(field);
    match (&*value, rest.is_empty()) {
        (Reflected::Message(inner), false) => walk(inner, rest),
        (value, _) => Value::of(value),
    }
}

/// Scalars in a message and messages of any type are null when they are not set.
fn nothing_when_unset(field: &FieldDescriptor) -> bool {
    field.kind().as_message().is_some_and(|message| {
        super::value::is_wrapper(message.full_name())
            || message.full_name() == "google.protobuf.Any"
    })
}

fn is_set(message: &DynamicMessage, fields: &[FieldDescriptor]) -> bool {
    match fields {
        [] => true,
        [field] => message.has_field(field),
        [field, rest @ ..] => {
            let value = message.get_field(field);
            value.as_message().is_some_and(|inner| is_set(inner, rest))
        }
    }
}

fn named(of: &Value, name: &str, has: bool) -> Evaluated {
    if let Value::Message(message) = of {
        let field = message.descriptor().get_field_by_name(name);
        let field = field.ok_or(Failed::Impossible)?;
        if has {
            return Ok(Value::Bool(message.has_field(&field)));
        }
        return Ok(walk(message, &[field]));
    }
    let Value::Map(map) = of else {
        return Err(Failed::Impossible);
    };
    let found = map
        .iter()
        .find(|(key, _)| matches!(key, Value::Text(text) if **text == *name))
        .map(|(_, value)| value.clone());
    if has {
        return Ok(Value::Bool(found.is_some()));
    }
    found.ok_or(Failed::Impossible)
}

fn at(of: &Value, index: &Value) -> Evaluated {
    let found = match (of, index) {
        (Value::List(list), Value::Int(number)) => usize::try_from(*number)
            .ok()
            .and_then(|at| list.get(at).cloned()),
        (Value::List(list), Value::Uint(number)) => usize::try_from(*number)
            .ok()
            .and_then(|at| list.get(at).cloned()),
        (Value::Map(map), key) => map
            .iter()
            .find(|(known, _)| known.same(key))
            .map(|(_, value)| value.clone()),
        _ => None,
    };
    found.ok_or(Failed::Impossible)
}

fn calculate(operator: Operator, left: &Value, right: &Value) -> Evaluated {
    use Operator::{Add, Divide, Multiply, Remainder, Subtract};
    let value = match (left, right) {
        (Value::Int(a), Value::Int(b)) => match operator {
            Add => a.checked_add(*b),
            Subtract => a.checked_sub(*b),
            Multiply => a.checked_mul(*b),
            Divide => a.checked_div(*b),
            Remainder => a.checked_rem(*b),
        }
        .map(Value::Int),
        (Value::Uint(a), Value::Uint(b)) => match operator {
            Add => a.checked_add(*b),
            Subtract => a.checked_sub(*b),
            Multiply => a.checked_mul(*b),
            Divide => a.checked_div(*b),
            Remainder => a.checked_rem(*b),
        }
        .map(Value::Uint),
        (Value::Double(a), Value::Double(b)) => match operator {
            Add => Some(a + b),
            Subtract => Some(a - b),
            Multiply => Some(a * b),
            Divide => Some(a / b),
            Remainder => None,
        }
        .map(Value::Double),
        (Value::Time(a), Value::Time(b)) if operator == Subtract => {
            a.checked_sub(*b).map(Value::Span)
        }
        (Value::Time(a), Value::Span(b)) | (Value::Span(b), Value::Time(a)) if operator == Add => {
            a.checked_add(*b).map(Value::Time)
        }
        (Value::Time(a), Value::Span(b)) if operator == Subtract => {
            a.checked_sub(*b).map(Value::Time)
        }
        (Value::Span(a), Value::Span(b)) if operator == Add => a.checked_add(*b).map(Value::Span),
        (Value::Span(a), Value::Span(b)) if operator == Subtract => {
            a.checked_sub(*b).map(Value::Span)
        }
        _ if operator == Add => joined(left, right)?,
        _ => None,
    };
    value.ok_or(Failed::Impossible)
}

/// One after the other, if that is not too much.
fn joined(left: &Value, right: &Value) -> Result<Option<Value>, Failed> {
    let fits = |length: usize| {
        if length > MAX_MADE {
            Err(Failed::Costly)
        } else {
            Ok(())
        }
    };
    Ok(match (left, right) {
        (Value::Text(a), Value::Text(b)) => {
            fits(a.len() + b.len())?;
            Some(Value::Text(format!("{a}{b}").into()))
        }
        (Value::Bytes(a), Value::Bytes(b)) => {
            fits(a.len() + b.len())?;
            Some(Value::Bytes([&a[..], &b[..]].concat().into()))
        }
        (Value::List(a), Value::List(b)) => {
            fits(a.len() + b.len())?;
            Some(a.iter().chain(b.iter()).cloned().collect())
        }
        _ => None,
    })
}
