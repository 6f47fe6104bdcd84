//! Flows onto the wire without building what does not change.
//!
//! Endpoints, policies and rules are the same for thousands of flows: they are encoded once, kept
//! with the party or decision they describe, and appended to what is encoded per flow. The order of
//! fields means nothing in protobuf. [`build`] stays the one mapping; a test holds the two together.

use bytes::BufMut;
use flowd_proto::EXTENSION_TYPE_URL;
use flowd_proto::flow::{Emitter, LostEvent};
use flowd_proto::flowd::v1::FlowExtension;
use flowd_proto::observer::{GetFlowsResponse, get_flows_response::ResponseTypes};
use prost::Message;
use prost::encoding::{WireType, encode_key, encode_varint, encoded_len_varint};

use super::extension::{counted, denier_messages, rule_messages, shadow_message};
use super::flow::{
    EMITTER, PolicyList, VERSION, View, build, decision_log, endpoint, policy_message, timestamp,
};
use super::mask::{Mask, Part, Parts};
use super::numbers::process;
use crate::enrich::decision::EncodedDecision;
use crate::enrich::{Decision, Owner, Party};
use crate::flow::Record;
use crate::flow::record::Side;
use crate::shadow::Shadowed;

/// Field numbers of `flow.Flow`, `flow.Policy`, `google.protobuf.Any` and the response.
mod field {
    pub(super) const SOURCE: u32 = 8;
    pub(super) const DESTINATION: u32 = 9;
    pub(super) const NODE_NAME: u32 = 11;
    pub(super) const EMITTER: u32 = 41;
    pub(super) const EXTENSIONS: u32 = 150_000;
    pub(super) const POLICY_REVISION: u32 = 4;
    pub(super) const ANY_VALUE: u32 = 2;
    pub(super) const EXTENSION_CIDR: u32 = 15;
    pub(super) const EXTENSION_PROCESS: u32 = 40;
    pub(super) const RESPONSE_FLOW: u32 = 1;
    pub(super) const RESPONSE_NODE_NAME: u32 = 1000;
    pub(super) const RESPONSE_TIME: u32 = 1001;
}

/// The parts that are appended.
const APPENDED: Parts = Parts::NONE
    .with(Part::Source)
    .with(Part::Destination)
    .with(Part::NodeName)
    .with(Part::Emitter)
    .with(Part::EgressAllowedBy)
    .with(Part::IngressAllowedBy)
    .with(Part::EgressDeniedBy)
    .with(Part::IngressDeniedBy)
    .with(Part::PolicyLog)
    .with(Part::Extensions);

/// Encodes responses; buffers are reused from flow to flow.
#[derive(Debug)]
pub struct Encoder {
    view: View,
    node_name: String,
    mask: Mask,
    /// Node name and emitter, as fields of a flow.
    constant: Vec<u8>,
    type_url: Vec<u8>,
    flow: Vec<u8>,
    extension: Vec<u8>,
    kept: Vec<u8>,
}

impl Encoder {
    /// An encoder of masked flows.
    pub fn new(view: View, mask: Mask) -> Self {
        let parts = mask.parts();
        let node_name = view.directory.load().node_name.clone();
        let mut constant = Vec::new();
        if parts.has(Part::NodeName) {
            put_bytes(field::NODE_NAME, node_name.as_bytes(), &mut constant);
        }
        if parts.has(Part::Emitter) {
            let emitter = Emitter {
                name: EMITTER.to_owned(),
                version: VERSION.to_owned(),
            };
            put_bytes(field::EMITTER, &emitter.encode_to_vec(), &mut constant);
        }
        let mut type_url = Vec::new();
        put_bytes(1, EXTENSION_TYPE_URL.as_bytes(), &mut type_url);
        Self {
            view,
            node_name,
            mask,
            constant,
            type_url,
            flow: Vec::new(),
            extension: Vec::new(),
            kept: Vec::new(),
        }
    }

    /// Writes the response that carries a flow.
    pub fn response(&mut self, record: &Record, into: &mut impl BufMut) {
        self.encode_flow(record);
        let cut = self.mask.cut(&self.flow, &mut self.kept);
        put_bytes(
            field::RESPONSE_FLOW,
            if cut { &self.kept } else { &self.flow },
            into,
        );
        let parts = self.mask.parts();
        if parts.has(Part::NodeName) {
            let name = self.node_name.as_bytes();
            put_bytes(field::RESPONSE_NODE_NAME, name, into);
        }
        if parts.has(Part::Time) {
            let time = timestamp(record.time);
            encode_key(field::RESPONSE_TIME, WireType::LengthDelimited, into);
            encode_varint(time.encoded_len() as u64, into);
            put_raw(&time, into);
        }
    }

    /// Writes the response that tells of lost flows.
    pub fn lost(&self, lost: LostEvent, into: &mut impl BufMut) {
        put_raw(&self.lost_message(lost), into);
    }

