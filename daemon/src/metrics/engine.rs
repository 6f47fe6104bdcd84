//! The plugins at work: a batch of flows goes through one plugin after the other.

use flowd_abi::{Direction, EventKind, connection::State};

use super::catalog::{self, DURATIONS, ROUND_TRIPS, SIZES, cell};
use super::contexts::Group;
use super::facts::{Facts, Outcome, Processed};
use super::plugin::{Kind, PluginSpec};
use super::settings::Settings;
use super::table::Table;
use crate::enrich::Directory;
use crate::flow::Record;
use crate::observe::class::{MATCH_TYPES, Transport};
use crate::observe::filter::{self, FilterError, FilterSet};

/// A configured plugin with its series.
#[derive(Debug)]
pub struct Plugin {
    /// As configured.
    pub spec: PluginSpec,
    /// Its families.
    pub tables: Vec<Table>,
    /// Its contexts, as an index into [`Engine::groups`].
    pub group: usize,
    filters: Option<FilterSet>,
}

/// All plugins.
#[derive(Debug, Default)]
pub struct Engine {
    /// Plugins in the order of the configuration.
    pub plugins: Vec<Plugin>,
    /// Contexts; plugins with the same ones share a group.
    pub groups: Vec<Group>,
    settings: Settings,
    facts: Vec<Facts>,
}

impl Engine {
    /// The plugins of these settings; nothing is counted yet.
    ///
    /// # Errors
    ///
    /// When a filter means nothing.
    pub fn new(settings: &Settings, context: &filter::Context) -> Result<Self, FilterError> {
        let mut engine = Self {
            settings: settings.clone(),
            ..Self::default()
        };
        for spec in &settings.plugins {
            let filters = if spec.include.is_empty() && spec.exclude.is_empty() {
                None
            } else {
                Some(FilterSet::compile(&spec.include, &spec.exclude, context)?)
            };
            engine.add(spec.clone(), filters);
        }
        Ok(engine)
    }

    fn add(&mut self, spec: PluginSpec, filters: Option<FilterSet>) {
        let families = catalog::families(spec.kind, spec.options);
        let has_contexts = !spec.contexts.is_empty();
        let budgets = families.iter().map(|one| self.settings.budget(one.name));
        let most = budgets.clone().max().unwrap_or_default();
        let group = self
            .groups
            .iter()
            .position(|group| group.spec == spec.contexts);
        let group = group.unwrap_or_else(|| {
            self.groups.push(Group::new(spec.contexts.clone(), most));
            self.groups.len() - 1
        });
        self.groups[group].grow(most);
        let tables = families.iter().zip(budgets);
        let tables = tables.map(|(family, budget)| Table::new(family, budget, has_contexts));
        self.plugins.push(Plugin {
            tables: tables.collect(),
            spec,
            group,
            filters,
        });
    }

    /// Takes over what another engine has counted, plugin by plugin, where neither its contexts nor
    /// its options nor its budgets differ.
    pub fn inherit(&mut self, before: Self) {
        let same_budgets = |plugin: &Plugin| {
            let names = plugin.tables.iter().map(|table| table.family.name);
            names
                .clone()
                .all(|name| self.settings.budget(name) == before.settings.budget(name))
        };
        let same: Vec<(usize, usize)> = self
            .plugins
            .iter()
            .enumerate()
            .filter_map(|(index, plugin)| {
                let same = |old: &Plugin| {
                    old.spec.kind == plugin.spec.kind
                        && old.spec.options == plugin.spec.options
                        && old.spec.contexts == plugin.spec.contexts
                };
                let old = before.plugins.iter().position(same)?;
                same_budgets(plugin).then_some((index, old))
            })
            .collect();
        let mut old_groups: Vec<Option<Group>> = before.groups.into_iter().map(Some).collect();
        let mut old_plugins: Vec<Option<Plugin>> = before.plugins.into_iter().map(Some).collect();
        for (index, old) in same {
            let Some(old) = old_plugins[old].take() else {
                continue;
            };
            let plugin = &mut self.plugins[index];
            plugin.tables = old.tables;
            // The first plugin of a group brings the old group, and with it the old numbers.
            if let Some(group) = old_groups[old.group].take() {
                self.groups[plugin.group].inherit(group);
            }
        }
    }

