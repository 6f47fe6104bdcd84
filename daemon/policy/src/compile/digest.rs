//! A number that tells whether a compiled policy, or what a kernel table holds, has changed.

use flowd_abi::{PolicyEntry, PolicyKey};

use super::{Compiled, CompiledDirection};

/// FNV-1a with 64 bits: stable over builds and restarts, and no secret depends on it.
#[derive(Clone, Copy, Debug)]
pub struct Digest(u64);

impl Digest {
    /// The digest of nothing.
    pub const fn new() -> Self {
        Self(0xcbf2_9ce4_8422_2325)
    }

    /// Adds one entry; the policy id is left out, so that the digest is that of the content.
    pub fn add(&mut self, key: &PolicyKey, value: &PolicyEntry) {
        let [_, _, _, _, data @ ..] = key.data();
        self.bytes(&key.prefix.to_le_bytes());
        self.bytes(&data);
        self.bytes(&value.precedence.to_le_bytes());
        self.bytes(&value.rule.to_le_bytes());
        self.bytes(&[value.action, value.prefix]);
    }

    /// The number.
    pub const fn value(self) -> u64 {
        self.0
    }

    fn bytes(&mut self, bytes: &[u8]) {
        for byte in bytes {
            self.0 = (self.0 ^ u64::from(*byte)).wrapping_mul(0x0100_0000_01b3);
        }
    }
}

impl Default for Digest {
    fn default() -> Self {
        Self::new()
    }
}

impl CompiledDirection {
    /// The digest of the entries, in their order.
    pub fn digest(&self) -> u64 {
        let mut digest = Digest::new();
        for entry in &self.entries {
            digest.add(&entry.key, &entry.value);
        }
        digest.value()
    }
}

impl Compiled {
    /// A digest of both directions; an unenforced direction differs from an empty one.
    pub fn digest(&self) -> u64 {
        let mut digest = Digest::new();
        for direction in [&self.ingress, &self.egress] {
            match direction {
                None => digest.bytes(&[0]),
                Some(direction) => {
                    digest.bytes(&[1]);
                    digest.bytes(&direction.digest().to_le_bytes());
                }
            }
        }
        digest.value()
    }
}
