//! Nanoseconds a packet costs in the programs, through `BPF_PROG_TEST_RUN`.
//!
//! The kernel runs a program many times on one packet and tells the mean, system call excluded.
//! Conditions take turns for many rounds; a figure is the median of its rounds minus the median of
//! the `empty` program's, which is what the harness itself costs. After each turn the counters must
//! say that every packet met what the condition is named after, told where it should be: rings are
//! emptied between turns and never fill.
//!
//! A run repeats one packet, so "new" and "denied first" are measured with time-outs of zero: each
//! packet finds what its predecessor left expired, and does all that the first packet of a flow
//! does: judge, take an entry, put it, tell. `cold` figures check that: flows that never were, one
//! test run each, minus `empty` run the same way; caches are cold, as after any system call.

use std::error::Error;

use flowd::kernel::Timeouts;
use flowd_abi::{
    Action, CounterIndex, Direction, DropReason, ForwardReason, Peer, PeerKey, PolicyEntry,
    PolicyKey, Verdict, endpoint::EndpointFlags, protocol,
};

use crate::{
    common::{
        frame::{ACK, Ip, SYN, address, ip},
        hook::{Hook as _, moved},
        world::{Family, UNNAMED, WEB, World},
    },
    packets::{PATIENCE, Programs, SIZES, TIMEOUTS},
    summary::{Summary, Target, median},
};

const SECTION: &str = "datapath_ns";
/// Runs in one turn. All their events fit a ring.
const REPEAT: u32 = 20_000;
/// Rounds of turns.
const ROUNDS: u32 = 61;
/// Flows that never were, for the check.
const COLD_FLOWS: u16 = 4096;

/// Everything is over at once.
const AT_ONCE: Timeouts = Timeouts {
    tcp_new: 0,
    tcp_established: 0,
    tcp_closing: 0,
    other: 0,
    icmp: 0,
    denied: 0,
    fragment: 0,
};

/// One thing that is measured.
struct Condition {
    key: String,
    target: Target,
    /// Which of the loaded objects it runs on.
    arm: usize,
    direction: Direction,
    frame: Vec<u8>,
    /// The counter all its packets move.
    verdict: Verdict,
    /// Whether each packet is told.
    told: bool,
    samples: Vec<f64>,
}

/// Measures every condition, or the one that is named.
pub(crate) fn measure(
    summary: &mut Summary,
    quick: bool,
    only: Option<&str>,
) -> Result<(), Box<dyn Error>> {
    pin()?;
    let mut arms = Vec::new();
    let mut conditions = Vec::new();
    for entries in [10, 1000, 10_000] {
        let world = world(entries);
        for timeouts in [TIMEOUTS, AT_ONCE] {
            let mut programs = Programs::load(&SIZES, &timeouts, PATIENCE);
            programs.set(&world);
            arms.push(programs);
        }
        add(&mut conditions, arms.len() - 2, entries);
    }
    conditions.retain(|condition| only.is_none_or(|key| condition.key == key));
    for condition in &conditions {
        prepare(&mut arms[condition.arm], condition);
    }
    let frame = sent(Family::V4, ACK).frame(true);
    let (mut empty, mut off) = (Vec::new(), Vec::new());
    for _ in 0..if quick { ROUNDS / 5 } else { ROUNDS } {
        let (_, nanoseconds) = arms[0].kernel.test_run("empty", &frame, REPEAT)?;
        empty.push(nanoseconds as f64);
        off.push(unguarded(&mut arms[0], &frame)?);
        for condition in &mut conditions {
            let sample = turn(&mut arms[condition.arm], condition)?;
            condition.samples.push(sample);
        }
    }
    let empty = median(&empty);
    let unguarded = "median minus empty; the endpoint's mode is off";
    summary.put(
        SECTION,
        "off",
        median(&off) - empty,
        Target::None,
        unguarded,
    );
    summary.put(
        SECTION,
        "empty",
        empty,
        Target::None,
        "median; what is subtracted from the rest",
    );
    for condition in &conditions {
        let value = median(&condition.samples) - empty;
        summary.put(
            SECTION,
            &condition.key,
            value,
            condition.target,
            &method(condition),
        );
    }
    cold(summary, &mut arms)?;
    for (program, count) in arms[0].kernel.verified_instructions() {
        let target = Target::AtMost(100_000.0);
        let method = "instructions the verifier walked, as the kernel tells";
        summary.put(
            "verifier_instructions",
            program,
            f64::from(count),
            target,
            method,
        );
    }
    Ok(())
}

