//! Whether values are the same, for a bounded amount of work.
//!
//! Values share their parts: a list of lists of one list takes a few bytes and has more elements
//! than anybody can look at. Every element that is looked at is a step.

use std::cmp::Ordering;

use super::eval::{Evaluated, Evaluation, Failed};
use super::value::Value;

/// Steps that it takes to compare two messages.
const MESSAGE: u32 = 64;

impl Evaluation<'_> {
    /// Whether two values are equal; values of different kinds are not.
    pub(super) fn same(&mut self, one: &Value, two: &Value) -> Result<bool, Failed> {
        self.spend(1)?;
        match (one, two) {
            (Value::Null, Value::Null) => Ok(true),
            (Value::List(one), Value::List(two)) => {
                if one.len() != two.len() {
                    return Ok(false);
                }
                for (a, b) in one.iter().zip(two.iter()) {
                    if !self.same(a, b)? {
                        return Ok(false);
                    }
                }
                Ok(true)
            }
            (Value::Map(one), Value::Map(two)) => {
                if one.len() != two.len() {
                    return Ok(false);
                }
                for (key, value) in one.iter() {
                    match self.find(two, key)? {
                        Some(other) if self.same(value, other)? => {}
                        Some(_) | None => return Ok(false),
                    }
                }
                Ok(true)
            }
            (Value::Message(one), Value::Message(two)) => {
                self.spend(MESSAGE)?;
                Ok(one == two)
            }
            _ => Ok(one.order(two) == Some(Ordering::Equal)),
        }
    }

    /// Whether one of these is the same as a value.
    pub(super) fn holds_one(&mut self, of: &[Value], value: &Value) -> Result<bool, Failed> {
        for one in of {
            if self.same(one, value)? {
                return Ok(true);
            }
        }
        Ok(false)
    }

    fn find<'v>(
        &mut self,
        map: &'v [(Value, Value)],
        key: &Value,
    ) -> Result<Option<&'v Value>, Failed> {
        for (known, value) in map {
            if self.same(known, key)? {
                return Ok(Some(value));
            }
        }
        Ok(None)
    }

    /// The element of a list or the value of a map at an index.
    pub(super) fn at(&mut self, of: &Value, index: &Value) -> Evaluated {
        let found = match (of, index) {
            (Value::List(list), Value::Int(number)) => {
                usize::try_from(*number).ok().and_then(|at| list.get(at))
            }
            (Value::List(list), Value::Uint(number)) => {
                usize::try_from(*number).ok().and_then(|at| list.get(at))
            }
            (Value::Map(map), key) => self.find(map, key)?,
            _ => None,
        };
        found.cloned().ok_or(Failed::Impossible)
    }
}
