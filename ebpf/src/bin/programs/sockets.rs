//! Whose socket it is: programs of a control group, run by the kernel when a process in it opens,
//! binds, connects, accepts or sends. They write down what they see and never decide: each lets
//! its system call go on.

use aya_ebpf::{
    EbpfContext,
    bindings::{BPF_NOEXIST, BPF_SK_STORAGE_GET_F_CREATE},
    helpers::{
        bpf_get_current_cgroup_id, bpf_get_current_comm, bpf_get_current_pid_tgid,
        bpf_get_current_task, bpf_get_current_uid_gid, bpf_get_socket_cookie,
        bpf_ktime_get_coarse_ns, bpf_probe_read_kernel, bpf_sk_storage_get,
    },
    macros::{cgroup_sock, cgroup_sock_addr},
    programs::{SockAddrContext, SockContext},
};
use flowd_abi::{OwnerHow, Socket, SocketCount};

use crate::maps::{COOKIES, SOCKET_COUNTS, SOCKETS};

/// The system call goes on.
const ALLOW: i32 = 1;
/// `SOCK_STREAM` (linux/net.h).
const STREAM: u32 = 1;
/// `-EEXIST` (errno.h).
const EXISTS: i32 = -17;
/// Where a task keeps its thread group's leader and when it started, in bytes; set by the loader
/// from the running kernel's type information. Zeros: not known.
#[unsafe(no_mangle)]
static TASK: [u64; 2] = [0; 2];

/// A socket is opened. TCP's are written down when they are bound, connect or accept.
#[cgroup_sock(sock_create)]
pub fn socket_opened(context: SockContext) -> i32 {
    if !is_stream(&context) {
        put(cookie(&context), OwnerHow::Inherited);
    }
    ALLOW
}

/// A socket is bound: it may come to listen.
#[cgroup_sock(post_bind4)]
pub fn socket_bound4(context: SockContext) -> i32 {
    bound(&context);
    ALLOW
}

/// As [`socket_bound4`], for IPv6.
#[cgroup_sock(post_bind6)]
pub fn socket_bound6(context: SockContext) -> i32 {
    bound(&context);
    ALLOW
}

/// A socket is connected.
#[cgroup_sock_addr(connect4)]
pub fn socket_connected4(context: SockAddrContext) -> i32 {
    put(cookie(&context), OwnerHow::Exact);
    ALLOW
}

/// As [`socket_connected4`], for IPv6.
#[cgroup_sock_addr(connect6)]
pub fn socket_connected6(context: SockAddrContext) -> i32 {
    put(cookie(&context), OwnerHow::Exact);
    ALLOW
}

/// A datagram is sent to an address.
#[cgroup_sock_addr(sendmsg4)]
pub fn socket_sent4(context: SockAddrContext) -> i32 {
    hold(&context, true);
    ALLOW
}

/// As [`socket_sent4`], for IPv6.
#[cgroup_sock_addr(sendmsg6)]
pub fn socket_sent6(context: SockAddrContext) -> i32 {
    hold(&context, true);
    ALLOW
}

/// The peer's address is asked for: nearly every `accept` does, in the process that accepts.
#[cgroup_sock_addr(getpeername4)]
pub fn socket_accepted4(context: SockAddrContext) -> i32 {
    hold(&context, false);
    ALLOW
}

/// As [`socket_accepted4`], for IPv6.
#[cgroup_sock_addr(getpeername6)]
pub fn socket_accepted6(context: SockAddrContext) -> i32 {
    hold(&context, false);
    ALLOW
}

#[inline(always)]
fn cookie(context: &impl EbpfContext) -> u64 {
    // SAFETY: the kernel hands every program a valid context.
    unsafe { bpf_get_socket_cookie(context.as_ptr()) }
}

#[inline(always)]
fn is_stream(context: &SockContext) -> bool {
    // SAFETY: the kernel hands every program a valid context.
    unsafe { (*context.sock).type_ == STREAM }
}

