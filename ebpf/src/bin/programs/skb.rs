//! A socket buffer as the engine's packet.

use core::mem::MaybeUninit;

use aya_ebpf::{
    EbpfContext,
    helpers::{bpf_get_socket_cookie, bpf_skb_load_bytes},
    programs::TcContext,
};
use flowd_abi::Direction;
use flowd_ebpf::{Aligned, Look, Packet};

use crate::tcp;

/// A packet at a TC hook.
pub(crate) struct Skb<'a> {
    context: &'a TcContext,
    /// The side of the workload it is on: known when a program is compiled.
    direction: Direction,
}

impl<'a> Skb<'a> {
    /// The packet of this context.
    #[inline(always)]
    pub(crate) fn new(context: &'a TcContext, direction: Direction) -> Self {
        Self { context, direction }
    }

    /// The device it is on.
    #[inline(always)]
    pub(crate) fn ifindex(&self) -> u32 {
        // SAFETY: the kernel hands every program a valid context.
        unsafe { (*self.context.skb.skb).ifindex }
    }

    /// The device it came to this host by, 0 for one that this host made.
    #[inline(always)]
    pub(crate) fn ingress_ifindex(&self) -> u32 {
        // SAFETY: the kernel hands every program a valid context.
        unsafe { (*self.context.skb.skb).ingress_ifindex }
    }
}

impl Packet for Skb<'_> {
    #[inline(always)]
    fn length(&self) -> u32 {
        self.context.len()
    }

    /// Kept while the packet crosses from the workload's namespace: only what has been received by
    /// a stack, or was made by none, has no socket here.
    #[inline(always)]
    fn socket(&self) -> u64 {
        // SAFETY: the kernel hands every program a valid context.
        unsafe { bpf_get_socket_cookie(self.context.as_ptr()) }
    }

    #[inline(always)]
    fn look(&self, look: Look) {
        match self.direction {
            Direction::Egress => tcp::look(self.context, look),
            Direction::Ingress => {}
        }
    }

    #[inline(always)]
    fn head(&self, head: &mut Aligned<56>) -> bool {
        // SAFETY: the destination holds 54 bytes behind its first two; the helper fills these or
        // fails.
        unsafe {
            let to = head.0.as_mut_ptr().add(2);
            bpf_skb_load_bytes(self.context.as_ptr(), 0, to.cast(), 54) == 0
        }
    }

    #[inline(always)]
    fn read<const N: usize>(&self, offset: u32) -> Option<Aligned<N>> {
        let mut bytes = MaybeUninit::<Aligned<N>>::uninit();
        // SAFETY: the destination holds N bytes; the helper fills all of them or fails.
        unsafe {
            let result = bpf_skb_load_bytes(
                self.context.as_ptr(),
                offset,
                bytes.as_mut_ptr().cast(),
                N as u32,
            );
            if result == 0 {
                Some(bytes.assume_init())
            } else {
                None
            }
        }
    }
}
