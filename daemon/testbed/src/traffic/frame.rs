//! Raw Ethernet frames, for packets no honest socket would send.

use std::io::{Error, ErrorKind, Result};
use std::os::fd::AsRawFd;

use nix::ifaddrs::getifaddrs;
use nix::sys::socket::{AddressFamily, LinkAddr, MsgFlags, SockFlag, SockType, sendto, socket};

use crate::Namespace;

/// Sends whole Ethernet frames out of `interface` of `namespace`, as they are. Stops at the first the kernel
/// refuses.
pub fn send_frames(
    namespace: &Namespace,
    interface: &str,
    frames: impl IntoIterator<Item = Vec<u8>> + Send,
) -> Result<usize> {
    namespace.run(|| {
        let device = device(interface)?;
        let raw = socket(
            AddressFamily::Packet,
            SockType::Raw,
            SockFlag::SOCK_CLOEXEC,
            None,
        )?;
        let mut sent = 0;
        for frame in frames {
            sendto(raw.as_raw_fd(), &frame, &device, MsgFlags::empty())?;
            sent += 1;
        }
        Ok(sent)
    })?
}

/// The link-layer address of the interface, which carries its index.
fn device(interface: &str) -> Result<LinkAddr> {
    getifaddrs()?
        .filter(|entry| entry.interface_name == interface)
        .find_map(|entry| entry.address?.as_link_addr().copied())
        .ok_or_else(|| Error::new(ErrorKind::NotFound, format!("no interface {interface}")))
}