fn method(condition: &Condition) -> String {
    let rounds = condition.samples.len();
    let least = condition
        .samples
        .iter()
        .copied()
        .fold(f64::INFINITY, f64::min);
    let how = if condition.told {
        "time-outs 0, each packet told"
    } else {
        "one live flow"
    };
    format!("median of {rounds} x {REPEAT} runs minus empty; {how}; least {least} with empty")
}

/// The conditions of one number of entries; `live` is the arm with time-outs nothing reaches, the
/// next one that with time-outs of zero.
fn add(conditions: &mut Vec<Condition>, live: usize, entries: u32) {
    let suffix = match entries {
        10 => String::new(),
        1000 => "_1k_rules".to_owned(),
        _ => format!("_{}k_rules", entries / 1000),
    };
    let (allowed, reply) = (
        Verdict::Forward(ForwardReason::Allowed),
        Verdict::Forward(ForwardReason::Reply),
    );
    let denied = Verdict::Drop(DropReason::DefaultDenied);
    let (out, back) = (Direction::Egress, Direction::Ingress);
    let mut push = |key: &str, bound: f64, packet: Ip, direction, verdict, told| {
        conditions.push(Condition {
            key: format!("{key}{suffix}"),
            target: Target::AtMost(bound),
            arm: live + usize::from(told),
            direction,
            frame: packet.frame(direction == Direction::Egress),
            verdict,
            told,
            samples: Vec::new(),
        });
    };
    let v4 = Family::V4;
    push("established_v4", 150.0, sent(v4, ACK), out, allowed, false);
    push("new_v4", 700.0, sent(v4, SYN), out, allowed, true);
    if entries == 10 {
        let v6 = Family::V6;
        push("established_v6", 150.0, sent(v6, ACK), out, allowed, false);
        push("reply_v4", 150.0, received(v4), back, reply, false);
        push("new_v6", 700.0, sent(v6, SYN), out, allowed, true);
        push("denied_first_v4", 700.0, unnamed(v4), out, denied, true);
        push("denied_again_v4", 200.0, unnamed(v4), out, denied, false);
    }
}

fn sent(family: Family, flags: u8) -> Ip {
    ip(family.workload(), family.friend()).tcp(40_000, WEB, flags)
}

fn received(family: Family) -> Ip {
    ip(family.friend(), family.workload()).tcp(WEB, 40_000, ACK)
}

fn unnamed(family: Family) -> Ip {
    ip(family.workload(), family.stranger()).tcp(40_000, UNNAMED, SYN)
}

/// A world whose policies hold so many entries in each direction, with as many peers.
fn world(entries: u32) -> World {
    let mut world = World::new(1);
    let endpoint = *world.endpoint();
    for number in 0..entries {
        let identity = 10_000 + number;
        let [_, _, high, low] = number.to_be_bytes();
        world.peers.push((
            PeerKey {
                prefix: 128,
                address: address(std::net::Ipv4Addr::new(10, 1, high, low).into()),
            },
            Peer {
                identity,
                class: 0,
                endpoint: 0,
            },
        ));
        for direction in Direction::ALL {
            let policy = endpoint.policy(direction);
            let port = 1000 + (number % 5000) as u16;
            let key = PolicyKey::full(policy, direction, identity, protocol::TCP, port);
            let entry = PolicyEntry {
                precedence: 10,
                rule: 100 + number,
                action: Action::Allow as u8,
                prefix: PolicyKey::PREFIX_FULL as u8,
                pad: [0; 2],
            };
            world.policy.insert(key, entry);
        }
    }
    world
}

