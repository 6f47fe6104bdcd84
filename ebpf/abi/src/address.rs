//! An address as the tables hold it: 16 bytes, IPv4 as v4-mapped IPv6.

/// Sixteen bytes in network order; IPv4 is `::ffff:a.b.c.d`.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, Hash, PartialOrd, Ord)]
#[repr(transparent)]
pub struct Address(pub [u8; 16]);

impl Address {
    /// The v4-mapped form of four bytes in network order.
    #[inline(always)]
    pub const fn v4(bytes: [u8; 4]) -> Self {
        let [a, b, c, d] = bytes;
        Self([0, 0, 0, 0, 0, 0, 0, 0, 0, 0, 0xff, 0xff, a, b, c, d])
    }

    /// Whether this is a v4-mapped address.
    pub fn is_v4(&self) -> bool {
        self.0[..10] == [0; 10] && self.0[10] == 0xff && self.0[11] == 0xff
    }

    /// The last four bytes: the IPv4 address of a v4-mapped one.
    pub const fn v4_bytes(&self) -> [u8; 4] {
        [self.0[12], self.0[13], self.0[14], self.0[15]]
    }

    /// Whether this is an IPv6 link-local unicast address (RFC 4291, section 2.5.6).
    #[inline(always)]
    pub const fn is_link_local_v6(&self) -> bool {
        self.0[0] == 0xfe && self.0[1] & 0xc0 == 0x80
    }

    /// Whether this is the unspecified address `::` (RFC 4291, section 2.5.2).
    #[inline(always)]
    pub fn is_unspecified_v6(&self) -> bool {
        self.0 == [0; 16]
    }
}
