//! Field masks over flows: which paths there are, and cutting a flow down to some of them.

use std::collections::BTreeMap;

use bytes::{Buf, BufMut};
use prost::Message;
use prost::encoding::{WireType, decode_key, decode_varint, encode_key, encode_varint};

use crate::descriptor::{FLOW, MessageShape, message};
use crate::flow::Flow;

/// Longest path; deeper than any flow goes.
const MAX_DEPTH: usize = 8;

/// Why a field mask is refused.
#[derive(Clone, Debug, PartialEq, Eq, thiserror::Error)]
pub enum MaskError {
    /// A name that the message before it does not have.
    #[error("invalid fieldmask: {path:?}: {message} has no field {name:?}")]
    UnknownField {
        /// The whole path.
        path: String,
        /// The name that is not known.
        name: String,
        /// The message it was looked for in.
        message: String,
    },
    /// A path that goes on after a field that has no single message behind it.
    #[error("invalid fieldmask: {path:?}: nothing can be selected below {name:?}")]
    NotAMessage {
        /// The whole path.
        path: String,
        /// The field that has no fields.
        name: String,
    },
}

/// A checked field mask over `flow.Flow`.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct FlowMask {
    root: Fields,
}

/// Selected fields by number; an empty map below a number selects all of it.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
struct Fields(BTreeMap<u32, Fields>);

impl FlowMask {
    /// Checks the paths and compiles them. No paths select nothing.
    pub fn compile<P: AsRef<str>>(paths: &[P]) -> Result<Self, MaskError> {
        let mut mask = Self::default();
        for path in paths {
            let numbers = resolve(path.as_ref())?;
            mask.root.select(&numbers);
        }
        Ok(mask)
    }

    /// A copy of `flow` with the selected fields only.
    pub fn apply(&self, flow: &Flow) -> Flow {
        let bytes = flow.encode_to_vec();
        let mut kept = Vec::with_capacity(bytes.len());
        self.root.copy(&bytes, &mut kept);
        // What prost has just encoded, with whole fields left out, is a message again.
        Flow::decode(kept.as_slice()).unwrap_or_default()
    }
}

/// Every path a mask may name, parents before their children.
pub fn flow_field_paths() -> Vec<String> {
    let mut paths = Vec::new();
    if let Some(flow) = message(FLOW) {
        collect(flow, "", MAX_DEPTH, &mut paths);
    }
    paths
}

fn collect(shape: &MessageShape, prefix: &str, depth: usize, paths: &mut Vec<String>) {
    for field in &shape.fields {
        let path = format!("{prefix}{}", field.name);
        paths.push(path.clone());
        let nested = field
            .message
            .as_deref()
            .filter(|_| !field.repeated && depth > 1);
        if let Some(nested) = nested.and_then(message) {
            collect(nested, &format!("{path}."), depth - 1, paths);
        }
    }
}

fn resolve(path: &str) -> Result<Vec<u32>, MaskError> {
    let mut numbers = Vec::new();
    let mut inside = Some(FLOW);
    let mut parent = "";
    for name in path.split('.') {
        let shape = inside.and_then(|full| message(full).map(|shape| (full, shape)));
        let Some((full, shape)) = shape else {
            return Err(MaskError::NotAMessage {
                path: path.to_owned(),
                name: parent.to_owned(),
            });
        };
        let Some(field) = shape.field(name) else {
            return Err(MaskError::UnknownField {
                path: path.to_owned(),
                name: name.to_owned(),
                message: full.to_owned(),
            });
        };
        numbers.push(field.number);
        inside = field.message.as_deref().filter(|_| !field.repeated);
        parent = name;
    }
    Ok(numbers)
}

impl Fields {
    fn select(&mut self, numbers: &[u32]) {
        let Some((first, rest)) = numbers.split_first() else {
            self.0.clear();
            return;
        };
        match self.0.get_mut(first) {
            // Already selected as a whole.
            Some(inner) if inner.0.is_empty() => {}
            Some(inner) => inner.select(rest),
            None => self.0.entry(*first).or_default().select(rest),
        }
    }

    /// Copies the selected fields of an encoded message; stops at bytes that are none.
    fn copy(&self, mut from: &[u8], into: &mut Vec<u8>) {
        while from.has_remaining() {
            let field = from;
            let Some((number, body)) = next_field(&mut from) else {
                return;
            };
            let Some(inner) = self.0.get(&number) else {
                continue;
            };
            match body {
                Some(body) if !inner.0.is_empty() => {
                    let mut kept = Vec::new();
                    inner.copy(body, &mut kept);
                    encode_key(number, WireType::LengthDelimited, into);
                    encode_varint(kept.len() as u64, into);
                    into.put_slice(&kept);
                }
                Some(_) | None => into.put_slice(&field[..field.len() - from.len()]),
            }
        }
    }
}

/// Steps over one field: its number, and its bytes if it is length-delimited.
fn next_field<'a>(from: &mut &'a [u8]) -> Option<(u32, Option<&'a [u8]>)> {
    let (number, wire_type) = decode_key(from).ok()?;
    let length = match wire_type {
        WireType::Varint => {
            decode_varint(from).ok()?;
            return Some((number, None));
        }
        WireType::LengthDelimited => usize::try_from(decode_varint(from).ok()?).ok()?,
        WireType::ThirtyTwoBit => 4,
        WireType::SixtyFourBit => 8,
        WireType::StartGroup | WireType::EndGroup => return None,
    };
    let (body, rest) = from.split_at_checked(length)?;
    *from = rest;
    Some((
        number,
        (wire_type == WireType::LengthDelimited).then_some(body),
    ))
}
