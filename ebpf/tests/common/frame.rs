//! Packets, well formed unless asked otherwise.

use std::net::IpAddr;

use flowd_abi::{Address, protocol};

/// Hardware address of the workload's device.
pub const WORKLOAD_MAC: [u8; 6] = [2, 0, 0, 0, 0, 1];
/// Hardware address of the host's side.
pub const HOST_MAC: [u8; 6] = [2, 0, 0, 0, 0, 2];

pub const FIN: u8 = 1;
pub const SYN: u8 = 2;
pub const RST: u8 = 4;
pub const ACK: u8 = 16;

/// An address as the tables hold it.
pub fn address(ip: IpAddr) -> Address {
    match ip {
        IpAddr::V4(ip) => Address::v4(ip.octets()),
        IpAddr::V6(ip) => Address(ip.octets()),
    }
}

/// A part of a fragmented datagram.
#[derive(Clone, Copy, Debug)]
pub struct Part {
    pub id: u32,
    /// In units of eight bytes.
    pub offset: u16,
    pub more: bool,
}

/// An IP packet in the making.
#[derive(Clone, Debug)]
pub struct Ip {
    pub source: IpAddr,
    pub destination: IpAddr,
    pub hop_limit: u8,
    /// IPv4 options, padded to four bytes by the caller.
    pub options: Vec<u8>,
    /// IPv6 extension headers: their number and the whole header, whose first byte is filled in.
    pub extensions: Vec<(u8, Vec<u8>)>,
    pub part: Option<Part>,
    /// VLAN tags, outermost first: tag protocol.
    pub tags: Vec<u16>,
    pub protocol: u8,
    pub body: Vec<u8>,
}

/// A packet from `source` to `destination` with nothing in it yet.
pub fn ip(source: IpAddr, destination: IpAddr) -> Ip {
    Ip {
        source,
        destination,
        hop_limit: 64,
        options: Vec::new(),
        extensions: Vec::new(),
        part: None,
        tags: Vec::new(),
        protocol: 59,
        body: Vec::new(),
    }
}

impl Ip {
    pub fn tcp(self, source_port: u16, destination_port: u16, flags: u8) -> Self {
        let mut body = ports(source_port, destination_port);
        body.extend([0; 8]);
        body.extend([0x50, flags, 0xff, 0xff, 0, 0, 0, 0]);
        self.raw(protocol::TCP, body)
    }

    pub fn udp(self, source_port: u16, destination_port: u16) -> Self {
        let mut body = ports(source_port, destination_port);
        body.extend([0, 12, 0, 0, 1, 2, 3, 4]);
        self.raw(protocol::UDP, body)
    }

    pub fn sctp(self, source_port: u16, destination_port: u16) -> Self {
        let mut body = ports(source_port, destination_port);
        body.extend([0; 12]);
        self.raw(protocol::SCTP, body)
    }

    /// An ICMP or ICMPv6 message, whichever goes with the addresses.
    pub fn icmp(self, icmp_type: u8, icmp_code: u8, id: u16) -> Self {
        let protocol = self.icmp_protocol();
        let [high, low] = id.to_be_bytes();
        self.raw(protocol, vec![icmp_type, icmp_code, 0, 0, high, low, 0, 1])
    }

    /// An echo request.
    pub fn ping(self, id: u16) -> Self {
        let icmp_type = if self.is_v4() { 8 } else { 128 };
        self.icmp(icmp_type, 0, id)
    }

    /// The answer to one.
    pub fn pong(self, id: u16) -> Self {
        let icmp_type = if self.is_v4() { 0 } else { 129 };
        self.icmp(icmp_type, 0, id)
    }

    /// "Destination port unreachable", about a packet of which header and eight bytes are quoted.
    pub fn unreachable(self, about: &Ip) -> Self {
        let (icmp_type, icmp_code) = if self.is_v4() { (3, 3) } else { (1, 4) };
        let mut packet = self.icmp(icmp_type, icmp_code, 0);
        let mut quote = about.datagram();
        quote.truncate(quote.len() - about.body.len() + about.body.len().min(8));
        packet.body[6..8].fill(0);
        packet.body.extend(quote);
        packet
    }

    pub fn raw(mut self, protocol: u8, body: Vec<u8>) -> Self {
        self.protocol = protocol;
        self.body = body;
        self
    }

    pub fn part(mut self, id: u32, offset: u16, more: bool) -> Self {
        self.part = Some(Part { id, offset, more });
        self
    }

    pub fn tagged(mut self, tag_protocol: u16) -> Self {
        self.tags.push(tag_protocol);
        self
    }

