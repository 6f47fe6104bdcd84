//! What an expression says of one flow, for a bounded amount of work.

use std::sync::Arc;

use prost_reflect::DynamicMessage;

use super::functions;
use super::node::{Comparison, Macro, Node, Operator};
use super::read::{is_set, named, walk};
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
    pub(super) flow: &'a Arc<DynamicMessage>,
    pub(super) locals: Vec<Value>,
    /// Steps left.
    pub(super) fuel: u32,
}

/// Bytes of a text or elements of a list that an expression may make.
const MAX_MADE: usize = 4_096;

impl Evaluation<'_> {
    pub(super) fn spend(&mut self, steps: u32) -> Result<(), Failed> {
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
            Node::Flow => Ok(Value::Message(self.flow.clone())),
            Node::Local(slot) => self.locals.get(*slot).cloned().ok_or(Failed::Impossible),
            Node::Path(base, fields) => self.inside(base, |message| walk(message, fields)),
            Node::Has(base, fields) => {
                self.inside(base, |message| Value::Bool(is_set(message, fields)))
            }
            Node::Named { of, name, has } => {
                let of = self.value(of)?;
                self.spend(of.weight())?;
                self.paid(named(&of, name, *has)?)
            }
            Node::Index(of, index) => {
                let (of, index) = (self.value(of)?, self.value(index)?);
                self.at(&of, &index)
            }
            Node::List(nodes) => nodes.iter().map(|node| self.value(node)).collect(),
            Node::Map(nodes) => {
                let pairs: Result<Vec<_>, Failed> = nodes
                    .iter()
                    .map(|(key, value)| Ok((self.value(key)?, self.value(value)?)))
                    .collect();
                Value::map(pairs?).ok_or(Failed::Impossible)
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
                self.spend(pattern.price(text.len()))?;
                Ok(Value::Bool(pattern.regex.is_match(&text)))
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
        let value = if matches!(base, Node::Flow) {
            read(self.flow)
        } else {
            let Value::Message(message) = self.value(base)? else {
                return Err(Failed::Impossible);
            };
            read(&message)
        };
        self.paid(value)
    }

    /// A value that was read of a flow, once it is paid for: reading copies all of it.
    fn paid(&mut self, value: Value) -> Evaluated {
        self.spend(value.mass())?;
        Ok(value)
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
            Comparison::Equal => self.same(&left, &right)?,
            Comparison::Unequal => !self.same(&left, &right)?,
            Comparison::Less => order()?.is_lt(),
            Comparison::LessOrEqual => order()?.is_le(),
            Comparison::Greater => order()?.is_gt(),
            Comparison::GreaterOrEqual => order()?.is_ge(),
            Comparison::In => self.holds_one(&elements(&right)?, &left)?,
        };
        Ok(Value::Bool(holds))
    }

    fn expand(&mut self, which: Macro, over: &Node, each: &Node, made: Option<&Node>) -> Evaluated {
        let over = self.value(over)?;
        self.spend(over.weight())?;
        let elements = elements(&over)?;
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
