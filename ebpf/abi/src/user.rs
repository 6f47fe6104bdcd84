//! The loader's plain-data markers: aya copies these types to and from the kernel byte by byte.
#![allow(unsafe_code, reason = "aya::Pod is an unsafe marker trait")]

use crate::{
    Connection, ConnectionKey, Counter, Denied, Endpoint, Event, FragmentHead, FragmentKey,
    Guarded, GuardedKey, KernelDropKey, KernelDropped, Peer, PolicyEntry, Socket,
};

macro_rules! plain_data {
    ($($type:ty),+ $(,)?) => {
        $(
            // SAFETY: repr(C), integers and byte arrays only, no padding (layout.rs), so any bytes
            // are a valid value and every byte is initialised.
            unsafe impl aya::Pod for $type {}
        )+
    };
}

plain_data!(
    Connection,
    ConnectionKey,
    Counter,
    Denied,
    Endpoint,
    Event,
    FragmentHead,
    FragmentKey,
    Guarded,
    GuardedKey,
    KernelDropKey,
    KernelDropped,
    Peer,
    PolicyEntry,
    Socket,
);
