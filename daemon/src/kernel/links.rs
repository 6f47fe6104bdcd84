//! The network devices of a namespace, by netlink (rtnetlink(7)).

use std::{collections::HashMap, io, net::IpAddr};

use futures_util::TryStreamExt as _;
use rtnetlink::packet_route::{address::AddressAttribute, link::LinkAttribute};

use super::namespace::Namespace;

/// One device.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Link {
    /// Its number in its namespace.
    pub index: u32,
    /// Its name.
    pub name: String,
    /// Number of the device at the other end (veth), in that one's namespace; 0 for none.
    pub peer: u32,
    /// Whether it is the loopback device.
    pub loopback: bool,
    /// Its addresses.
    pub addresses: Vec<IpAddr>,
}

/// Every device of a namespace.
///
/// # Errors
///
/// When the namespace cannot be entered or netlink fails.
pub fn list(namespace: &Namespace) -> io::Result<Vec<Link>> {
    namespace.run(|| {
        // A runtime of its own: the socket must be made on the thread that entered the namespace.
        tokio::runtime::Builder::new_current_thread()
            .enable_io()
            .build()?
            .block_on(dump())
    })?
}

async fn dump() -> io::Result<Vec<Link>> {
    let (connection, handle, _) = rtnetlink::new_connection()?;
    let connection = tokio::spawn(connection);
    let mut links = Vec::new();
    let mut messages = handle.link().get().execute();
    while let Some(message) = messages.try_next().await.map_err(io::Error::other)? {
        let mut link = Link {
            index: message.header.index,
            name: String::new(),
            peer: 0,
            loopback: message.header.link_layer_type
                == rtnetlink::packet_route::link::LinkLayerType::Loopback,
            addresses: Vec::new(),
        };
        for attribute in message.attributes {
            if let LinkAttribute::IfName(name) = attribute {
                link.name = name;
            } else if let LinkAttribute::Link(peer) = attribute {
                link.peer = peer;
            }
        }
        links.push(link);
    }
    let places: HashMap<u32, usize> = links.iter().map(|link| link.index).zip(0..).collect();
    let mut messages = handle.address().get().execute();
    while let Some(message) = messages.try_next().await.map_err(io::Error::other)? {
        let Some(place) = places.get(&message.header.index) else {
            continue;
        };
        for attribute in message.attributes {
            if let AddressAttribute::Address(address) = attribute {
                links[*place].addresses.push(address);
            }
        }
    }
    connection.abort();
    Ok(links)
}
