//! TCP flags: header bits, message fields, text.

use flowd_proto::flow::TcpFlags;

/// Name and bit of each flag, in the order the summary prints them.
const PRINTED: [(&str, u8); 8] = [
    ("SYN", 0x02),
    ("ACK", 0x10),
    ("RST", 0x04),
    ("FIN", 0x01),
    ("PSH", 0x08),
    ("URG", 0x20),
    ("ECE", 0x40),
    ("CWR", 0x80),
];

/// The message of the header's low byte.
pub fn message(bits: u8) -> TcpFlags {
    let has = |bit: u8| bits & bit != 0;
    TcpFlags {
        fin: has(0x01),
        syn: has(0x02),
        rst: has(0x04),
        psh: has(0x08),
        ack: has(0x10),
        urg: has(0x20),
        ece: has(0x40),
        cwr: has(0x80),
        ns: false,
    }
}

/// The bits of a message; NS is bit 8.
pub fn bits(flags: &TcpFlags) -> u16 {
    [
        flags.fin, flags.syn, flags.rst, flags.psh, flags.ack, flags.urg, flags.ece, flags.cwr,
        flags.ns,
    ]
    .into_iter()
    .enumerate()
    .fold(0, |bits, (index, set)| bits | (u16::from(set) << index))
}

/// The text clients print, `TCP Flags: SYN, ACK`.
pub fn summary(bits: u8) -> String {
    let mut text = String::with_capacity(24);
    text.push_str("TCP Flags: ");
    let mut first = true;
    for (name, bit) in PRINTED {
        if bits & bit != 0 {
            if !first {
                text.push_str(", ");
            }
            text.push_str(name);
            first = false;
        }
    }
    text
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn bits_survive_the_message() {
        for low in 0..=u8::MAX {
            assert_eq!(bits(&message(low)), u16::from(low));
        }
    }

    #[test]
    fn the_order_is_hubbles() {
        assert_eq!(summary(0x12), "TCP Flags: SYN, ACK");
        assert_eq!(
            summary(0xff),
            "TCP Flags: SYN, ACK, RST, FIN, PSH, URG, ECE, CWR"
        );
        assert_eq!(summary(0), "TCP Flags: ");
    }
}
