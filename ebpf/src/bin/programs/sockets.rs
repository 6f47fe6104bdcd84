//! Whose socket it is: programs of a control group, run by the kernel when a process in it opens,
//! binds, connects, accepts or sends. They write down what they see and never decide: each lets
//! its system call go on.

use aya_ebpf::{
    EbpfContext,
    bindings::BPF_SOCK_OPS_STATE_CB_FLAG,
    helpers::{
        bpf_get_current_cgroup_id, bpf_get_current_comm, bpf_get_current_pid_tgid,
        bpf_get_current_task, bpf_get_current_uid_gid, bpf_get_netns_cookie, bpf_get_socket_cookie,
        bpf_ktime_get_ns, bpf_probe_read_kernel, bpf_sock_ops_cb_flags_set,
    },
    macros::{cgroup_sock, cgroup_sock_addr, sock_ops},
    programs::{SockAddrContext, SockContext, SockOpsContext},
};
use flowd_abi::{Address, Listener, ListenerKey, OwnerHow, Socket, SocketCount};

use crate::maps::{LISTENERS, SOCKET_COUNTS, SOCKETS};

/// The system call goes on.
const ALLOW: i32 = 1;
/// `SOCK_STREAM` (linux/net.h).
const STREAM: u32 = 1;
/// `AF_INET` (linux/socket.h).
const INET: u32 = 2;

/// Calls of `sock_ops` and states of TCP (linux/bpf.h).
mod tcp {
    pub(super) const ACTIVE_ESTABLISHED: u32 = 4;
    pub(super) const PASSIVE_ESTABLISHED: u32 = 5;
    pub(super) const STATE: u32 = 10;
    pub(super) const LISTENING: u32 = 11;
    pub(super) const LISTEN_STATE: u32 = 10;
}

/// Where a task keeps its thread group's leader and when it started, in bytes; set by the loader
/// from the running kernel's type information. Zeros: not known.
#[unsafe(no_mangle)]
static TASK: [u64; 2] = [0; 2];

/// A socket is opened. TCP's are written down when they connect, listen or accept.
#[cgroup_sock(sock_create)]
pub fn socket_opened(context: SockContext) -> i32 {
    // SAFETY: the kernel hands every program a valid context.
    if unsafe { (*context.sock).type_ } != STREAM {
        put(&context, OwnerHow::Inherited);
    }
    ALLOW
}

/// A socket is bound: it may come to listen.
#[cgroup_sock(post_bind4)]
pub fn socket_bound4(context: SockContext) -> i32 {
    put(&context, OwnerHow::Inherited);
    ALLOW
}

/// As [`socket_bound4`], for IPv6.
#[cgroup_sock(post_bind6)]
pub fn socket_bound6(context: SockContext) -> i32 {
    put(&context, OwnerHow::Inherited);
    ALLOW
}

/// A socket is connected.
#[cgroup_sock_addr(connect4)]
pub fn socket_connected4(context: SockAddrContext) -> i32 {
    put(&context, OwnerHow::Exact);
    ALLOW
}

