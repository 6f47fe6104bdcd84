//! What is read of a message, by the fields of a path.

use prost_reflect::{DynamicMessage, FieldDescriptor, ReflectMessage as _, Value as Reflected};

use super::eval::{Evaluated, Failed};
use super::value::{Value, is_wrapper};

/// The value at the end of a path; what is not set has its default.
pub(super) fn walk(message: &DynamicMessage, fields: &[FieldDescriptor]) -> Value {
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
        is_wrapper(message.full_name()) || message.full_name() == "google.protobuf.Any"
    })
}

pub(super) fn is_set(message: &DynamicMessage, fields: &[FieldDescriptor]) -> bool {
    match fields {
        [] => true,
        [field] => message.has_field(field),
        [field, rest @ ..] => {
            let value = message.get_field(field);
            value.as_message().is_some_and(|inner| is_set(inner, rest))
        }
    }
}

pub(super) fn named(of: &Value, name: &str, has: bool) -> Evaluated {
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