    /// Counts a batch.
    pub fn count(&mut self, batch: &[Record]) {
        self.facts.clear();
        self.facts.extend(batch.iter().map(Facts::of));
        for group in &mut self.groups {
            group.begin(batch.len());
        }
        for plugin in &mut self.plugins {
            let group = &mut self.groups[plugin.group];
            plugin.count(batch, &self.facts, group);
        }
    }

    /// Events that share a series since their family was at its budget.
    pub fn folded(&self) -> u64 {
        let tables = self.plugins.iter().flat_map(|plugin| &plugin.tables);
        tables.map(|table| table.ledger().folded).sum()
    }

    /// Removes the series of workloads that went, and idle ones where room gets narrow. `now` is in
    /// seconds.
    pub fn tend(&mut self, directory: &Directory, now: i64) {
        for (index, group) in self.groups.iter_mut().enumerate() {
            let plugins = self.plugins.iter_mut();
            let plugins = plugins.filter(|plugin| plugin.group == index);
            let mut tables: Vec<&mut Table> =
                plugins.flat_map(|plugin| &mut plugin.tables).collect();
            let stale = group.stale(directory, now, self.settings.stale);
            let mut used = vec![false; stale.len()];
            for table in &mut tables {
                table.forget_idle(now, self.settings.idle);
                table.forget_contexts(&stale);
                table.mark(&mut used);
            }
            group.keep(&used);
        }
    }
}

impl Plugin {
    fn count(&mut self, batch: &[Record], facts: &[Facts], group: &mut Group) {
        match self.spec.kind {
            Kind::Flow => self.each(batch, facts, group, |one| Some(processed(one))),
            Kind::Drop => {
                self.each(batch, facts, group, |one| {
                    let reason = one.drop? as usize - 1;
                    let reasons = flowd_abi::DropReason::ALL.len();
                    Some(cell(one.transport as usize, [(reason, reasons)]))
                });
                // There are none in most batches.
                if facts.iter().any(Facts::by_kernel) {
                    self.kernel_drops(batch, facts, group);
                }
            }
            Kind::Tcp => {
                self.each(batch, facts, group, syn);
                // Rarely there at all, and rarer still both.
                if facts.iter().any(|one| one.tcp_flags & 0x05 != 0) {
                    self.each(batch, facts, group, fin);
                    self.each(batch, facts, group, rst);
                }
            }
            Kind::Icmp => self.each(batch, facts, group, icmp),
            Kind::PortDistribution => self.each(batch, facts, group, port),
            Kind::Policy => self.each(batch, facts, group, policy),
            Kind::FlowsToWorld => {
                let options = self.spec.options;
                self.each(batch, facts, group, |one| world(one, options));
            }
            Kind::Connection => self.connections(batch, facts, group),
            Kind::Dns | Kind::Http | Kind::HttpV2 | Kind::Sctp | Kind::Kafka => {}
        }
    }

    /// Counts one for each flow that has a cell in the first family.
    #[inline]
    fn each(
        &mut self,
        batch: &[Record],
        facts: &[Facts],
        group: &mut Group,
        cell: impl Fn(&Facts) -> Option<u32>,
    ) {
        let table = &mut self.tables[0];
        for (index, (one, record)) in facts.iter().zip(batch).enumerate() {
            let Some(cell) = cell(one) else { continue };
            if self
                .filters
                .as_ref()
                .is_none_or(|filters| filters.pass(record))
            {
                table.add(group.context(index, record), cell, 1);
            }
        }
    }

    /// Counts the packets that each drop of the kernel speaks for.
    fn kernel_drops(&mut self, batch: &[Record], facts: &[Facts], group: &mut Group) {
        let [_, packets] = &mut self.tables[..] else {
            return;
        };
        let filters = self.filters.as_ref();
        for (index, (one, record)) in facts.iter().zip(batch).enumerate() {
            if one.by_kernel() && filters.is_none_or(|filters| filters.pass(record)) {
                let event = &record.judged.event;
                let cell = u32::from(event.kernel_reason);
                packets.add(group.context(index, record), cell, event.sent_packets);
            }
        }
    }