/// As [`socket_connected4`], for IPv6.
#[cgroup_sock_addr(connect6)]
pub fn socket_connected6(context: SockAddrContext) -> i32 {
    put(&context, OwnerHow::Exact);
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

/// A step in the life of a TCP socket. Except for listening, no process is at hand.
#[sock_ops]
pub fn socket_stepped(context: SockOpsContext) -> u32 {
    match context.op() {
        tcp::ACTIVE_ESTABLISHED => established(&context, false),
        tcp::PASSIVE_ESTABLISHED => established(&context, true),
        tcp::LISTENING => listens(&context),
        tcp::STATE if context.arg(0) == tcp::LISTEN_STATE => listens_no_more(&context),
        tcp::STATE => measure(&context, cookie(&context), false),
        _ => {}
    }
    1
}

#[inline(always)]
fn cookie(context: &impl EbpfContext) -> u64 {
    // SAFETY: the kernel hands every program a valid context.
    unsafe { bpf_get_socket_cookie(context.as_ptr()) }
}

/// Writes down the process at hand as the owner.
#[inline(always)]
fn put(context: &impl EbpfContext, how: OwnerHow) {
    let cookie = cookie(context);
    let mut socket = at_hand(how);
    // SAFETY: the kernel hands every program a valid context.
    socket.namespace = unsafe { bpf_get_netns_cookie(context.as_ptr()) };
    let known = SOCKETS.get_ptr(&cookie).is_some();
    store(cookie, &socket, known);
}

/// Notes that the process at hand uses a socket that may be known already. One who sends may be
/// another than before; one who asks for the peer's address owns what nobody else has claimed.
#[inline(always)]
fn hold(context: &impl EbpfContext, sends: bool) {
    let cookie = cookie(context);
    let process = (bpf_get_current_pid_tgid() >> 32) as u32;
    let Some(known) = SOCKETS.get_ptr_mut(&cookie) else {
        put(context, OwnerHow::Exact);
        return;
    };
    // SAFETY: the entry stays readable until the program ends (RCU); whoever writes last is right.
    let known = unsafe { &mut *known };
    let exact = known.how == OwnerHow::Exact as u8;
    if exact && (!sends || known.process == process) {
        return;
    }
    let mut socket = at_hand(OwnerHow::Exact);
    socket.namespace = known.namespace;
    socket.handshake_rtt = known.handshake_rtt;
    socket.rtt = known.rtt;
    socket.retransmits = known.retransmits;
    socket.measured = known.measured;
    *known = socket;
}

#[inline(always)]
fn store(cookie: u64, socket: &Socket, known: bool) {
    let slot = match SOCKETS.insert(&cookie, socket, 0) {
        Ok(()) if known => return,
        Ok(()) => SocketCount::Added,
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
        seen: unsafe { bpf_ktime_get_ns() },
        started: started(),
        // SAFETY: reads the current task, takes no argument.
        cgroup: unsafe { bpf_get_current_cgroup_id() },
        namespace: 0,
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

/// A connection is established: what its handshake took, and for one from outside, who listens.
#[inline(always)]
fn established(context: &SockOpsContext, passive: bool) {
    let cookie = cookie(context);
    if passive && SOCKETS.get_ptr(&cookie).is_none() {
        let mut socket = listener(context).unwrap_or_default();
        socket.handshake_rtt = 0;
        socket.rtt = 0;
        socket.retransmits = 0;
        store(cookie, &socket, false);
    }
    measure(context, cookie, true);
    watch(context);
}

/// Asks to be called at every change of state.
#[inline(always)]
fn watch(context: &SockOpsContext) {
    let flags = context.cb_flags() | BPF_SOCK_OPS_STATE_CB_FLAG;
    // SAFETY: the kernel hands every program a valid context. A refusal costs the numbers only.
    let _ = unsafe { bpf_sock_ops_cb_flags_set(context.ops, flags as i32) };
}

/// Takes down TCP's numbers.
#[inline(always)]
fn measure(context: &SockOpsContext, cookie: u64, handshake: bool) {
    let Some(socket) = SOCKETS.get_ptr_mut(&cookie) else {
        return;
    };
    // SAFETY: the kernel hands every program a valid context, and the entry stays readable until
    // the program ends; whoever writes last is right. The kernel counts in eighths.
    unsafe {
        let rtt = (*context.ops).srtt_us >> 3;
        if handshake {
            (*socket).handshake_rtt = rtt;
        }
        (*socket).rtt = rtt;
        (*socket).retransmits = (*context.ops).total_retrans;
        (*socket).measured = 1;
    }
}

#[inline(always)]
fn listener_key(context: &SockOpsContext) -> ListenerKey {
    let mut address = Address::default();
    if context.family() == INET {
        address = Address::v4(context.local_ip4().to_ne_bytes());
        if context.local_ip4() == 0 {
            address = Address::default();
        }
    } else {
        let [a, b, c, d] = context.local_ip6().map(u32::to_ne_bytes);
        address.0 = [
            a[0], a[1], a[2], a[3], b[0], b[1], b[2], b[3], c[0], c[1], c[2], c[3], d[0], d[1],
            d[2], d[3],
        ];
    }
    ListenerKey {
        // SAFETY: the kernel hands every program a valid context.
        namespace: unsafe { bpf_get_netns_cookie(context.as_ptr()) },
        address,
        port: context.local_port(),
        pad: 0,
    }
}

/// A socket begins to listen. Where another process's does already, neither can be named.
#[inline(always)]
fn listens(context: &SockOpsContext) {
    let key = listener_key(context);
    let cookie = cookie(context);
    let process = |cookie: u64| {
        // SAFETY: read once; an entry that changes under it names another process, or none.
        SOCKETS
            .get_ptr(&cookie)
            .map(|socket| unsafe { (*socket).process })
    };
    let mut listener = Listener {
        socket: cookie,
        shared: 0,
    };
    if let Some(other) = LISTENERS.get_ptr(&key) {
        // SAFETY: entries are written whole, by insert.
        let other = unsafe { *other };
        if other.shared != 0 || process(other.socket) != process(cookie) {
            listener.shared = 1;
        }
    }
    // Without room an accepted connection stays unknown until its process asks for its peer.
    let _ = LISTENERS.insert(&key, &listener, 0);
    watch(context);
}

#[inline(always)]
fn listens_no_more(context: &SockOpsContext) {
    let key = listener_key(context);
    let cookie = cookie(context);
    // SAFETY: entries are written whole, by insert.
    let ours = LISTENERS
        .get_ptr(&key)
        .is_some_and(|listener| unsafe { (*listener).socket } == cookie);
    if ours {
        // Gone already is as good.
        let _ = LISTENERS.remove(&key);
    }
}

/// Who listens where this connection came in.
#[inline(always)]
fn listener(context: &SockOpsContext) -> Option<Socket> {
    let mut key = listener_key(context);
    let found = match LISTENERS.get_ptr(&key) {
        Some(found) => found,
        None => {
            key.address = Address::default();
            LISTENERS.get_ptr(&key)?
        }
    };
    // SAFETY: entries are written whole, by insert.
    let found = unsafe { *found };
    if found.shared != 0 {
        return None;
    }
    // SAFETY: as for every socket: whoever writes last is right.
    let mut socket = unsafe { *SOCKETS.get_ptr(&found.socket)? };
    socket.how = OwnerHow::Inherited as u8;
    Some(socket)
}
