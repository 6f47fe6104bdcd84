//! Telling that devices or addresses of a namespace change, by the multicast groups of rtnetlink(7).
//!
//! What a message says does not matter: whoever is woken looks at everything.

use std::{io, os::fd::OwnedFd, sync::mpsc::Sender, thread, time::Duration};

use rustix::{
    io::Errno,
    net::{
        AddressFamily, RecvFlags, SocketFlags, SocketType, bind, netlink::SocketAddrNetlink, recv,
        socket_with,
    },
};

use super::namespace::Namespace;

/// `RTMGRP_LINK`, `RTMGRP_IPV4_IFADDR` and `RTMGRP_IPV6_IFADDR` (linux/rtnetlink.h).
const GROUPS: u32 = 0x1 | 0x10 | 0x100;
/// Between two wake-ups: a burst of messages is one or two.
const HOLD: Duration = Duration::from_millis(100);
/// Messages dropped between two wake-ups, at most, before the next one.
const BURST: usize = 4_096;

/// Sends a wake-up whenever something changes, until nobody listens any more.
///
/// # Errors
///
/// When the namespace cannot be entered or netlink refuses; the periodic look still finds what
/// changes.
pub fn watch(namespace: &Namespace, wake: Sender<()>) -> io::Result<()> {
    let socket = namespace.run(subscribe)??;
    thread::Builder::new()
        .name("links".to_owned())
        .spawn(move || follow(&socket, &wake))?;
    Ok(())
}

fn subscribe() -> io::Result<OwnedFd> {
    let (family, kind) = (AddressFamily::NETLINK, SocketType::RAW);
    let socket = socket_with(family, kind, SocketFlags::CLOEXEC, None)?;
    bind(&socket, &SocketAddrNetlink::new(0, GROUPS))?;
    Ok(socket)
}

fn follow(socket: &OwnedFd, wake: &Sender<()>) {
    while heard(socket, RecvFlags::empty()) {
        loop {
            if wake.send(()).is_err() {
                return;
            }
            thread::sleep(HOLD);
            // What came meanwhile may be newer than what was looked at.
            let more = (0..BURST).take_while(|_| heard(socket, RecvFlags::DONTWAIT));
            if more.count() == 0 {
                break;
            }
        }
    }
}

/// Takes one message; that some did not fit the socket is one as well.
fn heard(socket: &OwnedFd, flags: RecvFlags) -> bool {
    let mut message = [0; 8_192];
    loop {
        match recv(socket, &mut message[..], flags) {
            Ok(_) | Err(Errno::NOBUFS) => return true,
            Err(Errno::INTR) => {}
            Err(Errno::AGAIN) => return false,
            Err(error) => {
                tracing::warn!(%error, "devices cannot be watched any more; they are looked at now and then");
                return false;
            }
        }
    }
}

#[cfg(test)]
mod tests {
    use std::{process::Command, sync::mpsc};

    use super::*;

    fn ip(line: &str) {
        let done = Command::new("ip").args(line.split(' ')).status();
        assert!(done.expect("ip runs").success(), "ip {line}");
    }

    #[test]
    fn a_new_device_and_a_new_address_wake_whoever_waits() {
        let (wake, woken) = mpsc::channel();
        let name = format!("fdev-{}", std::process::id());
        ip(&format!("netns add {name}"));
        let inside = Namespace::at(std::path::Path::new(&name));
        watch(&inside, wake).expect("watched");
        let patience = Duration::from_secs(20);
        ip(&format!("-n {name} link add one type veth peer name two"));
        woken.recv_timeout(patience).expect("a device is told");
        while woken.recv_timeout(5 * HOLD).is_ok() {}
        ip(&format!("-n {name} addr add 10.0.0.1/32 dev one"));
        woken.recv_timeout(patience).expect("an address is told");
        ip(&format!("netns del {name}"));
    }
}
