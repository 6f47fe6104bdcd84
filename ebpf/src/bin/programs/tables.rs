//! The engine's tables on the kernel's maps.

use core::arch::asm;

use aya_ebpf::{bindings::BPF_RB_NO_WAKEUP, btf_maps::lpm_trie::Key, helpers::bpf_ktime_get_ns};
use flowd_abi::{
    Address, Connection, ConnectionKey, Counter, Denied, Endpoint, Event, FragmentHead,
    FragmentKey, Peer, PolicyEntry, PolicyKey,
};
use flowd_ebpf::{Ring, Tables, Timeouts};

use crate::maps::{
    CONNECTIONS, COUNTERS, DENIED, DROPS, ENDPOINTS, EVENTS, FRAGMENTS, KERNEL_RING, PEERS, POLICY,
};

const SECOND: u64 = 1_000_000_000;

/// Time-outs in nanoseconds, set by the loader: TCP new, established, closing; other; ICMP; denied;
/// fragment.
#[unsafe(no_mangle)]
static TIMEOUTS: [u64; 7] = [
    60 * SECOND,
    8000 * SECOND,
    10 * SECOND,
    60 * SECOND,
    30 * SECOND,
    60 * SECOND,
    30 * SECOND,
];

#[inline(always)]
fn timeout(index: usize) -> u64 {
    // SAFETY: in bounds by the callers' constants; volatile, since the loader rewrites the section.
    unsafe { core::ptr::read_volatile(&raw const TIMEOUTS[index]) }
}

/// The kernel's maps. References into hash maps are used within one program run and never across
/// an insert or remove of the same key.
pub(crate) struct KernelTables;

impl KernelTables {
    #[inline(always)]
    fn counter(slot: u32) -> Option<&'static mut Counter> {
        // SAFETY: the slot belongs to this CPU, and a TC program is not re-entered on its CPU.
        COUNTERS
            .get_ptr_mut(slot)
            .map(|counter| unsafe { &mut *counter })
    }
}

impl Tables for KernelTables {
    #[inline(always)]
    fn timeouts(&self) -> Timeouts {
        Timeouts {
            tcp_new: timeout(0),
            tcp_established: timeout(1),
            tcp_closing: timeout(2),
            other: timeout(3),
            icmp: timeout(4),
            denied: timeout(5),
            fragment: timeout(6),
        }
    }

    #[inline(always)]
    fn endpoint(&self, ifindex: u32) -> Option<Endpoint> {
        // SAFETY: only userspace writes endpoints, by replacing whole elements.
        unsafe { ENDPOINTS.get(ifindex) }.copied()
    }

    #[inline(always)]
    fn peer(&self, address: &Address) -> Option<Peer> {
        PEERS.get(&Key::new(128, address.0)).copied()
    }

    #[inline(always)]
    fn policy(&self, key: &PolicyKey) -> Option<PolicyEntry> {
        POLICY.get(&Key::new(key.prefix, key.data())).copied()
    }

    #[inline(always)]
    fn connection(&mut self, key: &ConnectionKey) -> Option<&mut Connection> {
        // SAFETY: the entry stays readable until the program ends (RCU); counters are added to
        // atomically, the rest tolerates the last writer.
        CONNECTIONS
            .get_ptr_mut(key)
            .map(|entry| unsafe { &mut *entry })
    }

    #[inline(always)]
    fn put_connection(&mut self, key: &ConnectionKey, value: &Connection) -> bool {
        CONNECTIONS.insert(key, value, 0).is_ok()
    }

    #[inline(always)]
    fn remove_connection(&mut self, key: &ConnectionKey) {
        // Gone already is as good.
        let _ = CONNECTIONS.remove(key);
    }

    #[inline(always)]
    fn denied(&mut self, key: &ConnectionKey) -> Option<&mut Denied> {
        // SAFETY: as for connections.
        DENIED.get_ptr_mut(key).map(|entry| unsafe { &mut *entry })
    }

    #[inline(always)]
    fn put_denied(&mut self, key: &ConnectionKey, value: &Denied) -> bool {
        DENIED.insert(key, value, 0).is_ok()
    }

    #[inline(always)]
    fn remove_denied(&mut self, key: &ConnectionKey) {
        // Gone already is as good.
        let _ = DENIED.remove(key);
    }

    #[inline(always)]
    fn fragment(&self, key: &FragmentKey) -> Option<FragmentHead> {
        // SAFETY: entries are written whole, by insert.
        unsafe { FRAGMENTS.get(key) }.copied()
    }

    #[inline(always)]
    fn put_fragment(&mut self, key: &FragmentKey, value: &FragmentHead) {
        // Without room the later fragments drop with their own reason.
        let _ = FRAGMENTS.insert(key, value, 0);
    }

    #[inline(always)]
    fn add(place: &mut u64, amount: u64) {
        // SAFETY: an aligned u64 of a map value, valid as above. The target declares no atomic
        // read-modify-write to `core`, though the machine has this one.
        unsafe {
            asm!(
                "lock *(u64 *)({place} + 0) += {amount}",
                place = in(reg) place,
                amount = in(reg) amount,
                options(nostack),
            );
        }
    }

    #[inline(always)]
    fn coalesce(&mut self, slot: u32, length: u32) {
        if let Some(counter) = Self::counter(slot) {
            counter.packets += 1;
            counter.bytes += u64::from(length);
            counter.coalesced += 1;
        }
    }

    #[inline(always)]
    fn count(&mut self, slot: u32, length: u32) {
        if let Some(counter) = Self::counter(slot) {
            counter.packets += 1;
            counter.bytes += u64::from(length);
        }
    }

    #[inline(always)]
    fn classify(&mut self, slot: u32, told: bool) {
        if let Some(counter) = Self::counter(slot) {
            if told {
                counter.told += 1;
            } else {
                counter.deferred += 1;
            }
        }
    }

    #[inline(always)]
    fn recovered(&mut self, slot: u32, packets: u64) {
        if let Some(counter) = Self::counter(slot) {
            counter.recovered += packets;
        }
    }

    /// The reader polls: no event pays for a wake-up.
    #[inline(always)]
    fn tell(&mut self, ring: Ring, fill: impl FnOnce(&mut Event)) -> bool {
        let entry = match ring {
            Ring::Events => EVENTS.reserve_untyped::<Event>(0),
            Ring::Drops => DROPS.reserve_untyped::<Event>(0),
            Ring::Kernel => KERNEL_RING.reserve_untyped::<Event>(0),
        };
        let Some(mut entry) = entry else {
            return false;
        };
        // SAFETY: the ring hands out whole events on words of eight bytes; all are written.
        let event = unsafe {
            let words = entry.as_mut_ptr().cast::<u64>();
            for word in 0..size_of::<Event>() / 8 {
                // Volatile, or the compiler makes a loop over bytes of it.
                words.add(word).write_volatile(0);
            }
            entry.assume_init_mut()
        };
        fill(event);
        // SAFETY: reads the clock, takes no argument.
        event.time = unsafe { bpf_ktime_get_ns() };
        entry.submit(u64::from(BPF_RB_NO_WAKEUP));
        true
    }
}