/// Writes down who bound a socket, and for TCP at the socket itself which it is: a connection that
/// it takes in is known by it, see [`crate::tcp`].
#[inline(always)]
fn bound(context: &SockContext) {
    let mut cookie = cookie(context);
    put(cookie, OwnerHow::Inherited);
    if !is_stream(context) {
        return;
    }
    // SAFETY: the map is of sockets, the context is one to the kernel, and the value is a number as
    // the map has. Without memory for it, what it takes in stays unknown until it is accepted.
    unsafe {
        bpf_sk_storage_get(
            (&raw const COOKIES).cast_mut().cast(),
            context.as_ptr(),
            (&raw mut cookie).cast(),
            BPF_SK_STORAGE_GET_F_CREATE.into(),
        );
    }
}

/// Writes down the process at hand as the owner.
#[inline(always)]
fn put(cookie: u64, how: OwnerHow) {
    store(cookie, &at_hand(how));
}

/// Notes that the process at hand uses a socket that may be known already. One who sends may be
/// another than before; one who asks for the peer's address owns what nobody else has claimed.
#[inline(always)]
fn hold(context: &impl EbpfContext, sends: bool) {
    let cookie = cookie(context);
    let process = (bpf_get_current_pid_tgid() >> 32) as u32;
    let Some(known) = SOCKETS.get_ptr_mut(&cookie) else {
        put(cookie, OwnerHow::Exact);
        return;
    };
    // SAFETY: the entry stays readable until the program ends (RCU); whoever writes last is right.
    let known = unsafe { &mut *known };
    let exact = known.how == OwnerHow::Exact as u8;
    if exact && (!sends || known.process == process) {
        return;
    }
    let mut socket = at_hand(OwnerHow::Exact);
    socket.handshake_rtt = known.handshake_rtt;
    socket.rtt = known.rtt;
    socket.retransmits = known.retransmits;
    socket.measured = known.measured;
    *known = socket;
}

/// Puts a socket, in the place of what was known of it.
#[inline(always)]
pub(crate) fn store(cookie: u64, socket: &Socket) {
    // First as a new one, which nearly all are: so it is counted without looking it up.
    let slot = match SOCKETS.insert(&cookie, socket, BPF_NOEXIST.into()) {
        Ok(()) => SocketCount::Added,
        Err(EXISTS) if SOCKETS.insert(&cookie, socket, 0).is_ok() => return,
        Err(_) => SocketCount::Refused,
    };
    if let Some(count) = SOCKET_COUNTS.get_ptr_mut(slot as u32) {
        // SAFETY: the slot belongs to this CPU; the programs are not preempted by one another.
        unsafe { *count += 1 };
    }
}

/// The process that runs now.
#[inline(always)]
fn at_hand(how: OwnerHow) -> Socket {
    let (ids, owners) = (bpf_get_current_pid_tgid(), bpf_get_current_uid_gid());
    Socket {
        // SAFETY: reads the clock, takes no argument.
        seen: unsafe { bpf_ktime_get_coarse_ns() },
        started: started(),
        // SAFETY: reads the current task, takes no argument.
        cgroup: unsafe { bpf_get_current_cgroup_id() },
        process: (ids >> 32) as u32,
        thread: ids as u32,
        user: owners as u32,
        group: (owners >> 32) as u32,
        name: bpf_get_current_comm().unwrap_or_default(),
        handshake_rtt: 0,
        rtt: 0,
        retransmits: 0,
        how: how as u8,
        measured: 0,
        pad: [0; 2],
    }
}

/// When the process started; 0 where that cannot be read.
#[inline(always)]
fn started() -> u64 {
    // SAFETY: in bounds; volatile, since the loader rewrites the section.
    let [leader_at, started_at] = unsafe { core::ptr::read_volatile(&raw const TASK) };
    if started_at == 0 {
        return 0;
    }
    // SAFETY: the offsets are the running kernel's; reading through the helper cannot fault.
    unsafe {
        let task = bpf_get_current_task();
        bpf_probe_read_kernel((task + leader_at) as *const u64)
            .and_then(|leader| bpf_probe_read_kernel((leader + started_at) as *const u64))
            .unwrap_or(0)
    }
}