    fn connections(&mut self, batch: &[Record], facts: &[Facts], group: &mut Group) {
        self.each(batch, facts, group, |one| {
            let opened = one.kind == EventKind::Open && !one.reply;
            let direction = (direction(one), 2);
            let outcome = (one.outcome as usize, Outcome::ALL.len());
            opened.then(|| cell(one.transport as usize, [direction, outcome]))
        });
        let [_, durations, bytes, round_trips] = &mut self.tables[..] else {
            return;
        };
        for (index, (one, record)) in facts.iter().zip(batch).enumerate() {
            if one.kind != EventKind::Close {
                continue;
            }
            if self
                .filters
                .as_ref()
                .is_some_and(|filters| !filters.pass(record))
            {
                continue;
            }
            let context = group.context(index, record);
            let (event, transport) = (&record.judged.event, one.transport as usize);
            let lasted = event.time.saturating_sub(event.created) / 1_000;
            let end = cell(transport, [(direction(one), 2), (end(one.state), 3)]);
            durations.observe(context, end, lasted, &DURATIONS);
            for (way, sum) in [event.sent_bytes, event.received_bytes]
                .into_iter()
                .enumerate()
            {
                let way = cell(transport, [(direction(one), 2), (way, 2)]);
                bytes.observe(context, way, sum, &SIZES);
            }
            let measured = &record.measured;
            for (when, micros) in [measured.handshake_rtt, measured.rtt]
                .into_iter()
                .enumerate()
            {
                if micros > 0 {
                    let when = cell(direction(one), [(when, 2)]);
                    round_trips.observe(context, when, u64::from(micros), &ROUND_TRIPS);
                }
            }
        }
    }
}

fn direction(one: &Facts) -> usize {
    match one.direction {
        Direction::Ingress => 0,
        Direction::Egress => 1,
    }
}

fn end(state: u8) -> usize {
    match State::from_number(state) {
        Some(State::Closed) => 0,
        Some(State::Reset) => 1,
        Some(State::New | State::Established | State::Closing) | None => 2,
    }
}

fn processed(one: &Facts) -> u32 {
    let kind = (one.processed as usize, Processed::ALL.len());
    cell(
        one.transport as usize,
        [kind, (one.outcome as usize, Outcome::ALL.len())],
    )
}

fn flag(one: &Facts, wanted: u8, flag: usize) -> Option<u32> {
    let counted = one.forwarded() && one.transport == Transport::Tcp && one.tcp_flags & wanted != 0;
    let family = one.family? as usize;
    counted.then(|| cell(family, [(flag, 4)]))
}

fn syn(one: &Facts) -> Option<u32> {
    flag(one, 0x02, usize::from(one.tcp_flags & 0x10 != 0))
}

fn fin(one: &Facts) -> Option<u32> {
    flag(one, 0x01, 2)
}

fn rst(one: &Facts) -> Option<u32> {
    flag(one, 0x04, 3)
}

fn icmp(one: &Facts) -> Option<u32> {
    let icmp = matches!(one.transport, Transport::IcmpV4 | Transport::IcmpV6);
    let family = one.family? as u8;
    icmp.then(|| u32::from_be_bytes([0, family, one.icmp.0, one.icmp.1]))
}

fn port(one: &Facts) -> Option<u32> {
    let counted = one.forwarded() && !one.reply && one.transport != Transport::Other;
    counted.then(|| (one.transport as u32) << 16 | u32::from(one.port))
}

/// Verdicts on what the node itself sends do not count, as in Hubble.
fn policy(one: &Facts) -> Option<u32> {
    let matched = usize::from(one.match_type);
    let counted = one.by_policy() && !one.from_host && matched < MATCH_TYPES.len();
    let matched = (matched, MATCH_TYPES.len());
    counted.then(|| {
        cell(
            direction(one),
            [matched, (one.outcome as usize, Outcome::ALL.len())],
        )
    })
}

/// Drops other than by the default deny do not count, as in Hubble without `any-drop`.
fn world(one: &Facts, options: super::plugin::Options) -> Option<u32> {
    let by_default = one.drop == Some(flowd_abi::DropReason::DefaultDenied);
    let opening = one.tcp_flags & 0x02 != 0 && one.tcp_flags & 0x10 == 0;
    let counted = one.to_world
        && (one.drop.is_none() || by_default || options.any_drop)
        && (!options.syn_only || one.transport != Transport::Tcp || opening);
    let mixed = cell(
        one.transport as usize,
        [(one.outcome as usize, Outcome::ALL.len())],
    );
    counted.then_some(if options.port {
        mixed << 16 | u32::from(one.port)
    } else {
        mixed
    })
}
