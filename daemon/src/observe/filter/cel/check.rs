//! Whether an expression makes sense, before it meets a flow.

use prost_reflect::{DescriptorPool, MessageDescriptor};

use super::calls;
use super::kind::Type;
use super::node::{Comparison, Node, Operator};
use super::parse::{Expr, Kind};
use super::value::Value;
use super::{Mistake, VARIABLE};

/// The package that names of messages and enums are looked for in.
const CONTAINER: &str = "flow";

/// What is known while an expression is checked.
pub(super) struct Checker<'a> {
    pub(super) pool: &'a DescriptorPool,
    pub(super) flow: &'a MessageDescriptor,
    /// Variables of the macros around.
    pub(super) locals: Vec<(String, Type)>,
    /// Fields of the flow that are read; `None` in it: all of them.
    pub(super) read: Vec<Option<String>>,
    /// Patterns so far.
    pub(super) patterns: usize,
}

pub(super) type Checked = Result<(Node, Type), Mistake>;

impl Checker<'_> {
    pub(super) fn check(&mut self, expr: &Expr) -> Checked {
        match &expr.kind {
            Kind::Literal(value) => Ok((Node::Constant(value.clone()), literal_type(value))),
            Kind::Name(name) => self.name(expr, name),
            Kind::Select(of, field) => self.select(expr, of, field, false),
            Kind::Index(of, index) => self.index(expr, of, index),
            Kind::List(all) => self.list(all),
            Kind::Map(all) => self.map(all),
            Kind::Call { name, method, args } => calls::check(self, expr, name, *method, args),
            Kind::Unary(mark, of) => self.unary(expr, mark, of),
            Kind::Logic(mark, all) => {
                let mut of = Vec::with_capacity(all.len());
                for one in all {
                    of.push(self.condition(one)?);
                }
                let any = *mark == "||";
                Ok((Node::Logic { any, of }, Type::Bool))
            }
            Kind::If(condition, yes, no) => {
                let condition = self.condition(condition)?;
                let ((yes, one), (no, two)) = (self.check(yes)?, self.check(no)?);
                if !one.meets(&two) {
                    let what =
                        format!("both values of ? : must be of one kind, not {one} and {two}");
                    return Err(Mistake::at(expr.at, what));
                }
                Ok((Node::If([condition, yes, no].into()), one.joined(two)))
            }
            Kind::Binary(mark, left, right) => {
                let (left, right) = (self.check(left)?, self.check(right)?);
                binary(expr.at, mark, left, right)
            }
        }
    }

    /// An expression that must be true or false.
    pub(super) fn condition(&mut self, expr: &Expr) -> Result<Node, Mistake> {
        let (node, kind) = self.check(expr)?;
        if matches!(kind.bare(), Type::Bool | Type::Dyn) {
            return Ok(node);
        }
        let what = format!("true or false is needed here, not {kind}");
        Err(Mistake::at(expr.at, what))
    }

    fn name(&mut self, expr: &Expr, name: &str) -> Checked {
        if let Some(slot) = self.locals.iter().rposition(|(local, _)| local == name) {
            return Ok((Node::Local(slot), self.locals[slot].1.clone()));
        }
        if name == VARIABLE {
            self.read.push(None);
            return Ok((Node::Flow, Type::Message(self.flow.clone())));
        }
        Err(Mistake::at(
            expr.at,
            format!("there is no {name}; the flow is called {VARIABLE}"),
        ))
    }

    /// A field, or a constant of an enum.
    pub(super) fn select(&mut self, expr: &Expr, of: &Expr, name: &str, has: bool) -> Checked {
        if let Some(number) = self.constant(of, name) {
            return Ok((Node::Constant(Value::Int(number)), Type::Int));
        }
        let (node, kind) = self.check(of)?;
        let Type::Message(message) = kind.bare() else {
            return named(expr.at, node, kind.bare(), name, has);
        };
        let field = message.get_field_by_name(name).ok_or_else(|| {
            let what = format!("{} has no field {name}", message.full_name());
            Mistake::at(expr.at, what)
        })?;
        if matches!(node, Node::Flow) {
            // Not the whole flow, then, but one field of it.
            self.read.pop();
            self.read.push(Some(name.to_owned()));
        }
        let kind = if has { Type::Bool } else { Type::of(&field) };
        let (base, mut fields) = if let Node::Path(base, fields) = node {
            (base, fields)
        } else {
            (Box::new(node), Vec::new())
        };
        fields.push(field);
        let node = if has {
            Node::Has(base, fields)
        } else {
            Node::Path(base, fields)
        };
        Ok((node, kind))
    }

    /// The number of an enum's constant, such as `Verdict.DROPPED`.
    fn constant(&self, of: &Expr, name: &str) -> Option<i64> {
        let path = dotted(of)?;
        let first = path.split('.').next()?;
        if first == VARIABLE || self.locals.iter().any(|(local, _)| local == first) {
            return None;
        }
        let found = [format!("{CONTAINER}.{path}"), path]
            .iter()
            .find_map(|full| self.pool.get_enum_by_name(full))?;
        found
            .get_value_by_name(name)
            .map(|value| i64::from(value.number()))
    }

    fn index(&mut self, expr: &Expr, of: &Expr, index: &Expr) -> Checked {
        let ((of, kind), (index, by)) = (self.check(of)?, self.check(index)?);
        let element = match (kind.bare(), &by) {
            (Type::Dyn, _) => Some(Type::Dyn),
            (Type::List(element), by) if by.meets(&Type::Int) => Some(Type::clone(element)),
            (Type::Map(key, value), by) if by.meets(key) => Some(Type::clone(value)),
            _ => None,
        };
        let element = element.ok_or_else(|| {
            let what = format!("{kind} cannot be indexed by {by}");
            Mistake::at(expr.at, what)
        })?;
        Ok((Node::Index(of.into(), index.into()), element))
    }

    fn list(&mut self, all: &[Expr]) -> Checked {
        let (mut nodes, mut kind) = (Vec::with_capacity(all.len()), None);
        for one in all {
            let (node, found) = self.check(one)?;
            nodes.push(node);
            kind = Some(join(kind, found));
        }
        let kind = Type::List(kind.unwrap_or(Type::Dyn).into());
        Ok((Node::List(nodes), kind))
    }

    fn map(&mut self, all: &[(Expr, Expr)]) -> Checked {
        let (mut nodes, mut keys, mut values) = (Vec::with_capacity(all.len()), None, None);
        for (key, value) in all {
            let at = key.at;
            let ((key, one), (value, two)) = (self.check(key)?, self.check(value)?);
            if !one.is_key() {
                let what = format!("a key is a number, a text or a boolean, not {one}");
                return Err(Mistake::at(at, what));
            }
            nodes.push((key, value));
            keys = Some(join(keys, one));
            values = Some(join(values, two));
        }
        let kind = Type::Map(
            keys.unwrap_or(Type::Dyn).into(),
            values.unwrap_or(Type::Dyn).into(),
        );
        Ok((Node::Map(nodes), kind))
    }

    fn unary(&mut self, expr: &Expr, mark: &str, of: &Expr) -> Checked {
        if mark == "!" {
            return Ok((Node::Not(self.condition(of)?.into()), Type::Bool));
        }
        let (node, kind) = self.check(of)?;
        if matches!(kind.bare(), Type::Int | Type::Double | Type::Dyn) {
            return Ok((Node::Negative(node.into()), kind.bare().clone()));
        }
        Err(Mistake::at(expr.at, format!("there is no negative {kind}")))
    }
}

