//! What the socket of a packet knows: whose the listening socket is that a connection came in by,
//! and what TCP has measured. Read where the packet leaves the workload, so that only flows that
//! are told cost it, and TCP itself calls no program.

use aya_ebpf::{
    EbpfContext,
    helpers::{
        bpf_get_listener_sock, bpf_get_socket_cookie, bpf_sk_fullsock, bpf_sk_storage_get,
        bpf_tcp_sock,
    },
    programs::TcContext,
};
use flowd_abi::{OwnerHow, Socket};
use flowd_ebpf::Look;

use crate::{
    maps::{COOKIES, SOCKETS},
    sockets,
};

/// Looks at the packet's socket, if the engine found that worth it.
#[inline(always)]
pub(crate) fn look(context: &TcContext, look: Look) {
    match look {
        Look::No => {}
        Look::Listener => inherit(context),
        Look::Handshake => measure(context, true),
        Look::Numbers => measure(context, false),
    }
}

/// Who bound the listening socket has the connection until somebody accepts it. It is not another
/// socket's number that is put into the packet: the one accepted has that of its request.
#[inline(always)]
fn inherit(context: &TcContext) {
    // SAFETY: the kernel hands every program a valid context; each pointer it gives is asked for
    // null before it is used; the value is a number as the map has.
    let socket = unsafe {
        let sender = (*context.skb.skb).__bindgen_anon_2.sk;
        if sender.is_null() {
            return;
        }
        let listener = bpf_get_listener_sock(sender);
        if listener.is_null() {
            return;
        }
        let map = (&raw const COOKIES).cast_mut().cast();
        let cookie = bpf_sk_storage_get(map, listener.cast(), core::ptr::null_mut(), 0);
        if cookie.is_null() {
            return;
        }
        SOCKETS.get_ptr(&*cookie.cast::<u64>())
    };
    let Some(socket) = socket else {
        return;
    };
    // SAFETY: the entry stays readable until the program ends (RCU); whoever writes last is right.
    let socket = Socket {
        how: OwnerHow::Inherited as u8,
        handshake_rtt: 0,
        rtt: 0,
        retransmits: 0,
        measured: 0,
        ..unsafe { *socket }
    };
    // SAFETY: the kernel hands every program a valid context.
    let cookie = unsafe { bpf_get_socket_cookie(context.as_ptr()) };
    sockets::store(cookie, &socket);
}

/// Takes down TCP's numbers beside the socket's owner.
#[inline(always)]
fn measure(context: &TcContext, handshake: bool) {
    // SAFETY: the kernel hands every program a valid context; each pointer it gives is asked for
    // null before it is used. It counts in eighths.
    let (cookie, rtt, retransmits) = unsafe {
        let sender = (*context.skb.skb).__bindgen_anon_2.sk;
        if sender.is_null() {
            return;
        }
        let sender = bpf_sk_fullsock(sender);
        if sender.is_null() {
            return;
        }
        let tcp = bpf_tcp_sock(sender);
        if tcp.is_null() {
            return;
        }
        let cookie = bpf_get_socket_cookie(context.as_ptr());
        (cookie, (*tcp).srtt_us >> 3, (*tcp).total_retrans)
    };
    let Some(socket) = SOCKETS.get_ptr_mut(&cookie) else {
        return;
    };
    // SAFETY: the entry stays readable until the program ends (RCU); whoever writes last is right.
    let socket = unsafe { &mut *socket };
    if handshake && socket.handshake_rtt == 0 {
        socket.handshake_rtt = rtt;
    }
    socket.rtt = rtt;
    socket.retransmits = retransmits;
    socket.measured = 1;
}