    pub fn hop_limit(mut self, hop_limit: u8) -> Self {
        self.hop_limit = hop_limit;
        self
    }

    pub fn options(mut self, options: &[u8]) -> Self {
        self.options = options.to_vec();
        self
    }

    /// An extension header of the smallest size.
    pub fn extension(mut self, number: u8) -> Self {
        self.extensions.push((number, vec![0, 0, 1, 4, 0, 0, 0, 0]));
        self
    }

    /// The frame as it lies on the device; `from_workload` says which hardware address sent it.
    pub fn frame(&self, from_workload: bool) -> Vec<u8> {
        let (destination, source) = if from_workload {
            (HOST_MAC, WORKLOAD_MAC)
        } else {
            (WORKLOAD_MAC, HOST_MAC)
        };
        let mut frame = [destination, source].concat();
        for tag in &self.tags {
            frame.extend(tag.to_be_bytes());
            frame.extend([0, 42]);
        }
        let ethertype: u16 = if self.is_v4() { 0x0800 } else { 0x86dd };
        frame.extend(ethertype.to_be_bytes());
        frame.extend(self.datagram());
        frame
    }

    /// The IP packet alone.
    pub fn datagram(&self) -> Vec<u8> {
        match (self.source, self.destination) {
            (IpAddr::V4(source), IpAddr::V4(destination)) => {
                self.v4(source.octets(), destination.octets())
            }
            (IpAddr::V6(source), IpAddr::V6(destination)) => {
                self.v6(source.octets(), destination.octets())
            }
            _ => panic!("both addresses of a packet are of one version"),
        }
    }

    fn is_v4(&self) -> bool {
        self.source.is_ipv4()
    }

    fn icmp_protocol(&self) -> u8 {
        if self.is_v4() {
            protocol::ICMP
        } else {
            protocol::ICMPV6
        }
    }

    fn v4(&self, source: [u8; 4], destination: [u8; 4]) -> Vec<u8> {
        let header_length = 20 + self.options.len();
        let total = (header_length + self.body.len()) as u16;
        let part = self.part.unwrap_or(Part {
            id: 0,
            offset: 0,
            more: false,
        });
        let fragment = part.offset | if part.more { 0x2000 } else { 0 };
        let mut header = vec![0x40 | (header_length / 4) as u8, 0];
        header.extend(total.to_be_bytes());
        header.extend((part.id as u16).to_be_bytes());
        header.extend(fragment.to_be_bytes());
        header.extend([self.hop_limit, self.protocol, 0, 0]);
        header.extend(source);
        header.extend(destination);
        header.extend(&self.options);
        let sum = checksum(&header);
        header[10..12].copy_from_slice(&sum);
        header.extend(&self.body);
        header
    }

    fn v6(&self, source: [u8; 16], destination: [u8; 16]) -> Vec<u8> {
        let mut chain = self.extensions.clone();
        if let Some(part) = self.part {
            let mut header = vec![0, 0];
            header.extend((part.offset << 3 | u16::from(part.more)).to_be_bytes());
            header.extend(part.id.to_be_bytes());
            chain.push((44, header));
        }
        let mut behind = Vec::new();
        let mut next = self.protocol;
        for (number, header) in chain.iter().rev() {
            let mut header = header.clone();
            header[0] = next;
            next = *number;
            header.extend(behind);
            behind = header;
        }
        behind.extend(&self.body);
        let mut packet = vec![0x60, 0, 0, 0];
        packet.extend((behind.len() as u16).to_be_bytes());
        packet.extend([next, self.hop_limit]);
        packet.extend(source);
        packet.extend(destination);
        packet.extend(behind);
        packet
    }
}

/// A frame that carries something else than IP.
pub fn other(ethertype: u16, body: &[u8]) -> Vec<u8> {
    let mut frame = [HOST_MAC, WORKLOAD_MAC].concat();
    frame.extend(ethertype.to_be_bytes());
    frame.extend(body);
    frame
}

fn ports(source: u16, destination: u16) -> Vec<u8> {
    [source.to_be_bytes(), destination.to_be_bytes()].concat()
}

fn checksum(header: &[u8]) -> [u8; 2] {
    let mut sum: u32 = header
        .chunks(2)
        .map(|pair| u32::from(u16::from_be_bytes([pair[0], pair[1]])))
        .sum();
    while sum > 0xffff {
        sum = (sum & 0xffff) + (sum >> 16);
    }
    (!(sum as u16)).to_be_bytes()
}