/// Brings the flow of a condition to life, both its sides heard.
fn prepare(programs: &mut Programs, condition: &Condition) {
    if condition.told {
        return;
    }
    for family in Family::BOTH {
        programs.run(Direction::Egress, &sent(family, SYN).frame(true));
        programs.run(Direction::Ingress, &received(family).frame(false));
        programs.run(Direction::Egress, &unnamed(family).frame(true));
    }
    programs.told();
}

/// One turn of a condition: nanoseconds per run.
fn turn(programs: &mut Programs, condition: &Condition) -> Result<f64, Box<dyn Error>> {
    let before = programs.counters();
    let program = Programs::name(condition.direction);
    let (_, nanoseconds) = programs
        .kernel
        .test_run(program, &condition.frame, REPEAT)?;
    let rows = moved(&before, &programs.counters());
    programs.discard();
    let repeat = u64::from(REPEAT);
    let slot = CounterIndex::of(condition.verdict, condition.direction);
    let as_named = match rows[..] {
        [(moved, counter)] => {
            let told = if condition.told {
                counter.told
            } else {
                counter.coalesced
            };
            moved == slot && counter.packets == repeat && told == repeat
        }
        _ => false,
    };
    if as_named {
        Ok(nanoseconds as f64)
    } else {
        Err(format!(
            "{}: the packets met something else: {rows:?}",
            condition.key
        )
        .into())
    }
}

/// What a packet of an endpoint pays whose mode is off.
fn unguarded(programs: &mut Programs, frame: &[u8]) -> Result<f64, Box<dyn Error>> {
    let mut world = World::new(1);
    world.endpoint().flags |= EndpointFlags::OFF;
    programs.endpoint(world.endpoint.as_ref());
    let (_, nanoseconds) = programs.kernel.test_run("from_workload", frame, REPEAT)?;
    world.endpoint().flags &= !EndpointFlags::OFF;
    programs.endpoint(world.endpoint.as_ref());
    Ok(nanoseconds as f64)
}

/// First packets of flows that never were, one test run each.
fn cold(summary: &mut Summary, arms: &mut [Programs]) -> Result<(), Box<dyn Error>> {
    for (key, arm, destination) in [
        ("new_v4_cold", 0, WEB),
        ("new_v4_10k_rules_cold", 4, WEB),
        ("denied_first_v4_cold", 0, UNNAMED),
    ] {
        let programs = &mut arms[arm];
        let (mut firsts, mut empties) = (Vec::new(), Vec::new());
        for flow in 0..COLD_FLOWS {
            let packet = ip(Family::V4.workload(), Family::V4.friend());
            let frame = packet.tcp(2000 + flow, destination, SYN).frame(true);
            let (_, nanoseconds) = programs.kernel.test_run("empty", &frame, 1)?;
            empties.push(nanoseconds as f64);
            let (_, nanoseconds) = programs.kernel.test_run("from_workload", &frame, 1)?;
            firsts.push(nanoseconds as f64);
        }
        programs.discard();
        let value = median(&firsts) - median(&empties);
        let method = format!(
            "{COLD_FLOWS} flows that never were, one run each, cold caches; median minus empty's"
        );
        summary.put(SECTION, key, value, Target::None, &method);
    }
    Ok(())
}

/// Stays on one CPU: rings and counters of another are cold.
fn pin() -> Result<(), Box<dyn Error>> {
    let mut set = rustix::thread::CpuSet::new();
    set.set(1.min(std::thread::available_parallelism()?.get() - 1));
    rustix::thread::sched_setaffinity(None, &set)?;
    Ok(())
}