    /// The response that carries a flow, as a message.
    pub fn message(&mut self, record: &Record) -> GetFlowsResponse {
        let mut bytes = Vec::with_capacity(1_024);
        self.response(record, &mut bytes);
        // What has just been encoded is a message.
        GetFlowsResponse::decode(bytes.as_slice()).unwrap_or_default()
    }

    /// The response that tells of lost flows; masks and filters do not apply to it.
    pub fn lost_message(&self, lost: LostEvent) -> GetFlowsResponse {
        GetFlowsResponse {
            node_name: self.node_name.clone(),
            time: lost.last,
            response_types: Some(ResponseTypes::LostEvents(lost)),
        }
    }

    fn encode_flow(&mut self, record: &Record) {
        let parts = self.mask.parts();
        self.flow.clear();
        put_raw(
            &build(record, &self.view, parts.without(APPENDED)),
            &mut self.flow,
        );
        self.flow.extend_from_slice(&self.constant);
        let sides = [
            (Part::Source, field::SOURCE, Side::Source),
            (Part::Destination, field::DESTINATION, Side::Destination),
        ];
        for (part, number, side) in sides {
            if parts.has(part) {
                put_bytes(number, encoded_party(record.party(side)), &mut self.flow);
            }
        }
        let decision = encoded_decision(&record.decision);
        if let Some(list) = PolicyList::of(&record.judged) {
            let (part, number) = list.field();
            if parts.has(part) {
                let revision = u64::from(record.judged.event.generation);
                for policy in &decision.policies {
                    put_policy(number, policy, revision, &mut self.flow);
                }
            }
        }
        if parts.has(Part::PolicyLog) {
            self.flow.extend_from_slice(&decision.log);
        }
        if parts.has(Part::Extensions) {
            self.extend(record, decision);
        }
    }

    fn extend(&mut self, record: &Record, decision: &EncodedDecision) {
        self.extension.clear();
        put_raw(&counted(record), &mut self.extension);
        self.extension.extend_from_slice(&decision.extension);
        if !record.peer.cidr.is_empty() {
            let cidr = record.peer.cidr.as_bytes();
            put_bytes(field::EXTENSION_CIDR, cidr, &mut self.extension);
        }
        if let Some(owner) = &record.owner {
            put_bytes(
                field::EXTENSION_PROCESS,
                encoded_process(owner),
                &mut self.extension,
            );
        }
        if let Some(shadow) = &record.shadow {
            self.extension.extend_from_slice(encoded_shadow(shadow));
        }
        let value_len = self.extension.len() as u64;
        let any_len =
            self.type_url.len() as u64 + 1 + encoded_len_varint(value_len) as u64 + value_len;
        encode_key(field::EXTENSIONS, WireType::LengthDelimited, &mut self.flow);
        encode_varint(any_len, &mut self.flow);
        self.flow.extend_from_slice(&self.type_url);
        put_bytes(field::ANY_VALUE, &self.extension, &mut self.flow);
    }
}

/// A length-delimited field.
fn put_bytes(number: u32, bytes: &[u8], into: &mut impl BufMut) {
    encode_key(number, WireType::LengthDelimited, into);
    encode_varint(bytes.len() as u64, into);
    into.put_slice(bytes);
}

/// A message without anything around it.
fn put_raw(message: &impl Message, into: &mut impl BufMut) {
    message.encode_raw(into);
}

/// A policy with the revision that decided.
fn put_policy(number: u32, policy: &[u8], revision: u64, into: &mut impl BufMut) {
    encode_key(number, WireType::LengthDelimited, into);
    let revision_len = match revision {
        0 => 0,
        _ => 1 + encoded_len_varint(revision),
    };
    encode_varint((policy.len() + revision_len) as u64, into);
    into.put_slice(policy);
    if revision != 0 {
        encode_key(field::POLICY_REVISION, WireType::Varint, into);
        encode_varint(revision, into);
    }
}

fn encoded_party(party: &Party) -> &[u8] {
    party
        .encoded
        .get_or_init(|| endpoint(party).encode_to_vec().into())
}

fn encoded_process(owner: &Owner) -> &[u8] {
    owner
        .encoded
        .get_or_init(|| process(owner).encode_to_vec().into())
}

fn encoded_shadow(shadow: &Shadowed) -> &[u8] {
    shadow.encoded.get_or_init(|| {
        FlowExtension {
            shadow: Some(shadow_message(shadow)),
            ..FlowExtension::default()
        }
        .encode_to_vec()
    })
}

fn encoded_decision(decision: &Decision) -> &EncodedDecision {
    decision.encoded.get_or_init(|| EncodedDecision {
        policies: decision
            .policies()
            .into_iter()
            .map(|policy| policy_message(policy, 0).encode_to_vec())
            .collect(),
        extension: FlowExtension {
            rules: rule_messages(decision),
            default_denied_by: denier_messages(decision),
            ..FlowExtension::default()
        }
        .encode_to_vec(),
        log: flowd_proto::flow::Flow {
            policy_log: decision_log(decision),
            ..Default::default()
        }
        .encode_to_vec(),
    })
}
