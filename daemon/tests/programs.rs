//! Each loaded program through `BPF_PROG_TEST_RUN`: what it returns, which counter moves, what it
//! tells. The cases are those of the engine's own tests.

#[path = "../../ebpf/tests/common/mod.rs"]
mod common;
mod packets;

use std::{
    panic::{AssertUnwindSafe, catch_unwind},
    thread::sleep,
    time::Duration,
};

use common::{
    cases,
    frame::{SYN, ip},
    hook::Hook as _,
    world::{Family, World},
};
use flowd::kernel::object::PROGRAMS;
use flowd_abi::{Direction, EventKind, event::EventFlags};
use packets::{PATIENCE, Programs, SHOT, SIZES, TIMEOUTS, UNSPEC};

/// The verifier refuses a million; a tenth of that leaves room for what is to come.
const MAX_INSTRUCTIONS: u32 = 100_000;

#[test]
fn every_case() {
    let mut programs = Programs::load(&SIZES, &TIMEOUTS, PATIENCE);
    let failed: Vec<String> = cases::all()
        .into_iter()
        .filter(|case| catch_unwind(AssertUnwindSafe(|| cases::play(case, &mut programs))).is_err())
        .map(|case| case.name)
        .collect();
    assert_eq!(
        failed, [""; 0],
        "cases that differ; what differs is printed above"
    );
}

#[test]
fn the_sweep_program_tells_what_is_left() {
    let mut programs = Programs::load(&SIZES, &TIMEOUTS, 0);
    let mut world = World::new(1);
    programs.set(&world);
    let query = ip(Family::V4.workload(), Family::V4.friend()).udp(5353, 53);
    let denied = ip(Family::V4.workload(), Family::V4.stranger()).udp(5353, 53);
    for _ in 0..3 {
        programs.meet(Direction::Egress, &query.frame(true));
        programs.meet(Direction::Egress, &denied.frame(true));
        // The programs' clock moves with the kernel's ticks.
        sleep(Duration::from_millis(30));
    }
    world.change(|_| ());
    programs.set(&world);
    programs.told();
    programs.sweep();
    let (events, drops) = programs.told();
    let [update] = events[..] else {
        panic!("one connection went on: {events:?}");
    };
    assert_eq!(
        (update.kind, update.sent_packets),
        (EventKind::Update as u8, 3)
    );
    let [went_on] = drops[..] else {
        panic!("one denied flow went on: {drops:?}");
    };
    assert_eq!(
        (went_on.kind, went_on.sent_packets),
        (EventKind::Drops as u8, 2)
    );
    for event in [update, went_on] {
        assert_eq!(event.flags, EventFlags::SWEPT);
        assert_eq!(event.remote_port, 53);
    }
    programs.sweep();
    assert_eq!(programs.told(), (vec![], vec![]), "told already");
}

#[test]
fn outcomes_are_the_actions_the_kernel_knows() {
    let mut programs = Programs::load(&SIZES, &TIMEOUTS, PATIENCE);
    let mut world = World::new(1);
    programs.set(&world);
    let allowed = ip(Family::V4.workload(), Family::V4.friend()).tcp(40_000, 80, SYN);
    let denied = ip(Family::V4.workload(), Family::V4.stranger()).tcp(40_000, 80, SYN);
    assert_eq!(
        programs.run(Direction::Egress, &allowed.frame(true)),
        UNSPEC
    );
    assert_eq!(programs.run(Direction::Egress, &denied.frame(true)), SHOT);
    world.endpoint = None;
    programs.set(&world);
    assert_eq!(programs.run(Direction::Egress, &denied.frame(true)), UNSPEC);
    let empty = programs.kernel.test_run("empty", &denied.frame(true), 1);
    assert_eq!(empty.expect("the kernel runs it").0, UNSPEC);
}

#[test]
fn the_verifier_walks_few_instructions() {
    let counts = packets::kernel(&SIZES, &TIMEOUTS).verified_instructions();
    let named: Vec<&str> = counts.iter().map(|(name, _)| *name).collect();
    assert_eq!(
        named, PROGRAMS,
        "the kernel tells the count of every program"
    );
    for (name, count) in counts {
        println!("{name}: {count}");
        assert!(
            (1..MAX_INSTRUCTIONS).contains(&count),
            "{name}: the verifier walked {count} instructions"
        );
    }
}
