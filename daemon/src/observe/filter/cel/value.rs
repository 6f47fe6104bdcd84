//! Values of an expression, and what is read from a flow.

use std::cmp::Ordering;
use std::collections::BTreeSet;
use std::sync::Arc;

use prost_reflect::{DynamicMessage, ReflectMessage as _, Value as Reflected};

/// A value.
#[derive(Clone, Debug)]
pub(super) enum Value {
    Null,
    Bool(bool),
    Int(i64),
    Uint(u64),
    Double(f64),
    Text(Arc<str>),
    Bytes(Arc<[u8]>),
    /// Nanoseconds of Unix time.
    Time(i128),
    /// Nanoseconds.
    Span(i128),
    List(Arc<[Value]>),
    Map(Arc<[(Value, Value)]>),
    Message(Arc<DynamicMessage>),
}

/// A key of a map: a whole number is the same key whichever kind it is of.
#[derive(PartialEq, Eq, PartialOrd, Ord)]
enum MapKey {
    Bool(bool),
    Whole(i128),
    Text(Arc<str>),
}

impl Value {
    /// What a value of a flow is here.
    pub(super) fn of(value: &Reflected) -> Self {
        match value {
            Reflected::Bool(value) => Self::Bool(*value),
            Reflected::I32(value) | Reflected::EnumNumber(value) => Self::Int(i64::from(*value)),
            Reflected::I64(value) => Self::Int(*value),
            Reflected::U32(value) => Self::Uint(u64::from(*value)),
            Reflected::U64(value) => Self::Uint(*value),
            Reflected::F32(value) => Self::Double(f64::from(*value)),
            Reflected::F64(value) => Self::Double(*value),
            Reflected::String(value) => Self::Text(value.as_str().into()),
            Reflected::Bytes(value) => Self::Bytes(value.to_vec().into()),
            Reflected::Message(message) => Self::message(message),
            Reflected::List(values) => values.iter().map(Self::of).collect(),
            // No message of a flow has a map field.
            Reflected::Map(_) => Self::Null,
        }
    }

    /// A message; the well-known ones are values of their own.
    pub(super) fn message(message: &DynamicMessage) -> Self {
        let number = |name: &str| {
            message
                .get_field_by_name(name)
                .and_then(|value| value.as_i64().or(value.as_i32().map(i64::from)))
                .unwrap_or_default()
        };
        let nanos = || i128::from(number("seconds")) * 1_000_000_000 + i128::from(number("nanos"));
        match message.descriptor().full_name() {
            "google.protobuf.Timestamp" => Self::Time(nanos()),
            "google.protobuf.Duration" => Self::Span(nanos()),
            "google.protobuf.Any" => unpacked(message),
            name if is_wrapper(name) => message
                .descriptor()
                .get_field_by_name("value")
                .map_or(Self::Null, |field| Self::of(&message.get_field(&field))),
            _ => Self::Message(Arc::new(message.clone())),
        }
    }

    /// How two values of one kind are ordered; numbers across their kinds.
    pub(super) fn order(&self, other: &Self) -> Option<Ordering> {
        Some(match (self, other) {
            (Self::Bool(one), Self::Bool(two)) => one.cmp(two),
            (Self::Text(one), Self::Text(two)) => one.cmp(two),
            (Self::Bytes(one), Self::Bytes(two)) => one.cmp(two),
            (Self::Time(one), Self::Time(two)) | (Self::Span(one), Self::Span(two)) => one.cmp(two),
            (Self::Double(_), _) | (_, Self::Double(_)) => {
                return self.double()?.partial_cmp(&other.double()?);
            }
            _ => self.whole()?.cmp(&other.whole()?),
        })
    }

    /// A map, if its keys are keys and all different.
    pub(super) fn map(pairs: Vec<(Self, Self)>) -> Option<Self> {
        let mut seen = BTreeSet::new();
        let fresh = |(key, _): &(Self, Self)| key.key().is_some_and(|key| seen.insert(key));
        pairs.iter().all(fresh).then(|| Self::Map(pairs.into()))
    }

    /// What a value is as the key of a map; `None` when it cannot be one.
    fn key(&self) -> Option<MapKey> {
        if let Self::Bool(value) = self {
            Some(MapKey::Bool(*value))
        } else if let Self::Text(text) = self {
            Some(MapKey::Text(text.clone()))
        } else {
            self.whole().map(MapKey::Whole)
        }
    }

    fn whole(&self) -> Option<i128> {
        if let Self::Int(number) = self {
            return Some(i128::from(*number));
        }
        let Self::Uint(number) = self else {
            return None;
        };
        Some(i128::from(*number))
    }

    #[expect(clippy::cast_precision_loss, reason = "as CEL compares numbers")]
    fn double(&self) -> Option<f64> {
        if let Self::Double(number) = self {
            return Some(*number);
        }
        self.whole().map(|number| number as f64)
    }

    /// How much work it is to copy all of it, down to its last element; for what was read of a flow
    /// and shares nothing.
    pub(super) fn mass(&self) -> u32 {
        if let Self::List(list) = self {
            let each = list.iter().map(|one| one.mass().saturating_add(1));
            each.fold(0, u32::saturating_add)
        } else {
            self.weight()
        }
    }

    /// How much work it is to look at it, but not into its elements.
    pub(super) fn weight(&self) -> u32 {
        let size = match self {
            Self::Text(text) => text.len() / 32,
            Self::Bytes(bytes) => bytes.len() / 32,
            Self::List(list) => list.len(),
            Self::Map(map) => map.len(),
            Self::Message(_) => 16,
            Self::Null
            | Self::Bool(_)
            | Self::Int(_)
            | Self::Uint(_)
            | Self::Double(_)
            | Self::Time(_)
            | Self::Span(_) => 0,
        };
        u32::try_from(size).unwrap_or(u32::MAX)
    }
}

impl FromIterator<Value> for Value {
    fn from_iter<T: IntoIterator<Item = Self>>(values: T) -> Self {
        Self::List(values.into_iter().collect())
    }
}

/// Whether a message is a nullable scalar.
pub(super) fn is_wrapper(name: &str) -> bool {
    name.starts_with("google.protobuf.") && name.ends_with("Value")
}

/// The message in an Any, null when its type is not known here.
fn unpacked(any: &DynamicMessage) -> Value {
    let text = |name: &str| any.get_field_by_name(name).map(|value| value.into_owned());
    let (Some(Reflected::String(url)), Some(Reflected::Bytes(bytes))) =
        (text("type_url"), text("value"))
    else {
        return Value::Null;
    };
    let name = url.rsplit('/').next().unwrap_or_default();
    let pool = any.descriptor().parent_pool().clone();
    pool.get_message_by_name(name)
        .and_then(|shape| DynamicMessage::decode(shape, bytes).ok())
        .map_or(Value::Null, |message| Value::Message(Arc::new(message)))
}
