//! The sums of any flows, against adding them up one by one.

use proptest::prelude::*;

use super::*;
use crate::aggregate::tally::{Tally, add, measure};
use flowd_proto::flowd::v1::TopOrder;

fn order(number: u8) -> TopOrder {
    [
        TopOrder::Unspecified,
        TopOrder::Packets,
        TopOrder::Flows,
        TopOrder::Drops,
    ][usize::from(number % 4)]
}

fn part(numbers: [u16; 4]) -> Traffic {
    let [flows, packets, bytes, drops] = numbers.map(u64::from);
    Traffic {
        flows,
        sent_packets: packets,
        received_bytes: bytes,
        dropped_packets: drops,
        ..Traffic::default()
    }
}

proptest! {
    #[test]
    fn shedding_keeps_the_sums_and_says_by_how_much_a_row_may_be_too_low(
        parts in prop::collection::vec((0u8..40, any::<[u16; 4]>()), 0..300),
        bound in 1usize..50, number in 0usize..50, by in any::<u8>(),
    ) {
        let order = order(by);
        let mut tally = Tally::new(order, bound);
        let mut exact: BTreeMap<u8, Traffic> = BTreeMap::new();
        let mut total = Traffic::default();
        for (group, numbers) in &parts {
            tally.add(*group, &part(*numbers));
            add(exact.entry(*group).or_default(), &part(*numbers));
            add(&mut total, &part(*numbers));
        }
        let sums = tally.into_sums(number);
        let mut told = sums.other;
        for (group, sum) in &sums.rows {
            add(&mut told, sum);
            let (kept, true_sum) = (measure(sum, order), measure(&exact[group], order));
            prop_assert!(kept <= true_sum && true_sum - kept <= sums.lack);
        }
        prop_assert_eq!((told, sums.total), (total, total));
        prop_assert!(sums.rows.len() <= number.min(bound));
        prop_assert!(sums.rows.is_sorted_by_key(|(_, sum)| std::cmp::Reverse(measure(sum, order))));
        if exact.len() <= bound {
            prop_assert_eq!((sums.shed_groups, sums.lack), (0, 0));
            prop_assert_eq!(sums.rows.len() as u64 + sums.other_groups, exact.len() as u64);
        }
    }
}

/// A connection: its source port, who its peer is, and what each of its events adds.
type Life = (u16, u8, Vec<(u8, [u16; 4])>);

fn lives() -> impl Strategy<Value = Vec<Life>> {
    let steps = prop::collection::vec((1u8..9, any::<[u16; 4]>()), 1..6);
    prop::collection::vec((0u16..4, 0u8..4, steps), 0..12)
}

/// The events of all lives in the order of their times, with the numbers they are to tell.
fn events(lives: &[Life]) -> Vec<Event> {
    let mut all = Vec::new();
    for (index, (port, peer, steps)) in lives.iter().enumerate() {
        let created = 1_000 + index as u64;
        let (mut time, mut numbers) = (created, [0u64; 4]);
        for (step, (wait, more)) in steps.iter().enumerate() {
            let kind = match step {
                0 => EventKind::Open,
                _ if step + 1 == steps.len() => EventKind::Close,
                _ => EventKind::Update,
            };
            numbers = [0, 1, 2, 3].map(|place| numbers[place] + u64::from(more[place]));
            let event = Event {
                remote: outside(*peer),
                peer_identity: 2,
                ..told(kind, created, time, *port, numbers)
            };
            all.push(if step % 2 == 1 {
                as_reply(event)
            } else {
                event
            });
            time += u64::from(*wait) * 1_000;
        }
    }
    all.sort_by_key(|event| event.time);
    all
}

/// What each connection moved from `since` on: its last numbers less those it had before.
fn plain(
    events: &[Event],
    since: u64,
    key: impl Fn(&Event) -> String,
) -> BTreeMap<String, Traffic> {
    let mut sums: BTreeMap<String, Traffic> = BTreeMap::new();
    let mut created: Vec<u64> = events.iter().map(|event| event.created).collect();
    created.sort_unstable();
    created.dedup();
    for one in created {
        let of_it = || events.iter().filter(|event| event.created == one);
        let numbers = |event: &Event| {
            [
                event.sent_packets,
                event.sent_bytes,
                event.received_packets,
                event.received_bytes,
            ]
        };
        let Some(last) = of_it().rfind(|event| event.time >= since) else {
            continue;
        };
        let before = of_it().rfind(|event| event.time < since);
        let (after, before) = (numbers(last), before.map_or([0; 4], numbers));
        let traffic = Traffic {
            flows: 1,
            sent_packets: after[0] - before[0],
            sent_bytes: after[1] - before[1],
            received_packets: after[2] - before[2],
            received_bytes: after[3] - before[3],
            ..Traffic::default()
        };
        add(sums.entry(key(last)).or_default(), &traffic);
    }
    sums
}

proptest! {
    #![proptest_config(ProptestConfig::with_cases(128))]
    #[test]
    fn an_answer_is_what_its_flows_add_up_to(lives in lives(), after in 0u64..40_000) {
        let events = events(&lives);
        let mut world = World::new(10_000);
        world.tell(&events);
        let since = 1_000 + after;
        let request = TopRequest {
            since: Some(crate::observe::flow::timestamp(OFFSET + i64::try_from(since).unwrap())),
            group_by: keys(&[GroupKey::DestinationIp, GroupKey::SourcePod]),
            number: 1_000,
            ..TopRequest::default()
        };
        let answer = ask(&world, &request);
        let expected = plain(&events, since, |event| {
            let [.., last] = event.remote.v4_bytes();
            format!("192.0.2.{last}|shop/frontend-1")
        });
        let mut sum = Traffic::default();
        expected.values().for_each(|part| add(&mut sum, part));
        prop_assert_eq!(table(&answer), expected);
        prop_assert_eq!((answer.total.unwrap(), answer.unknown_beginnings), (sum, 0));
        // With room for few groups, the sums are the same.
        let plan = TopPlan::compile(&request, &context(&world)).unwrap().keeping(2);
        let small = super::answer(&world, plan, Live::default());
        let mut told = small.other.unwrap();
        small.rows.iter().for_each(|row| add(&mut told, &row.traffic.unwrap()));
        prop_assert_eq!((told, small.total.unwrap()), (sum, sum));
    }
}

#[test]
fn what_cannot_be_asked_is_refused_with_its_name() {
    let many = TopRequest {
        group_by: vec![1; 7],
        ..TopRequest::default()
    };
    let text = refused(&many).to_string();
    assert!(text.contains("keys to group by: 7, at most 6"), "{text}");
    for (request, says) in [
        (
            TopRequest {
                group_by: vec![99],
                ..TopRequest::default()
            },
            "group_by",
        ),
        (
            TopRequest {
                order: 9,
                ..TopRequest::default()
            },
            "order",
        ),
        (
            TopRequest {
                number: 1_001,
                ..TopRequest::default()
            },
            "at most 1000",
        ),
    ] {
        let text = refused(&request).to_string();
        assert!(text.contains(says), "{text}");
    }
}

#[test]
fn no_flows_make_no_groups() {
    let answer = ask(&World::new(10), &TopRequest::default());
    assert!(answer.rows.is_empty());
    assert_eq!(answer.total, Some(Traffic::default()));
    assert_eq!(answer.group_by.len(), 3);
    assert!(
        answer
            .coverage
            .is_some_and(|coverage| coverage.oldest_time.is_none())
    );
}
