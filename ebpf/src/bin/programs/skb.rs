//! A socket buffer as the engine's packet.

use core::mem::MaybeUninit;

use aya_ebpf::{EbpfContext, helpers::bpf_skb_load_bytes, programs::TcContext};
use flowd_ebpf::{Aligned, Packet};

/// A packet at a TC hook.
pub(crate) struct Skb<'a> {
    context: &'a TcContext,
}

impl<'a> Skb<'a> {
    /// The packet of this context.
    #[inline(always)]
    pub(crate) fn new(context: &'a TcContext) -> Self {
        Self { context }
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

    #[inline(always)]
    fn head(&self) -> Option<Aligned<56>> {
        let mut head = MaybeUninit::<Aligned<56>>::uninit();
        // SAFETY: the destination holds two bytes and 54 more; the helper fills these or fails.
        unsafe {
            let to = head.as_mut_ptr().cast::<u8>();
            to.cast::<u16>().write(0);
            let result = bpf_skb_load_bytes(self.context.as_ptr(), 0, to.add(2).cast(), 54);
            if result == 0 {
                Some(head.assume_init())
            } else {
                None
            }
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
