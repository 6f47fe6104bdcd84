//! What the kernel drops: the tracepoint `skb:kfree_skb`, which every packet passes that is freed
//! before it was done with. Packets of guarded workloads are told, those that a verdict of ours
//! dropped were told already.

use aya_ebpf::{
    EbpfContext,
    bindings::TC_ACT_UNSPEC,
    helpers::{bpf_ktime_get_ns, bpf_probe_read_kernel},
    macros::{classifier, raw_tracepoint},
    programs::{RawTracePointContext, TcContext},
};
use flowd_abi::{
    Direction, DropReason, FreedCount, Guarded, GuardedKey, KernelDropKey, KernelDropped,
    KernelField, KernelReason,
    kernel::NO_LOSS,
    sweep::{COUNT_AT, INTERVAL_AT, KEYS_AT, MAX_KEYS},
};
use flowd_ebpf::{
    Aligned, Packet,
    kernel_drop::{self, Freed, KernelDropTables, Taken},
    parse::Version,
};

use crate::{
    maps::{DROPPED, FREED_COUNTS, GUARDED, KERNEL_DROPS, KERNEL_SCRATCH, REASON_COUNTS},
    skb::Skb,
    tables::KernelTables,
};

/// Longer than any packet: what a header says of the length is not held against it.
const ENDLESS: u32 = 1 << 20;
/// `AF_PACKET` (linux/socket.h).
const PACKET: u16 = 17;
/// `ETH_P_IP` and `ETH_P_IPV6` (linux/if_ether.h).
const ETHERTYPES: [u16; 2] = [0x0800, 0x86dd];

/// Where the running kernel keeps what is read, in bytes, in the order of [`KernelField`]; set by
/// the loader from the kernel's type information.
#[unsafe(no_mangle)]
static KERNEL_FIELDS: [u32; KernelField::LEN] = [0; KernelField::LEN];

/// Number of the namespace whose devices are guarded; 1 if the tracepoint names the receiving
/// socket (Linux 6.11), else 0. Set by the loader.
#[unsafe(no_mangle)]
static KERNEL_PLACE: [u32; 2] = [0; 2];

/// The class of each reason: a number of [`DropReason`], or [`NO_LOSS`]. Set by the loader from the
/// names that the kernel's type information has for its numbers.
#[unsafe(no_mangle)]
static REASON_CLASSES: [u8; KernelReason::COUNTED as usize] =
    [DropReason::KernelOther as u8; KernelReason::COUNTED as usize];

/// A packet is freed and was not consumed.
#[raw_tracepoint(tracepoint = "kfree_skb")]
pub fn kernel_drop(context: RawTracePointContext) -> i32 {
    if let Some(other) = look(&context)
        && let Some(count) = FREED_COUNTS.get_ptr_mut(other as u32)
    {
        // SAFETY: the slot belongs to this CPU, and the kernel does not let the program interrupt
        // itself.
        unsafe { *count += 1 };
    }
    0
}

/// Visits the flows named in the packet; run by userspace, never attached.
#[classifier]
pub fn sweep_kernel_drops(context: TcContext) -> i32 {
    visit(&context);
    TC_ACT_UNSPEC
}

/// Notes that a verdict of ours drops this packet: the next of this CPU that is freed.
#[inline(always)]
pub(crate) fn ours(context: &TcContext) {
    if let Some(slot) = DROPPED.get_ptr_mut(0) {
        // SAFETY: the slot belongs to this CPU. The context of a TC program is the packet itself.
        unsafe { *slot = context.as_ptr() as u64 };
    }
}

/// Takes the mark back: whether a verdict of ours dropped this packet.
#[inline(always)]
fn was_ours(skb: u64) -> bool {
    let Some(slot) = DROPPED.get_ptr_mut(0) else {
        return false;
    };
    // SAFETY: the slot belongs to this CPU.
    unsafe {
        let ours = *slot == skb;
        if ours {
            *slot = 0;
        }
        ours
    }
}

