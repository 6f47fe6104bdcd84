//! Bytes from a ring to a [`Judged`] event: pure, safe, total.
//!
//! A record of the wrong length or with a number this build does not know is an error that the
//! caller counts; it is never turned into something it did not say.

use flowd_abi::{Address, Event, EventKind, Verdict};
use thiserror::Error;

use super::record::Judged;

/// Bytes of one event.
pub const EVENT_LEN: usize = size_of::<Event>();

/// Why a ring record is no event.
#[derive(Clone, Copy, Debug, Error, PartialEq, Eq)]
pub enum DecodeError {
    /// The record does not have the length of an event.
    #[error(
        "a ring record of {0} bytes instead of {EVENT_LEN}: programs of another ABI are loaded"
    )]
    Length(usize),
    /// The kind is none of ours.
    #[error("unknown event kind {0}")]
    Kind(u8),
    /// Verdict and reason are no pair of ours.
    #[error("unknown verdict {verdict} with reason {reason}")]
    Verdict {
        /// Verdict number.
        verdict: u8,
        /// Reason number.
        reason: u8,
    },
    /// The direction is none of ours.
    #[error("unknown direction {0}")]
    Direction(u8),
    /// A drop whose verdict says that the packet passed.
    #[error("an event of kind {0:?} with the verdict to forward")]
    Contradiction(EventKind),
}

/// Reads one ring record.
///
/// # Errors
///
/// When the bytes are no event of this ABI.
pub fn decode(bytes: &[u8]) -> Result<Judged, DecodeError> {
    let mut fields = Fields(bytes);
    let event = match (bytes.len(), fields.event()) {
        (EVENT_LEN, Some(event)) => event,
        (length, _) => return Err(DecodeError::Length(length)),
    };
    let kind = EventKind::from_number(event.kind).ok_or(DecodeError::Kind(event.kind))?;
    let verdict = event.verdict().ok_or(DecodeError::Verdict {
        verdict: event.verdict,
        reason: event.reason,
    })?;
    let direction = event
        .direction()
        .ok_or(DecodeError::Direction(event.direction))?;
    let dropped = matches!(kind, EventKind::Drop | EventKind::Drops);
    if dropped && matches!(verdict, Verdict::Forward(_)) {
        return Err(DecodeError::Contradiction(kind));
    }
    Ok(Judged {
        event,
        kind,
        verdict,
        direction,
    })
}

/// The rest of a record; every read takes its bytes off the front or says that there are too few.
struct Fields<'a>(&'a [u8]);

impl Fields<'_> {
    #[inline(always)]
    fn take<const N: usize>(&mut self) -> Option<[u8; N]> {
        let (head, rest) = self.0.split_first_chunk::<N>()?;
        self.0 = rest;
        Some(*head)
    }

    #[inline(always)]
    fn u64(&mut self) -> Option<u64> {
        self.take().map(u64::from_ne_bytes)
    }

    #[inline(always)]
    fn u32(&mut self) -> Option<u32> {
        self.take().map(u32::from_ne_bytes)
    }

    #[inline(always)]
    fn u16(&mut self) -> Option<u16> {
        self.take().map(u16::from_ne_bytes)
    }

    #[inline(always)]
    fn u8(&mut self) -> Option<u8> {
        self.take().map(|[byte]: [u8; 1]| byte)
    }

    /// Struct fields are evaluated in the order written: the order of the layout.
    #[inline(always)]
    fn event(&mut self) -> Option<Event> {
        Some(Event {
            time: self.u64()?,
            created: self.u64()?,
            local: Address(self.take()?),
            remote: Address(self.take()?),
            sent_packets: self.u64()?,
            sent_bytes: self.u64()?,
            received_packets: self.u64()?,
            received_bytes: self.u64()?,
            socket: self.u64()?,
            endpoint: self.u32()?,
            peer_identity: self.u32()?,
            peer_class: self.u32()?,
            rule: self.u32()?,
            policy: self.u32()?,
            generation: self.u32()?,
            ifindex: self.u32()?,
            length: self.u32()?,
            local_port: self.u16()?,
            remote_port: self.u16()?,
            ethertype: self.u16()?,
            protocol: self.u8()?,
            kind: self.u8()?,
            verdict: self.u8()?,
            reason: self.u8()?,
            direction: self.u8()?,
            origin: self.u8()?,
            state: self.u8()?,
            tcp_flags: self.u8()?,
            icmp_type: self.u8()?,
            icmp_code: self.u8()?,
            flags: self.u8()?,
            match_type: self.u8()?,
            source_mac: self.take()?,
            destination_mac: self.take()?,
            kernel_reason: self.u16()?,
        })
    }
}

