//! What flows are grouped by: a small key per record, and its words once the answer is made.

use std::hash::Hash;
use std::net::IpAddr;
use std::sync::Arc;

use flowd_abi::{Direction, Verdict};
use flowd_proto::flow::{TrafficDirection, Verdict as HubbleVerdict};
use flowd_proto::flowd::v1::{GroupKey, GroupValue};
use hashbrown::HashMap;

use super::AggregateError;
use super::words::{PartyWord, party_value, protocol_name, rule_value};
use crate::enrich::{Decision, Owner, Party};
use crate::flow::Record;
use crate::flow::record::{Judged, Side};
use crate::observe::extension::reason_name;

/// Keys of one request, at most.
pub(super) const MAX_KEYS: usize = 6;

/// What is grouped by when nothing is asked for.
const DEFAULT: [GroupKey; 3] = [
    GroupKey::SourceWorkload,
    GroupKey::DestinationWorkload,
    GroupKey::Port,
];

/// What a record has for one key.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, Hash, PartialOrd, Ord)]
enum Part {
    /// Not known.
    #[default]
    Unknown,
    /// One of the grouper's words.
    Word(u32),
    Address(IpAddr),
    /// Protocol, and port or ICMP type.
    Port(u8, Option<u16>),
}

/// A group.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash, PartialOrd, Ord)]
pub(super) struct Group([Part; MAX_KEYS]);

/// Which end a key looks at.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
enum End {
    Source,
    Destination,
    Workload,
    Peer,
}

/// What a key looks at.
#[derive(Clone, Copy, Debug)]
enum Look {
    Party(End, PartyWord),
    Address(End),
    Port,
    Protocol,
    Process,
    ProcessId,
    Rule,
    Verdict,
    Reason,
    Direction,
}

impl Look {
    const fn of(key: GroupKey) -> Option<Self> {
        use {End as E, PartyWord as W};
        Some(match key {
            GroupKey::Unspecified => return None,
            GroupKey::SourceNamespace => Self::Party(E::Source, W::Namespace),
            GroupKey::DestinationNamespace => Self::Party(E::Destination, W::Namespace),
            GroupKey::SourceWorkload => Self::Party(E::Source, W::Workload),
            GroupKey::DestinationWorkload => Self::Party(E::Destination, W::Workload),
            GroupKey::SourcePod => Self::Party(E::Source, W::Pod),
            GroupKey::DestinationPod => Self::Party(E::Destination, W::Pod),
            GroupKey::SourceIdentity => Self::Party(E::Source, W::Identity),
            GroupKey::DestinationIdentity => Self::Party(E::Destination, W::Identity),
            GroupKey::SourceIp => Self::Address(E::Source),
            GroupKey::DestinationIp => Self::Address(E::Destination),
            GroupKey::Namespace => Self::Party(E::Workload, W::Namespace),
            GroupKey::Workload => Self::Party(E::Workload, W::Workload),
            GroupKey::Pod => Self::Party(E::Workload, W::Pod),
            GroupKey::Identity => Self::Party(E::Workload, W::Identity),
            GroupKey::PeerNamespace => Self::Party(E::Peer, W::Namespace),
            GroupKey::PeerWorkload => Self::Party(E::Peer, W::Workload),
            GroupKey::PeerPod => Self::Party(E::Peer, W::Pod),
            GroupKey::PeerIdentity => Self::Party(E::Peer, W::Identity),
            GroupKey::PeerIp => Self::Address(E::Peer),
            GroupKey::Port => Self::Port,
            GroupKey::Protocol => Self::Protocol,
            GroupKey::Process => Self::Process,
            GroupKey::ProcessId => Self::ProcessId,
            GroupKey::Rule => Self::Rule,
            GroupKey::Verdict => Self::Verdict,
            GroupKey::Reason => Self::Reason,
            GroupKey::Direction => Self::Direction,
        })
    }