/// Tells the packet, or says why not.
#[inline(always)]
fn look(context: &RawTracePointContext) -> Option<FreedCount> {
    let skb: u64 = context.arg(0);
    let reason = KernelReason::of(context.arg(2));
    if was_ours(skb) {
        return Some(FreedCount::Ours);
    }
    // SAFETY: in bounds, since slots are; volatile, since the loader rewrites the section.
    let class =
        unsafe { core::ptr::read_volatile(&raw const REASON_CLASSES[reason.slot() as usize]) };
    if class == NO_LOSS {
        return Some(FreedCount::NoLoss);
    }
    let Some(class) = DropReason::from_number(class) else {
        return Some(FreedCount::Elsewhere);
    };
    let Some((packet, version)) = KernelSkb::of(skb) else {
        return Some(FreedCount::Elsewhere);
    };
    let receiver = receiver(context);
    let owner: u64 = field(skb, KernelField::Owner);
    let received = field::<u32>(skb, KernelField::ReceivedBy) != 0;
    if received && owner != 0 && field::<u16>(owner, KernelField::SocketFamily) == PACKET {
        // A copy that was made for a sniffer.
        return Some(FreedCount::NoLoss);
    }
    let device: u64 = field(skb, KernelField::Device);
    let namespace = namespace(receiver, device, owner);
    let freed = Freed {
        // SAFETY: reads the clock, takes no argument.
        now: unsafe { bpf_ktime_get_ns() },
        namespace,
        host: namespace == place(0),
        received,
        version,
        ifindex: field(device, KernelField::DeviceIndex),
        length: packet.bytes,
        reason,
        class,
        receiver: field(receiver, KernelField::SocketCookie),
        owner: field(owner, KernelField::SocketCookie),
    };
    // SAFETY: the slot belongs to this CPU, and the kernel does not let the program interrupt itself.
    let scratch = unsafe { &mut *KERNEL_SCRATCH.get_ptr_mut(0)? };
    match kernel_drop::dropped(&packet, &mut KernelTables, scratch, &freed) {
        Taken::In => {}
        Taken::Elsewhere => return Some(FreedCount::Elsewhere),
        Taken::NoLoss => return Some(FreedCount::NoLoss),
    }
    if let Some(count) = REASON_COUNTS.get_ptr_mut(reason.slot()) {
        // SAFETY: as above.
        unsafe { *count += 1 };
    }
    None
}

#[inline(always)]
fn place(index: usize) -> u32 {
    // SAFETY: in bounds by the callers' constants; volatile, since the loader rewrites the section.
    unsafe { core::ptr::read_volatile(&raw const KERNEL_PLACE[index]) }
}

/// The socket that was to get the packet, 0 for none.
#[inline(always)]
fn receiver(context: &RawTracePointContext) -> u64 {
    if place(1) == 0 {
        return 0;
    }
    context.arg(3)
}

/// Number of the network namespace: that of the socket that was to get it, of its device, of the
/// socket it belongs to. Packets in a queue of UDP keep something else in the place of the device,
/// which is no address.
#[inline(always)]
fn namespace(receiver: u64, device: u64, owner: u64) -> u32 {
    let mut net: u64 = field(receiver, KernelField::SocketNamespace);
    if net == 0 {
        net = field(device, KernelField::DeviceNamespace);
    }
    if net == 0 {
        net = field(owner, KernelField::SocketNamespace);
    }
    field(net, KernelField::NamespaceNumber)
}

/// A field of a structure of the kernel; zeros where there is no structure.
#[inline(always)]
fn field<T: Default>(structure: u64, field: KernelField) -> T {
    if structure == 0 {
        return T::default();
    }
    // SAFETY: in bounds by the enum; volatile, since the loader rewrites the section. The offset is
    // the running kernel's; reading through the helper cannot fault.
    unsafe {
        let offset = core::ptr::read_volatile(&raw const KERNEL_FIELDS[field as usize]);
        bpf_probe_read_kernel((structure + u64::from(offset)) as *const T).unwrap_or_default()
    }
}

