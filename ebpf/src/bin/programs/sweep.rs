//! The sweep's hand in the kernel: userspace names flows, the engine visits them where their
//! counters live, so that a mark is cleared in the same place its event is written.

use aya_ebpf::{bindings::TC_ACT_UNSPEC, helpers::bpf_ktime_get_ns, programs::TcContext};
use flowd_abi::ConnectionKey;
use flowd_abi::Direction;
use flowd_ebpf::{Aligned, Packet, deny, sweep};

use crate::{skb::Skb, tables::KernelTables};

/// Reads a [`flowd_abi::sweep::Request`] from the packet and visits what it names.
#[inline(always)]
pub(crate) fn visit(context: &TcContext) -> i32 {
    use flowd_abi::sweep::{COUNT_AT, INTERVAL_AT, KEYS_AT, MAX_KEYS, TABLE_AT, TABLE_DENIED};
    // A packet of keys, which nobody sent.
    let skb = Skb::new(context, Direction::Ingress);
    let (Some(Aligned([table])), Some(Aligned([count])), Some(Aligned(interval))) = (
        skb.read::<1>(TABLE_AT),
        skb.read::<1>(COUNT_AT),
        skb.read::<8>(INTERVAL_AT),
    ) else {
        return TC_ACT_UNSPEC;
    };
    let interval = u64::from_ne_bytes(interval);
    // SAFETY: reads the clock, takes no argument.
    let now = unsafe { bpf_ktime_get_ns() };
    for index in 0..MAX_KEYS {
        if index >= u32::from(count) {
            break;
        }
        let at = KEYS_AT + index * size_of::<ConnectionKey>() as u32;
        let Some(Aligned(bytes)) = skb.read::<44>(at) else {
            break;
        };
        let key = ConnectionKey::from_bytes(bytes);
        if table == TABLE_DENIED {
            deny::sweep(&mut KernelTables, &key, now, interval);
        } else {
            sweep::sweep(&mut KernelTables, &key, now, interval);
        }
    }
    TC_ACT_UNSPEC
}