    /// Whether it is the same at both ends of a connection.
    const fn is_of_the_connection(self) -> bool {
        match self {
            Self::Party(end, _) | Self::Address(end) => {
                matches!(end, End::Source | End::Destination)
            }
            Self::Port | Self::Protocol => true,
            Self::Process
            | Self::ProcessId
            | Self::Rule
            | Self::Verdict
            | Self::Reason
            | Self::Direction => false,
        }
    }

    const fn is_about_the_source(self) -> bool {
        match self {
            Self::Party(end, _) | Self::Address(end) => {
                matches!(end, End::Source | End::Destination)
            }
            Self::Port
            | Self::Protocol
            | Self::Process
            | Self::ProcessId
            | Self::Rule
            | Self::Verdict
            | Self::Reason
            | Self::Direction => false,
        }
    }
}

/// Words of what is shared among records, by where it lies: it is kept alive, so that nothing else
/// comes to lie there.
#[derive(Debug)]
struct Words<K, T>(HashMap<K, (Arc<T>, u32)>);

impl<K, T> Default for Words<K, T> {
    fn default() -> Self {
        Self(HashMap::new())
    }
}

/// Makes groups of records. Its words are as many as the flow log has parties, processes and
/// decisions, at most.
#[derive(Debug)]
pub(super) struct Grouper {
    keys: Vec<GroupKey>,
    looks: Vec<Look>,
    words: Vec<GroupValue>,
    numbers: HashMap<String, u32>,
    parties: Words<(PartyWord, usize), Party>,
    owners: Words<(bool, usize), Owner>,
    decisions: Words<usize, Decision>,
}

impl Grouper {
    /// By these keys, by the usual ones if there are none.
    pub(super) fn new(keys: &[i32]) -> Result<Self, AggregateError> {
        let (what, count, bound) = ("keys to group by", keys.len(), MAX_KEYS);
        if count > bound {
            return Err(AggregateError::TooMany { what, count, bound });
        }
        let read = |number: &i32| {
            let key = GroupKey::try_from(*number).ok();
            let look = key.and_then(|key| Some((key, Look::of(key)?)));
            look.ok_or(AggregateError::Unknown("group_by", *number))
        };
        let usual = DEFAULT.map(|key| key as i32);
        let keys = if keys.is_empty() { &usual } else { keys };
        let (keys, looks) = keys
            .iter()
            .map(read)
            .collect::<Result<Vec<_>, _>>()?
            .into_iter()
            .unzip();
        Ok(Self {
            keys,
            looks,
            words: Vec::new(),
            numbers: HashMap::new(),
            parties: Words::default(),
            owners: Words::default(),
            decisions: Words::default(),
        })
    }

    /// The keys.
    pub(super) fn keys(&self) -> &[GroupKey] {
        &self.keys
    }

    /// Whether all keys are the same at both ends of a connection.
    pub(super) fn is_of_connections(&self) -> bool {
        self.looks.iter().all(|look| look.is_of_the_connection())
    }

    /// Whether a key names the source or the destination.
    pub(super) fn is_about_the_source(&self) -> bool {
        self.looks.iter().any(|look| look.is_about_the_source())
    }

    /// The group of a record.
    pub(super) fn group(&mut self, record: &Record) -> Group {
        let mut parts = [Part::Unknown; MAX_KEYS];
        for (place, part) in parts.iter_mut().enumerate().take(self.looks.len()) {
            *part = self.part(self.looks[place], record);
        }
        Group(parts)
    }

