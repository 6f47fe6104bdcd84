//! The uuid of a flow: a random number of this run and the position in the log.
//!
//! Version 8 of RFC 9562: 60 random bits, then 62 bits of position. A filter on a uuid is one
//! comparison, and no flow has to store it.

use uuid::{Builder, Uuid};

const POSITION_BITS: u64 = (1 << 62) - 1;

/// The random half of the uuids of a run.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Boot(u64);

impl Boot {
    /// A new run's.
    pub fn random() -> Self {
        Self(Uuid::new_v4().as_u64_pair().0)
    }

    /// Of a known number, for tests.
    pub const fn fixed(number: u64) -> Self {
        Self(number)
    }

    /// The uuid of the flow at this position.
    pub fn uuid(self, seq: u64) -> Uuid {
        let bytes = (u128::from(self.0) << 64) | u128::from(seq & POSITION_BITS);
        Builder::from_custom_bytes(bytes.to_be_bytes()).into_uuid()
    }

    /// The position of the flow with this uuid, `None` when it is no flow of this run. Exact:
    /// another spelling of the same uuid is another text.
    pub fn seq_of(self, text: &str) -> Option<u64> {
        let seq = Uuid::try_parse(text).ok()?.as_u64_pair().1 & POSITION_BITS;
        let mut buffer = Uuid::encode_buffer();
        let ours = &*self.uuid(seq).hyphenated().encode_lower(&mut buffer);
        (ours == text).then_some(seq)
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_uuid_gives_its_position_back() {
        let boot = Boot::random();
        for seq in [0, 1, 77, u64::from(u32::MAX), POSITION_BITS] {
            assert_eq!(boot.seq_of(&boot.uuid(seq).to_string()), Some(seq));
        }
        let other = Boot::fixed(0x1234_5678_9abc_def0);
        assert_eq!(other.seq_of(&boot.uuid(1).to_string()), None);
        assert_eq!(boot.seq_of(&boot.uuid(1).to_string().to_uppercase()), None);
        assert_eq!(boot.seq_of("no uuid"), None);
    }
}
