//! Tests of cursors and gaps.

use proptest::prelude::*;

use super::*;
use crate::flow::testing::{World, open};

fn batch(len: usize) -> Vec<Record> {
    let record = World::records(&[open()]).remove(0);
    vec![record; len]
}

/// Reads all there is: sequence numbers of flows, and gaps.
fn read_all(cursor: &mut Cursor) -> (Vec<u64>, Vec<Gap>) {
    let (mut flows, mut gaps) = (Vec::new(), Vec::new());
    loop {
        match cursor.read() {
            Read::Flows(chunk) => flows.extend(chunk.iter().map(|record| record.seq)),
            Read::Gap(gap) => gaps.push(gap),
            Read::UpToDate => return (flows, gaps),
        }
    }
}

proptest! {
    #![proptest_config(ProptestConfig::with_cases(64))]

    /// Whatever is written between reads, flows and gaps together are every number once, in
    /// order.
    #[test]
    fn flows_and_gaps_are_every_number_once(
        capacity in 1_usize..40,
        rounds in prop::collection::vec((prop::collection::vec(0_usize..9, 0..6), any::<bool>()), 1..20),
    ) {
        let (mut writer, log) = new(capacity);
        let mut cursor = log.cursor(Start::Oldest);
        let (mut next, mut written) = (0, 0);
        for (batches, read) in rounds {
            for len in batches {
                writer.append(&mut batch(len));
                written += len as u64;
                prop_assert!(log.stored() <= capacity.max(len.max(8)));
            }
            prop_assert_eq!(log.seen(), written);
            prop_assert_eq!(log.seen() - log.oldest(), log.stored() as u64);
            if read {
                let (flows, gaps) = read_all(&mut cursor);
                let mut all: Vec<u64> = flows;
                all.extend(gaps.iter().flat_map(|gap| gap.from..gap.to));
                all.sort_unstable();
                prop_assert_eq!(all, (next..written).collect::<Vec<_>>());
                next = written;
            }
        }
    }

    #[test]
    fn backwards_is_every_stored_flow_once(lens in prop::collection::vec(1_usize..5, 0..20)) {
        let (mut writer, log) = new(17);
        for len in lens {
            writer.append(&mut batch(len));
        }
        let (mut position, mut seqs) = (log.seen(), Vec::new());
        while let Some(segment) = log.before(position) {
            seqs.extend(segment.records().iter().rev().map(|record| record.seq));
            position = segment.first();
        }
        seqs.reverse();
        prop_assert_eq!(seqs, (log.oldest()..log.seen()).collect::<Vec<_>>());
    }
}

#[test]
fn what_a_reader_holds_outlives_its_eviction() {
    let (mut writer, log) = new(4);
    writer.append(&mut batch(4));
    let mut cursor = log.cursor(Start::Oldest);
    let Read::Flows(chunk) = cursor.read() else {
        panic!("nothing to read");
    };
    for _ in 0..3 {
        writer.append(&mut batch(4));
    }
    assert_eq!(
        chunk.iter().map(|record| record.seq).collect::<Vec<_>>(),
        [0, 1, 2, 3]
    );
    let (flows, gaps) = read_all(&mut cursor);
    assert_eq!(gaps, [Gap { from: 4, to: 12 }]);
    assert_eq!(flows, [12, 13, 14, 15]);
}

#[tokio::test]
async fn a_reader_waits_for_the_writer_and_for_its_end() {
    let (mut writer, log) = new(10);
    let mut cursor = log.cursor(Start::Head);
    let waiting = tokio::spawn(async move {
        let more = cursor.more().await;
        let (flows, _) = read_all(&mut cursor);
        (more, flows, cursor.more().await)
    });
    tokio::task::yield_now().await;
    writer.append(&mut batch(2));
    drop(writer);
    assert_eq!(waiting.await.unwrap(), (true, vec![0, 1], false));
}