    fn part(&mut self, look: Look, record: &Record) -> Part {
        let judged = &record.judged;
        match look {
            Look::Party(end, word) => {
                let party = match is_local(end, judged) {
                    true => &record.local,
                    false => &record.peer,
                };
                let key = (word, Arc::as_ptr(party).addr());
                let known = self.parties.0.get(&key).map(|(_, number)| *number);
                let number = known.unwrap_or_else(|| {
                    let number = self.word(party_value(party, word));
                    self.parties.0.insert(key, (party.clone(), number));
                    number
                });
                Part::Word(number)
            }
            Look::Address(end) => {
                let side = match is_local(end, judged) == judged.is_local(Side::Source) {
                    true => Side::Source,
                    false => Side::Destination,
                };
                judged.ip(side).map_or(Part::Unknown, Part::Address)
            }
            Look::Port => Part::Port(judged.event.protocol, Some(judged.policy_port())),
            Look::Protocol => Part::Port(judged.event.protocol, None),
            Look::Process | Look::ProcessId => self.process(look, record),
            Look::Rule => self.rule(record),
            Look::Verdict => self.named(match judged.verdict {
                Verdict::Forward(_) => HubbleVerdict::Forwarded.as_str_name(),
                Verdict::Drop(_) => HubbleVerdict::Dropped.as_str_name(),
                Verdict::Audit(_) => HubbleVerdict::Audit.as_str_name(),
            }),
            Look::Reason => self.named(reason_name(judged.verdict)),
            Look::Direction => self.named(match judged.judged_direction() {
                Direction::Ingress => TrafficDirection::Ingress.as_str_name(),
                Direction::Egress => TrafficDirection::Egress.as_str_name(),
            }),
        }
    }

    fn process(&mut self, look: Look, record: &Record) -> Part {
        let Some(owner) = &record.owner else {
            return Part::Unknown;
        };
        let by_number = matches!(look, Look::ProcessId);
        let key = (by_number, Arc::as_ptr(owner).addr());
        if let Some((_, number)) = self.owners.0.get(&key) {
            return Part::Word(*number);
        }
        let number = self.word(GroupValue {
            value: match by_number {
                true => format!("{} {}", owner.pid, owner.name),
                false => owner.name.clone(),
            },
            detail: owner.details.executable.clone(),
        });
        self.owners.0.insert(key, (owner.clone(), number));
        Part::Word(number)
    }

    fn rule(&mut self, record: &Record) -> Part {
        let decision = &record.decision;
        let key = Arc::as_ptr(decision).addr();
        if let Some((_, number)) = self.decisions.0.get(&key) {
            return Part::Word(*number);
        }
        let number = self.word(rule_value(decision));
        self.decisions.0.insert(key, (decision.clone(), number));
        Part::Word(number)
    }

    fn named(&mut self, name: &str) -> Part {
        match self.numbers.get(name) {
            Some(number) => Part::Word(*number),
            None => Part::Word(self.word(GroupValue {
                value: name.to_owned(),
                detail: String::new(),
            })),
        }
    }

    fn word(&mut self, value: GroupValue) -> u32 {
        if let Some(number) = self.numbers.get(&value.value) {
            return *number;
        }
        let number = u32::try_from(self.words.len()).unwrap_or(u32::MAX);
        self.numbers.insert(value.value.clone(), number);
        self.words.push(value);
        number
    }

    /// A group in words.
    pub(super) fn values(&self, group: &Group) -> Vec<GroupValue> {
        let parts = group.0.iter().take(self.keys.len());
        parts.map(|part| self.value(*part)).collect()
    }

    fn value(&self, part: Part) -> GroupValue {
        let value = match part {
            Part::Unknown => String::new(),
            Part::Word(number) => {
                let word = usize::try_from(number).ok();
                let word = word.and_then(|place| self.words.get(place));
                return word.cloned().unwrap_or_default();
            }
            Part::Address(address) => address.to_string(),
            Part::Port(protocol, None) => protocol_name(protocol),
            Part::Port(protocol, Some(port)) => format!("{}/{port}", protocol_name(protocol)),
        };
        GroupValue {
            value,
            detail: String::new(),
        }
    }
}

/// Whether an end is the workload whose flow it is.
fn is_local(end: End, judged: &Judged) -> bool {
    let opened_here = judged.judged_direction() == Direction::Egress;
    match end {
        End::Source => opened_here,
        End::Destination => !opened_here,
        End::Workload => true,
        End::Peer => false,
    }
}