#[cfg(test)]
mod tests {
    use flowd_abi::{Direction, DropReason, ForwardReason};

    use super::*;
    use crate::flow::record::testing::opened;

    #[test]
    fn every_field_survives() {
        let mut event = opened();
        event.kernel_reason = 3;
        let judged = decode(&event.to_bytes()).unwrap();
        assert_eq!(judged.event, event);
        assert_eq!(judged.kind, EventKind::Open);
        assert_eq!(judged.verdict, Verdict::Forward(ForwardReason::Allowed));
        assert_eq!(judged.direction, Direction::Egress);
    }

    #[test]
    fn every_truncation_is_told() {
        let bytes = opened().to_bytes().to_vec();
        for length in 0..bytes.len() {
            assert_eq!(decode(&bytes[..length]), Err(DecodeError::Length(length)));
        }
        let mut longer = bytes.clone();
        longer.push(0);
        assert_eq!(decode(&longer), Err(DecodeError::Length(EVENT_LEN + 1)));
    }

    #[test]
    fn unknown_numbers_are_told() {
        let wrong = |change: fn(&mut Event)| {
            let mut event = opened();
            change(&mut event);
            decode(&event.to_bytes()).unwrap_err()
        };
        assert_eq!(wrong(|event| event.kind = 0), DecodeError::Kind(0));
        assert_eq!(wrong(|event| event.kind = 99), DecodeError::Kind(99));
        assert_eq!(
            wrong(|event| event.direction = 3),
            DecodeError::Direction(3)
        );
        assert_eq!(
            wrong(|event| event.reason = 200),
            DecodeError::Verdict {
                verdict: 1,
                reason: 200
            }
        );
        assert_eq!(
            wrong(|event| event.kind = EventKind::Drop as u8),
            DecodeError::Contradiction(EventKind::Drop)
        );
    }

    #[test]
    fn a_drop_is_read_with_its_reason() {
        let mut event = opened();
        event.kind = EventKind::Drops as u8;
        (event.verdict, event.reason) = Verdict::Drop(DropReason::TableFull).to_numbers();
        assert_eq!(
            decode(&event.to_bytes()).unwrap().verdict,
            Verdict::Drop(DropReason::TableFull)
        );
    }

    proptest::proptest! {
        /// Any bytes are an event that says the same again, or an error.
        #[test]
        fn any_bytes_are_an_event_or_an_error(bytes in proptest::collection::vec(0_u8.., 0..200)) {
            if let Ok(judged) = decode(&bytes) {
                proptest::prop_assert_eq!(judged.event.to_bytes().to_vec(), bytes);
            }
        }

        #[test]
        fn any_numbers_in_a_record_are_an_event_or_an_error(
            mut bytes in proptest::collection::vec(0_u8.., EVENT_LEN),
            kind in 0_u8..9, verdict in 0_u8..5, reason in 0_u8..11, direction in 0_u8..4,
        ) {
            let at = std::mem::offset_of!(Event, kind);
            bytes[at..at + 4].copy_from_slice(&[kind, verdict, reason, direction]);
            match decode(&bytes) {
                Ok(judged) => proptest::prop_assert_eq!(judged.event.to_bytes().to_vec(), bytes),
                Err(error) => proptest::prop_assert!(!matches!(error, DecodeError::Length(_))),
            }
        }
    }
}
