//! The maps. Sizes here are the smallest that make sense; the loader sets them from the config.

use aya_ebpf::{
    btf_maps::{HashMap, LpmTrie, LruHashMap, PerCpuArray, RingBuf, SkStorage},
    macros::btf_map,
};
use flowd_abi::{
    Connection, ConnectionKey, Counter, CounterIndex, Denied, Endpoint, FragmentHead, FragmentKey,
    FreedCount, Guarded, GuardedKey, KernelDropKey, KernelDropped, KernelReason, Peer, PolicyEntry,
    Socket, SocketCount,
};
use flowd_ebpf::{Scratch, kernel_drop::KernelScratch};

#[btf_map]
pub(crate) static ENDPOINTS: HashMap<u32, Endpoint, 1024> = HashMap::new();

#[btf_map]
pub(crate) static PEERS: LpmTrie<[u8; 16], Peer, 1024> = LpmTrie::new();

#[btf_map]
pub(crate) static POLICY: LpmTrie<[u8; 12], PolicyEntry, 1024> = LpmTrie::new();

#[btf_map]
pub(crate) static CONNECTIONS: LruHashMap<ConnectionKey, Connection, 1024> = LruHashMap::new();

#[btf_map]
pub(crate) static DENIED: LruHashMap<ConnectionKey, Denied, 1024> = LruHashMap::new();

#[btf_map]
pub(crate) static FRAGMENTS: LruHashMap<FragmentKey, FragmentHead, 1024> = LruHashMap::new();

#[btf_map]
pub(crate) static SOCKETS: LruHashMap<u64, Socket, 64> = LruHashMap::new();

/// Cookies of bound TCP sockets, kept at the socket itself: a packet's program can come to a
/// listening socket, but not to its cookie.
#[btf_map]
pub(crate) static COOKIES: SkStorage<u64> = SkStorage::new();

#[btf_map]
pub(crate) static SOCKET_COUNTS: PerCpuArray<u64, { SocketCount::LEN as usize }> =
    PerCpuArray::new();

#[btf_map]
pub(crate) static COUNTERS: PerCpuArray<Counter, { CounterIndex::LEN as usize }> =
    PerCpuArray::new();

#[btf_map]
pub(crate) static SCRATCH: PerCpuArray<Scratch, 1> = PerCpuArray::new();

#[btf_map]
pub(crate) static EVENTS: RingBuf<(), 65536> = RingBuf::new();

#[btf_map]
pub(crate) static DROPS: RingBuf<(), 65536> = RingBuf::new();

#[btf_map]
pub(crate) static GUARDED: HashMap<GuardedKey, Guarded, 64> = HashMap::new();

#[btf_map]
pub(crate) static KERNEL_DROPS: LruHashMap<KernelDropKey, KernelDropped, 64> = LruHashMap::new();

#[btf_map]
pub(crate) static KERNEL_RING: RingBuf<(), 4096> = RingBuf::new();

#[btf_map]
pub(crate) static KERNEL_SCRATCH: PerCpuArray<KernelScratch, 1> = PerCpuArray::new();

/// The packet that a verdict of ours dropped last.
#[btf_map]
pub(crate) static DROPPED: PerCpuArray<u64, 1> = PerCpuArray::new();

/// Packets of guarded workloads that the kernel dropped, by reason.
#[btf_map]
pub(crate) static REASON_COUNTS: PerCpuArray<u64, { KernelReason::COUNTED as usize }> =
    PerCpuArray::new();

#[btf_map]
pub(crate) static FREED_COUNTS: PerCpuArray<u64, { FreedCount::LEN as usize }> = PerCpuArray::new();
