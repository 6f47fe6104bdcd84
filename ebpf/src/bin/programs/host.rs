//! The hooks of the host's own devices, attached only while a host policy exists.

use aya_ebpf::{helpers::bpf_ktime_get_coarse_ns, macros::classifier, programs::TcContext};
use flowd_abi::Direction;
use flowd_ebpf::{
    Meeting, Outcome,
    host::{self, Maker},
};

use crate::{action, maps, skb::Skb, tables::KernelTables};

/// Judges the host's egress: TCX egress of one of its devices.
#[classifier]
pub fn from_host(context: TcContext) -> i32 {
    action(&context, judge(&context, Direction::Egress))
}

/// Judges the host's ingress: TCX ingress of one of its devices.
#[classifier]
pub fn to_host(context: TcContext) -> i32 {
    action(&context, judge(&context, Direction::Ingress))
}

#[inline(always)]
fn judge(context: &TcContext, direction: Direction) -> Outcome {
    // SAFETY: reads the clock, takes no argument.
    let now = unsafe { bpf_ktime_get_coarse_ns() };
    let skb = Skb::new(context, direction);
    let Some(scratch) = maps::SCRATCH.get_ptr_mut(0) else {
        return Outcome::Unguarded;
    };
    // SAFETY: the slot belongs to this CPU, and a TC program is not re-entered on its CPU.
    let scratch = unsafe { &mut *scratch };
    let meeting = Meeting {
        direction,
        ifindex: skb.ifindex(),
        now,
    };
    let maker = match direction {
        Direction::Egress if skb.ingress_ifindex() == 0 => Maker::Host,
        Direction::Egress | Direction::Ingress => Maker::Other,
    };
    host::run(&skb, &mut KernelTables, scratch, meeting, maker)
}
