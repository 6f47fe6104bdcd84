//! The hooks: each reads where it is, asks the engine, and turns the outcome into the kernel's
//! action. The only place that names return codes.
#![no_std]
#![no_main]
#![feature(asm_experimental_arch)]
#![allow(
    unsafe_code,
    reason = "helpers of the kernel are called here; each block has its reason"
)]
#![allow(
    missing_docs,
    unreachable_pub,
    reason = "the classifier macro repeats each hook without its documentation"
)]

mod host;
mod kernel_drop;
mod maps;
mod skb;
mod sockets;
mod sweep;
mod tables;
mod tcp;

use aya_ebpf::{
    bindings::{TC_ACT_SHOT, TC_ACT_UNSPEC},
    helpers::bpf_ktime_get_coarse_ns,
    macros::classifier,
    programs::TcContext,
};
use flowd_abi::{Direction, Verdict};
use flowd_ebpf::{Meeting, Outcome, run};

use crate::{skb::Skb, tables::KernelTables};

/// Judges a workload's egress: TCX ingress of its host-side device.
#[classifier]
pub fn from_workload(context: TcContext) -> i32 {
    action(&context, judge(&context, Direction::Egress))
}

/// Judges a workload's ingress: TCX egress of its host-side device.
#[classifier]
pub fn to_workload(context: TcContext) -> i32 {
    action(&context, judge(&context, Direction::Ingress))
}

/// Visits the connections and denied flows named in the packet; run by userspace, never attached.
#[classifier]
pub fn sweep_flows(context: TcContext) -> i32 {
    sweep::visit(&context)
}

/// Passes everything: what a benchmark subtracts.
#[classifier]
pub fn empty(_context: TcContext) -> i32 {
    TC_ACT_UNSPEC
}

#[inline(always)]
fn judge(context: &TcContext, direction: Direction) -> Outcome {
    // The clock of the last tick: a fifth of the price, some milliseconds late, which is enough to
    // say when a connection was heard of. Events carry the exact time.
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
    run(&skb, &mut KernelTables, scratch, meeting)
}

/// Allowing is leaving the packet to whoever is attached behind us.
#[inline(always)]
fn action(context: &TcContext, outcome: Outcome) -> i32 {
    match outcome {
        Outcome::Unguarded => TC_ACT_UNSPEC,
        Outcome::Judged(Verdict::Forward(_) | Verdict::Audit(_)) => TC_ACT_UNSPEC,
        Outcome::Judged(Verdict::Drop(_)) => {
            kernel_drop::ours(context);
            TC_ACT_SHOT
        }
    }
}

#[panic_handler]
fn panic(_info: &core::panic::PanicInfo<'_>) -> ! {
    loop {}
}

/// Helpers marked GPL-only (none today) need it; the programs are Apache-2.0 OR GPL-2.0.
#[unsafe(link_section = "license")]
#[unsafe(no_mangle)]
static LICENSE: [u8; 4] = *b"GPL\0";
