//! The patterns of `matches`: compiled once, and paid for by their size.

use regex::{Regex, RegexBuilder};

/// Sizes a compiled pattern may have, in bytes, and the steps a byte of text then costs. Matching
/// takes time linear in the text, times the size at worst.
const SIZES: [(usize, u32); 3] = [(16 << 10, 1), (64 << 10, 4), (256 << 10, 12)];

/// A compiled pattern.
#[derive(Debug)]
pub(super) struct Pattern {
    pub(super) regex: Regex,
    /// Steps for a byte of text.
    per_byte: u32,
}

impl Pattern {
    /// Compiles a pattern.
    pub(super) fn compile(text: &str) -> Result<Self, String> {
        let mut wrong = String::new();
        for (size, per_byte) in SIZES {
            let built = RegexBuilder::new(text)
                .size_limit(size)
                .dfa_size_limit(size)
                .build();
            match built {
                Ok(regex) => return Ok(Self { regex, per_byte }),
                Err(error) => wrong = error.to_string(),
            }
        }
        Err(wrong.lines().last().unwrap_or_default().to_owned())
    }

    /// Steps that it takes to look for it in a text of this length.
    pub(super) fn price(&self, length: usize) -> u32 {
        let length = u32::try_from(length).unwrap_or(u32::MAX);
        length.saturating_mul(self.per_byte)
    }
}