/// A field of what is known only when a flow is seen, or the value of a map's key.
fn named(at: usize, of: Node, kind: &Type, name: &str, has: bool) -> Checked {
    let found = match (kind, has) {
        (Type::Map(..) | Type::Dyn, true) => Type::Bool,
        (Type::Map(_, value), false) => Type::clone(value),
        (Type::Dyn, false) => Type::Dyn,
        _ => return Err(Mistake::at(at, format!("{kind} has no field {name}"))),
    };
    let node = Node::Named {
        of: of.into(),
        name: name.to_owned(),
        has,
    };
    Ok((node, found))
}

fn join(known: Option<Type>, found: Type) -> Type {
    match known {
        None => found,
        Some(known) => known.joined(found),
    }
}

/// Names joined by dots.
fn dotted(expr: &Expr) -> Option<String> {
    match &expr.kind {
        Kind::Name(name) => Some(name.clone()),
        Kind::Select(of, name) => Some(format!("{}.{name}", dotted(of)?)),
        Kind::Literal(_)
        | Kind::Index(..)
        | Kind::List(_)
        | Kind::Map(_)
        | Kind::Call { .. }
        | Kind::Unary(..)
        | Kind::Binary(..)
        | Kind::Logic(..)
        | Kind::If(..) => None,
    }
}

