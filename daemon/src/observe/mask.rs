//! Field masks: parts of a flow that nobody asked for are not built; what was asked for only in
//! part is cut on the wire.

use std::collections::BTreeMap;

use bytes::BufMut;
use flowd_proto::FlowMask;
use flowd_proto::descriptor::{FLOW, message};
use prost::encoding::{DecodeContext, WireType, decode_key, encode_key, encode_varint, skip_field};

use crate::observe::query::QueryError;

/// Paths in one mask, at most; a flow has fewer.
const MAX_PATHS: usize = 512;

/// The top-level fields of a flow that flowd fills.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
#[repr(u8)]
#[expect(missing_docs, reason = "the names are those of the fields")]
pub enum Part {
    Time,
    Verdict,
    DropReason,
    Ethernet,
    Ip,
    L4,
    Source,
    Destination,
    Type,
    NodeName,
    Reply,
    EventType,
    TrafficDirection,
    PolicyMatchType,
    TraceObservationPoint,
    DropReasonDesc,
    IsReply,
    Interface,
    Uuid,
    TraceReason,
    Emitter,
    EgressAllowedBy,
    IngressAllowedBy,
    EgressDeniedBy,
    IngressDeniedBy,
    PolicyLog,
    Extensions,
    Summary,
}

const NAMES: [(&str, Part); 28] = [
    ("time", Part::Time),
    ("verdict", Part::Verdict),
    ("drop_reason", Part::DropReason),
    ("ethernet", Part::Ethernet),
    ("IP", Part::Ip),
    ("l4", Part::L4),
    ("source", Part::Source),
    ("destination", Part::Destination),
    ("Type", Part::Type),
    ("node_name", Part::NodeName),
    ("reply", Part::Reply),
    ("event_type", Part::EventType),
    ("traffic_direction", Part::TrafficDirection),
    ("policy_match_type", Part::PolicyMatchType),
    ("trace_observation_point", Part::TraceObservationPoint),
    ("drop_reason_desc", Part::DropReasonDesc),
    ("is_reply", Part::IsReply),
    ("interface", Part::Interface),
    ("uuid", Part::Uuid),
    ("trace_reason", Part::TraceReason),
    ("emitter", Part::Emitter),
    ("egress_allowed_by", Part::EgressAllowedBy),
    ("ingress_allowed_by", Part::IngressAllowedBy),
    ("egress_denied_by", Part::EgressDeniedBy),
    ("ingress_denied_by", Part::IngressDeniedBy),
    ("policy_log", Part::PolicyLog),
    ("extensions", Part::Extensions),
    ("Summary", Part::Summary),
];

/// A set of parts.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Parts(u32);

impl Parts {
    /// Every part.
    pub const ALL: Self = Self(u32::MAX);
    /// No part.
    pub const NONE: Self = Self(0);

    /// With one more.
    #[must_use]
    pub const fn with(self, part: Part) -> Self {
        Self(self.0 | 1 << part as u32)
    }

    /// With those of another set.
    #[must_use]
    pub const fn union(self, others: Self) -> Self {
        Self(self.0 | others.0)
    }

    /// The part a field of a flow belongs to, `NONE` for a field flowd never fills.
    pub fn of_field(name: &str) -> Self {
        let part = NAMES.iter().find(|(known, _)| *known == name);
        part.map_or(Self::NONE, |(_, part)| Self::NONE.with(*part))
    }

    /// Without those of another set.
    #[must_use]
    pub const fn without(self, others: Self) -> Self {
        Self(self.0 & !others.0)
    }

    /// Whether a part is in it.
    #[inline]
    pub const fn has(self, part: Part) -> bool {
        self.0 & 1 << part as u32 != 0
    }

    /// A value if its part is in the set, else what the field has when it is unset.
    #[inline]
    pub fn pick<T: Default>(self, part: Part, value: impl FnOnce() -> T) -> T {
        if self.has(part) {
            value()
        } else {
            T::default()
        }
    }
}

/// A checked field mask over `flow.Flow`.
#[derive(Clone, Debug)]
pub struct Mask {
    parts: Parts,
    /// Set when some field is asked for only in part.
    cut: Option<Fields>,
}

impl Default for Mask {
    fn default() -> Self {
        Self {
            parts: Parts::ALL,
            cut: None,
        }
    }
}

impl Mask {
    /// Checks and compiles the paths of a mask.
    ///
    /// # Errors
    ///
    /// On a path that names no field of a flow.
    pub fn compile(paths: &[String]) -> Result<Self, QueryError> {
        if paths.len() > MAX_PATHS {
            return Err(QueryError::MaskPaths(paths.len(), MAX_PATHS));
        }
        FlowMask::compile(paths)?;
        let mut parts = Parts::NONE;
        let mut fields = Fields::default();
        let mut nested = false;
        for path in paths {
            let top = path.split('.').next().unwrap_or_default();
            if let Some((_, part)) = NAMES.iter().find(|(name, _)| *name == top) {
                parts = parts.with(*part);
            }
            nested |= top != path;
            fields.select(&numbers(path));
        }
        Ok(Self {
            parts,
            cut: nested.then_some(fields),
        })
    }

    /// What has to be built.
    pub fn parts(&self) -> Parts {
        self.parts
    }

    /// Cuts an encoded flow down to what was asked for; `false` when all of it was.
    pub(crate) fn cut(&self, flow: &[u8], into: &mut Vec<u8>) -> bool {
        let Some(fields) = &self.cut else {
            return false;
        };
        into.clear();
        fields.copy(flow, into);
        true
    }
}

/// Field numbers along a checked path.
fn numbers(path: &str) -> Vec<u32> {
    let mut inside = message(FLOW);
    path.split('.')
        .map_while(|name| {
            let field = inside?.field(name)?;
            inside = field.message.as_deref().and_then(message);
            Some(field.number)
        })
        .collect()
}

/// Selected fields by number; an empty map selects all below.
#[derive(Clone, Debug, Default)]
struct Fields(BTreeMap<u32, Self>);

impl Fields {
    fn select(&mut self, path: &[u32]) {
        let Some((first, rest)) = path.split_first() else {
            self.0.clear();
            return;
        };
        match self.0.get_mut(first) {
            Some(whole) if whole.0.is_empty() => {}
            Some(fields) => fields.select(rest),
            None => self.0.entry(*first).or_default().select(rest),
        }
    }

    /// Copies the selected fields of an encoded message; stops at bytes that are none.
    fn copy(&self, mut from: &[u8], into: &mut Vec<u8>) {
        while !from.is_empty() {
            let start = from;
            let Ok((number, wire_type)) = decode_key(&mut from) else {
                return;
            };
            let body = from;
            let skipped = skip_field(wire_type, number, &mut from, DecodeContext::default());
            if skipped.is_err() {
                return;
            }
            let Some(below) = self.0.get(&number) else {
                continue;
            };
            if below.0.is_empty() || wire_type != WireType::LengthDelimited {
                into.put_slice(&start[..start.len() - from.len()]);
                continue;
            }
            let mut body = &body[..body.len() - from.len()];
            if prost::encoding::decode_varint(&mut body).is_err() {
                return;
            }
            let mut kept = Vec::with_capacity(body.len());
            below.copy(body, &mut kept);
            encode_key(number, WireType::LengthDelimited, into);
            encode_varint(kept.len() as u64, into);
            into.put_slice(&kept);
        }
    }
}
