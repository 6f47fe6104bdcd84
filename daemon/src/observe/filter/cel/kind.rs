//! What kinds of values there are, as far as they are known before a flow is seen.

use std::fmt;

use prost_reflect::{FieldDescriptor, Kind as FieldKind, MessageDescriptor};

use super::value::is_wrapper;

/// The kind of a value.
#[derive(Clone, Debug, PartialEq)]
pub(super) enum Type {
    /// Known only when a flow is seen.
    Dyn,
    Null,
    Bool,
    Int,
    Uint,
    Double,
    Text,
    Bytes,
    Time,
    Span,
    /// A scalar that can be null.
    Maybe(Box<Type>),
    List(Box<Type>),
    Map(Box<Type>, Box<Type>),
    Message(MessageDescriptor),
}

impl Type {
    /// The kind of a field.
    pub(super) fn of(field: &FieldDescriptor) -> Self {
        let one = match field.kind() {
            FieldKind::Bool => Self::Bool,
            FieldKind::Double | FieldKind::Float => Self::Double,
            FieldKind::Int32
            | FieldKind::Int64
            | FieldKind::Sint32
            | FieldKind::Sint64
            | FieldKind::Sfixed32
            | FieldKind::Sfixed64
            | FieldKind::Enum(_) => Self::Int,
            FieldKind::Uint32 | FieldKind::Uint64 | FieldKind::Fixed32 | FieldKind::Fixed64 => {
                Self::Uint
            }
            FieldKind::String => Self::Text,
            FieldKind::Bytes => Self::Bytes,
            FieldKind::Message(message) => Self::message(message),
        };
        if field.is_list() {
            Self::List(one.into())
        } else {
            one
        }
    }

    fn message(message: MessageDescriptor) -> Self {
        match message.full_name() {
            "google.protobuf.Timestamp" => Self::Time,
            "google.protobuf.Duration" => Self::Span,
            "google.protobuf.Any" => Self::Dyn,
            name if is_wrapper(name) => message
                .get_field_by_name("value")
                .map_or(Self::Dyn, |field| Self::Maybe(Self::of(&field).into())),
            _ => Self::Message(message),
        }
    }

    /// Without that it can be null.
    pub(super) fn bare(&self) -> &Self {
        if let Self::Maybe(inner) = self {
            inner
        } else {
            self
        }
    }

    pub(super) fn is_number(&self) -> bool {
        matches!(
            self.bare(),
            Self::Int | Self::Uint | Self::Double | Self::Dyn
        )
    }

    /// Whether it can be the key of a map.
    pub(super) const fn is_key(&self) -> bool {
        match self {
            Self::Dyn | Self::Bool | Self::Int | Self::Uint | Self::Text => true,
            Self::Null
            | Self::Double
            | Self::Bytes
            | Self::Time
            | Self::Span
            | Self::Maybe(_)
            | Self::List(_)
            | Self::Map(..)
            | Self::Message(_) => false,
        }
    }

    /// Whether values of both kinds can be compared.
    pub(super) fn meets(&self, other: &Self) -> bool {
        match (self.bare(), other.bare()) {
            (Self::Dyn, _) | (_, Self::Dyn) => true,
            (Self::Null, two) => *two == Self::Null || other.can_be_null(),
            (one, Self::Null) => *one == Self::Null || self.can_be_null(),
            (one, two) if one.is_number() && two.is_number() => true,
            (Self::List(one), Self::List(two)) => one.meets(two),
            (Self::Map(key, one), Self::Map(other, two)) => key.meets(other) && one.meets(two),
            (one, two) => one == two,
        }
    }

    fn can_be_null(&self) -> bool {
        matches!(
            self,
            Self::Maybe(_) | Self::Message(_) | Self::Time | Self::Span | Self::Dyn
        )
    }

    /// The kind of a list's elements when some are of this kind and some of another.
    pub(super) fn joined(self, other: Self) -> Self {
        if self == other { self } else { Self::Dyn }
    }
}

impl fmt::Display for Type {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Self::Dyn => f.write_str("dyn"),
            Self::Null => f.write_str("null"),
            Self::Bool => f.write_str("bool"),
            Self::Int => f.write_str("int"),
            Self::Uint => f.write_str("uint"),
            Self::Double => f.write_str("double"),
            Self::Text => f.write_str("string"),
            Self::Bytes => f.write_str("bytes"),
            Self::Time => f.write_str("timestamp"),
            Self::Span => f.write_str("duration"),
            Self::Maybe(inner) => write!(f, "wrapper({inner})"),
            Self::List(inner) => write!(f, "list({inner})"),
            Self::Map(key, value) => write!(f, "map({key}, {value})"),
            Self::Message(message) => f.write_str(message.full_name()),
        }
    }
}
