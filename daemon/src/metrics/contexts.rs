//! Who a flow is about, as a small number: label values are made once for a pair of parties and
//! remembered.

use std::sync::Arc;

use flowd_abi::{Address, Direction};
use hashbrown::HashMap;

use super::labels;
use super::plugin::ContextSpec;
use crate::enrich::Directory;
use crate::flow::Record;
use crate::flow::record::Side;

/// The context of what has no room.
pub const OTHER: u32 = u32::MAX;
/// Not looked up yet.
const UNKNOWN: u32 = u32::MAX - 1;
/// Pairs remembered, at most; past it the memory starts over, which costs look-ups and forgets
/// nothing.
const MEMORY: usize = 16_384;
/// Workloads remembered for one side of a context, at most; with more it stays until it is idle.
const WORKLOADS: usize = 64;

/// What decides on the label values, if none is an address: both parties and both directions, in one
/// number, which is hashed faster than three.
type Key = u128;

/// Values of a context's labels.
pub type Values = Arc<[Box<str>]>;

/// One set of label values.
#[derive(Debug)]
struct Context {
    values: Values,
    /// The guarded workloads it was about, by side.
    workloads: [Vec<u32>; 2],
    /// Since when all of one side are gone, in seconds.
    gone: Option<i64>,
}

/// The contexts of all plugins that are configured with the same ones.
#[derive(Debug)]
pub struct Group {
    /// Their labels.
    pub spec: ContextSpec,
    needs_addresses: bool,
    capacity: usize,
    pairs: HashMap<Key, u32>,
    addressed: HashMap<(Key, Address, Address), u32>,
    numbers: HashMap<Values, u32>,
    contexts: Vec<Option<Context>>,
    free: Vec<u32>,
    /// The contexts of the batch in hand.
    batch: Vec<u32>,
}

impl Group {
    /// No context yet, and at most `capacity`.
    pub fn new(spec: ContextSpec, capacity: usize) -> Self {
        Self {
            needs_addresses: spec.needs_addresses(),
            spec,
            capacity,
            pairs: HashMap::new(),
            addressed: HashMap::new(),
            numbers: HashMap::new(),
            contexts: Vec::new(),
            free: Vec::new(),
            batch: Vec::new(),
        }
    }

    /// Gives it room for this many contexts, if it has less.
    pub fn grow(&mut self, capacity: usize) {
        self.capacity = self.capacity.max(capacity);
    }

    /// Goes on with the contexts of another group of the same labels.
    pub fn inherit(&mut self, before: Self) {
        let capacity = self.capacity;
        *self = before;
        self.grow(capacity);
    }

    /// Starts on a batch of this many records.
    pub fn begin(&mut self, records: usize) {
        self.batch.clear();
        let context = if self.spec.is_empty() { 0 } else { UNKNOWN };
        self.batch.resize(records, context);
    }

    /// The context of record `index` of the batch.
    #[inline]
    pub fn context(&mut self, index: usize, record: &Record) -> u32 {
        match self.batch[index] {
            UNKNOWN => {
                let context = self.find(record);
                self.batch[index] = context;
                context
            }
            context => context,
        }
    }

    fn find(&mut self, record: &Record) -> u32 {
        let judged = &record.judged;
        let directions = judged.direction as u8 | (judged.judged_direction() as u8) << 2;
        let parties = u128::from(record.local.serial) << 64 | u128::from(record.peer.serial);
        let pair = parties << 4 | u128::from(directions);
        if self.needs_addresses {
            let key = (pair, judged.event.local, judged.event.remote);
            if let Some(context) = self.addressed.get(&key) {
                return *context;
            }
            let context = self.intern(record);
            room(&mut self.addressed).insert(key, context);
            context
        } else {
            if let Some(context) = self.pairs.get(&pair) {
                return *context;
            }
            let context = self.intern(record);
            room(&mut self.pairs).insert(pair, context);
            context
        }
    }

    #[cold]
    fn intern(&mut self, record: &Record) -> u32 {
        let values: Values = labels::values(&self.spec, record).into();
        let number = match self.numbers.get(&values) {
            Some(number) => *number,
            None => match self.admit(&values) {
                Some(number) => number,
                None => return OTHER,
            },
        };
        if let Some(context) = &mut self.contexts[number as usize] {
            for (side, workloads) in [Side::Source, Side::Destination]
                .into_iter()
                .zip(&mut context.workloads)
            {
                let id = record.party(side).endpoint_id;
                if id != 0 && workloads.len() < WORKLOADS && !workloads.contains(&id) {
                    workloads.push(id);
                }
            }
        }
        number
    }

    fn admit(&mut self, values: &Values) -> Option<u32> {
        let context = Some(Context {
            values: values.clone(),
            workloads: Default::default(),
            gone: None,
        });
        let number = if let Some(number) = self.free.pop() {
            self.contexts[number as usize] = context;
            number
        } else if self.contexts.len() < self.capacity {
            let number = u32::try_from(self.contexts.len()).ok()?;
            self.contexts.push(context);
            number
        } else {
            return None;
        };
        self.numbers.insert(values.clone(), number);
        Some(number)
    }

    /// Marks the contexts of which one side's workloads have all been gone for `stale` seconds.
    pub fn stale(&mut self, directory: &Directory, now: i64, stale: i64) -> Vec<bool> {
        let gone = |workloads: &Vec<u32>| {
            (1..WORKLOADS).contains(&workloads.len())
                && !workloads
                    .iter()
                    .any(|id| directory.endpoints.contains_key(id))
        };
        let mark = |context: &mut Option<Context>| {
            let Some(context) = context else { return false };
            if !context.workloads.iter().any(gone) {
                context.gone = None;
                return false;
            }
            now.saturating_sub(*context.gone.get_or_insert(now)) >= stale
        };
        self.contexts.iter_mut().map(mark).collect()
    }

    /// Forgets contexts that are not marked: no family has a series of theirs.
    pub fn keep(&mut self, used: &[bool]) {
        let mut forgotten = false;
        for (number, context) in (0..).zip(&mut self.contexts) {
            if used.get(number as usize) == Some(&true) {
                continue;
            }
            if let Some(context) = context.take() {
                self.numbers.remove(&context.values);
                self.free.push(number);
                forgotten = true;
            }
        }
        if forgotten {
            self.pairs.clear();
            self.addressed.clear();
        }
    }

    /// Values by number, as they are now.
    pub fn values(&self) -> Vec<Option<Values>> {
        let values = |context: &Option<Context>| context.as_ref().map(|one| one.values.clone());
        self.contexts.iter().map(values).collect()
    }
}

fn room<K, V>(memory: &mut HashMap<K, V>) -> &mut HashMap<K, V> {
    if memory.len() >= MEMORY {
        memory.clear();
    }
    memory
}

/// The direction's name as Hubble writes it in `traffic_direction`.
pub const fn direction_name(direction: Direction) -> &'static str {
    match direction {
        Direction::Ingress => "ingress",
        Direction::Egress => "egress",
    }
}
