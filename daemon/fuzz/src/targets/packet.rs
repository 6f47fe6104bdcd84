//! Packets of a workload: any bytes are judged, and the ledger balances.

use flowd_abi::{Direction, Verdict};
use flowd_ebpf::Outcome;

use crate::common::{hook::Engine, world::World};

/// Frames one behind the other: one byte of direction, one of length, then the frame.
pub(crate) fn run(data: &[u8]) {
    let mut engine = Engine::new(&World::new(1));
    let mut rest = data;
    while let [direction, length, behind @ ..] = rest {
        let (frame, behind) = behind.split_at(behind.len().min(usize::from(*length)));
        rest = behind;
        let direction = match direction & 1 {
            0 => Direction::Egress,
            _ => Direction::Ingress,
        };
        // The engine of the tests checks the ledger after each packet.
        if let Outcome::Judged(Verdict::Audit(reason)) = engine.run(direction, frame) {
            panic!("{reason:?}: nothing is audited where every mode is to enforce");
        }
    }
}