/// A packet from its IP header on, read where it lies in the kernel's memory.
struct KernelSkb {
    /// Where the header is.
    header: u64,
    /// Bytes from there on that lie in one piece.
    room: u32,
    /// All its bytes from there on.
    bytes: u32,
}

impl KernelSkb {
    /// The packet, if it is one of IP and has got as far as to have its header known.
    #[inline(always)]
    fn of(skb: u64) -> Option<(Self, Version)> {
        let protocol = u16::from_be(field(skb, KernelField::Protocol));
        let version = match ETHERTYPES.map(|ethertype| ethertype == protocol) {
            [true, _] => Version::V4,
            [_, true] => Version::V6,
            [false, false] => return None,
        };
        let head: u64 = field(skb, KernelField::Head);
        let at: u16 = field(skb, KernelField::NetworkHeader);
        let tail: u32 = field(skb, KernelField::Tail);
        let header = head + u64::from(at);
        let data: u64 = field(skb, KernelField::Data);
        let left: u32 = field(skb, KernelField::Length);
        let room = tail.checked_sub(u32::from(at))?;
        // What was taken off in front of `data` counts, the header of layer 2 does not.
        let bytes = data.wrapping_sub(header).wrapping_add(u64::from(left)) as u32;
        let packet = Self {
            header,
            room,
            bytes,
        };
        (head != 0 && at != 0).then_some((packet, version))
    }
}

impl Packet for KernelSkb {
    #[inline(always)]
    fn length(&self) -> u32 {
        ENDLESS
    }

    #[inline(always)]
    fn read<const N: usize>(&self, offset: u32) -> Option<Aligned<N>> {
        if u64::from(offset) + N as u64 > u64::from(self.room) {
            return None;
        }
        let from = (self.header + u64::from(offset)) as *const Aligned<N>;
        // SAFETY: reading through the helper cannot fault; any bytes are a value.
        unsafe { bpf_probe_read_kernel(from) }.ok()
    }
}

impl KernelDropTables for KernelTables {
    #[inline(always)]
    fn guarded(&self, key: &GuardedKey) -> Option<Guarded> {
        // SAFETY: only userspace writes, by replacing whole elements.
        unsafe { GUARDED.get(key) }.copied()
    }

    #[inline(always)]
    fn kernel_drop(&mut self, key: &KernelDropKey) -> Option<&mut KernelDropped> {
        // SAFETY: the entry stays readable until the program ends (RCU); numbers are added to
        // atomically, the rest tolerates the last writer.
        KERNEL_DROPS
            .get_ptr_mut(key)
            .map(|entry| unsafe { &mut *entry })
    }

    #[inline(always)]
    fn put_kernel_drop(&mut self, key: &KernelDropKey, value: &KernelDropped) -> bool {
        KERNEL_DROPS.insert(key, value, 0).is_ok()
    }

    #[inline(always)]
    fn remove_kernel_drop(&mut self, key: &KernelDropKey) {
        // Gone already is as good.
        let _ = KERNEL_DROPS.remove(key);
    }
}

#[inline(always)]
fn visit(context: &TcContext) -> Option<()> {
    // A packet of keys, which nobody sent.
    let skb = Skb::new(context, Direction::Ingress);
    let Aligned([count]) = skb.read::<1>(COUNT_AT)?;
    let interval = u64::from_ne_bytes(skb.read::<8>(INTERVAL_AT)?.0);
    // SAFETY: reads the clock, takes no argument.
    let now = unsafe { bpf_ktime_get_ns() };
    for index in 0..MAX_KEYS {
        if index >= u32::from(count) {
            break;
        }
        let at = KEYS_AT + index * size_of::<KernelDropKey>() as u32;
        let Aligned(bytes) = skb.read::<48>(at)?;
        let key = KernelDropKey::from_bytes(bytes);
        let mut value = KernelDropped::default();
        kernel_drop::sweep(&mut KernelTables, &key, &mut value, now, interval);
    }
    Some(())
}
