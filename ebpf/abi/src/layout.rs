//! Sizes and offsets, asserted when either side is compiled.

use core::mem::{align_of, offset_of, size_of};

use crate::{
    Connection, ConnectionKey, Counter, Denied, Endpoint, Event, FragmentHead, FragmentKey,
    Guarded, GuardedKey, KernelDropKey, KernelDropped, Peer, PeerKey, PolicyEntry, PolicyKey,
    Socket,
};

const _: () = {
    assert!(size_of::<Endpoint>() == 24);
    assert!(size_of::<PeerKey>() == 20);
    assert!(size_of::<Peer>() == 12);
    assert!(size_of::<PolicyKey>() == 16);
    assert!(offset_of!(PolicyKey, policy) == 4);
    assert!(offset_of!(PolicyKey, peer) == 8);
    assert!(offset_of!(PolicyKey, direction) == 12);
    assert!(offset_of!(PolicyKey, port) == 14);
    assert!(size_of::<PolicyEntry>() == 12);
    assert!(size_of::<ConnectionKey>() == 44);
    assert!(align_of::<ConnectionKey>() == 4);
    assert!(size_of::<Connection>() == 96);
    assert!(size_of::<Denied>() == 88);
    assert!(size_of::<FragmentKey>() == 44);
    assert!(size_of::<FragmentHead>() == 16);
    assert!(size_of::<Counter>() == 48);
    assert!(size_of::<Event>() == 152);
    assert!(offset_of!(Event, local) == 16);
    assert!(offset_of!(Event, endpoint) == 88);
    assert!(offset_of!(Event, local_port) == 120);
    assert!(offset_of!(Event, source_mac) == 138);
    assert!(offset_of!(Event, kernel_reason) == 150);
    assert!(size_of::<GuardedKey>() == 20);
    assert!(size_of::<Guarded>() == 4);
    assert!(size_of::<KernelDropKey>() == 48);
    assert!(align_of::<KernelDropKey>() == 4);
    assert!(size_of::<KernelDropped>() == 96);
    assert!(size_of::<Socket>() == 72);
};