fn literal_type(value: &Value) -> Type {
    match value {
        Value::Null => Type::Null,
        Value::Bool(_) => Type::Bool,
        Value::Int(_) => Type::Int,
        Value::Uint(_) => Type::Uint,
        Value::Double(_) => Type::Double,
        Value::Text(_) => Type::Text,
        Value::Bytes(_) => Type::Bytes,
        Value::Time(_) => Type::Time,
        Value::Span(_) => Type::Span,
        Value::List(_) | Value::Map(_) | Value::Message(_) => Type::Dyn,
    }
}

fn binary(at: usize, mark: &str, left: (Node, Type), right: (Node, Type)) -> Checked {
    let ((left, one), (right, two)) = (left, right);
    let wrong = || {
        let what = format!("{mark} does not go with {one} and {two}");
        Mistake::at(at, what)
    };
    let ordered = |kind: &Type| {
        !matches!(
            kind.bare(),
            Type::Null | Type::List(_) | Type::Map(..) | Type::Message(_)
        )
    };
    let comparison = match mark {
        "==" => Some(Comparison::Equal),
        "!=" => Some(Comparison::Unequal),
        "<" => Some(Comparison::Less),
        "<=" => Some(Comparison::LessOrEqual),
        ">" => Some(Comparison::Greater),
        ">=" => Some(Comparison::GreaterOrEqual),
        "in" => Some(Comparison::In),
        _ => None,
    };
    if let Some(comparison) = comparison {
        let fits = match comparison {
            Comparison::Equal | Comparison::Unequal => one.meets(&two),
            Comparison::Less
            | Comparison::LessOrEqual
            | Comparison::Greater
            | Comparison::GreaterOrEqual => one.meets(&two) && ordered(&one) && ordered(&two),
            Comparison::In => match two.bare() {
                Type::Dyn => true,
                Type::List(inner) | Type::Map(inner, _) => one.meets(inner),
                Type::Null
                | Type::Bool
                | Type::Int
                | Type::Uint
                | Type::Double
                | Type::Text
                | Type::Bytes
                | Type::Time
                | Type::Span
                | Type::Maybe(_)
                | Type::Message(_) => false,
            },
        };
        return if fits {
            Ok((Node::Compare(comparison, [left, right].into()), Type::Bool))
        } else {
            Err(wrong())
        };
    }
    let operator = match mark {
        "+" => Operator::Add,
        "-" => Operator::Subtract,
        "*" => Operator::Multiply,
        "/" => Operator::Divide,
        _ => Operator::Remainder,
    };
    let kind = result(operator, one.bare(), two.bare()).ok_or_else(wrong)?;
    Ok((Node::Calculate(operator, [left, right].into()), kind))
}

/// The kind of a calculation's result.
fn result(operator: Operator, one: &Type, two: &Type) -> Option<Type> {
    use Operator::{Add, Divide, Multiply, Remainder, Subtract};
    match (operator, one, two) {
        (_, Type::Dyn, _) | (_, _, Type::Dyn) => Some(Type::Dyn),
        (_, Type::Int, Type::Int) => Some(Type::Int),
        (_, Type::Uint, Type::Uint) => Some(Type::Uint),
        (Add | Subtract | Multiply | Divide, Type::Double, Type::Double) => Some(Type::Double),
        (Add, Type::Text, Type::Text) => Some(Type::Text),
        (Add, Type::Bytes, Type::Bytes) => Some(Type::Bytes),
        (Add, Type::List(a), Type::List(b)) => {
            Some(Type::List(Type::clone(a).joined(Type::clone(b)).into()))
        }
        (Add, Type::Time, Type::Span) | (Add, Type::Span, Type::Time) => Some(Type::Time),
        (Subtract, Type::Time, Type::Span) => Some(Type::Time),
        (Subtract, Type::Time, Type::Time) | (Add | Subtract, Type::Span, Type::Span) => {
            Some(Type::Span)
        }
        (Add | Subtract | Multiply | Divide | Remainder, _, _) => None,
    }
}
