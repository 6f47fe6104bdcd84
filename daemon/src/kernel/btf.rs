//! Where the running kernel keeps a member of a structure and what it calls its numbers, from its own
//! type information (BTF, Documentation/bpf/btf.rst): what is typed in by hand would be another
//! kernel's.

use std::{fs, io, path::Path};

use thiserror::Error;

/// The running kernel's type information.
const VMLINUX: &str = "/sys/kernel/btf/vmlinux";
const MAGIC: u16 = 0xeb9f;
/// Structures inside structures that are looked into for a member.
const DEPTH: u32 = 4;

/// Why an offset is not known.
#[derive(Debug, Error)]
pub enum BtfError {
    /// There is no type information.
    #[error("{VMLINUX}: {0}")]
    Read(#[from] io::Error),
    /// It is none, or of another version.
    #[error("{VMLINUX} cannot be read: {0}")]
    Format(&'static str),
    /// The kernel has no such structure or member.
    #[error("this kernel's {structure} has no {member}")]
    Missing {
        /// The structure.
        structure: &'static str,
        /// Its member.
        member: &'static str,
    },
    /// The kernel has no such enumeration or tracepoint.
    #[error("this kernel has no {0}")]
    Unknown(&'static str),
}

/// Type information of a kernel.
#[derive(Debug)]
pub struct Btf {
    bytes: Vec<u8>,
    /// Where each type begins in `bytes`; the first is type 1.
    types: Vec<usize>,
    strings: usize,
}

/// Kinds of types (linux/btf.h).
mod kind {
    pub(super) const INT: u32 = 1;
    pub(super) const POINTER: u32 = 2;
    pub(super) const ARRAY: u32 = 3;
    pub(super) const STRUCT: u32 = 4;
    pub(super) const UNION: u32 = 5;
    pub(super) const ENUM: u32 = 6;
    pub(super) const TYPEDEF: u32 = 8;
    pub(super) const FUNC_PROTO: u32 = 13;
    pub(super) const VAR: u32 = 14;
    pub(super) const DATASEC: u32 = 15;
    pub(super) const DECL_TAG: u32 = 17;
    pub(super) const ENUM64: u32 = 19;
}

impl Btf {
    /// Of the running kernel.
    ///
    /// # Errors
    ///
    /// When it has none, or one that cannot be read.
    pub fn of_kernel() -> Result<Self, BtfError> {
        Self::parse(fs::read(Path::new(VMLINUX))?)
    }

    fn parse(bytes: Vec<u8>) -> Result<Self, BtfError> {
        let cut_off = BtfError::Format("it ends early");
        let word = |at: usize| word(&bytes, at).ok_or(BtfError::Format("it ends early"));
        let magic = bytes.first_chunk().map(|magic| u16::from_ne_bytes(*magic));
        if magic != Some(MAGIC) {
            return Err(BtfError::Format("it is no BTF"));
        }
        let header = word(4)? as usize;
        let (mut at, length) = (header + word(8)? as usize, word(12)? as usize);
        let (end, strings) = (at + length, header + word(16)? as usize);
        if end > bytes.len() || strings > bytes.len() {
            return Err(cut_off);
        }
        let mut types = Vec::new();
        while at < end {
            types.push(at);
            let info = word(at + 4)?;
            let count = (info & 0xffff) as usize;
            at += 12
                + match info >> 24 & 0x1f {
                    kind::INT | kind::VAR | kind::DECL_TAG => 4,
                    kind::ARRAY => 12,
                    kind::STRUCT | kind::UNION | kind::DATASEC | kind::ENUM64 => 12 * count,
                    kind::ENUM | kind::FUNC_PROTO => 8 * count,
                    _ => 0,
                };
        }
        Ok(Self {
            bytes,
            types,
            strings,
        })
    }

    /// Offset of a member in bytes, also of one in an unnamed structure inside.
    ///
    /// # Errors
    ///
    /// When there is none.
    pub fn offset(&self, structure: &'static str, member: &'static str) -> Result<u64, BtfError> {
        let found = self.types.iter().find_map(|at| {
            let info = self.word(at + 4)?;
            let is_struct = info >> 24 & 0x1f == kind::STRUCT;
            let named = is_struct && self.name(*at)? == structure.as_bytes();
            if named {
                self.member(*at, member.as_bytes(), DEPTH)
            } else {
                None
            }
        });
        let bits = found.ok_or(BtfError::Missing { structure, member })?;
        Ok(u64::from(bits / 8))
    }

    /// The names and numbers of an enumeration.
    ///
    /// # Errors
    ///
    /// When there is none.
    pub fn enumerators(&self, name: &'static str) -> Result<Vec<(String, u32)>, BtfError> {
        let unknown = BtfError::Unknown(name);
        let at = self.find(kind::ENUM, name).ok_or(unknown)?;
        let count = self.word(at + 4).unwrap_or_default() & 0xffff;
        let read = |index| {
            let at = at + 12 + 8 * index as usize;
            let name = String::from_utf8_lossy(self.name(at)?).into_owned();
            Some((name, self.word(at + 4)?))
        };
        Ok((0..count).filter_map(read).collect())
    }

    /// How many arguments a tracepoint hands to a program.
    ///
    /// # Errors
    ///
    /// When there is no such tracepoint; `name` is that of its type, `btf_trace_` in front.
    pub fn tracepoint_arguments(&self, name: &'static str) -> Result<u32, BtfError> {
        let arguments = || {
            let named = self.find(kind::TYPEDEF, name)?;
            let pointer = self.referred(named, kind::POINTER)?;
            let function = self.referred(pointer, kind::FUNC_PROTO)?;
            // The first is the tracepoint's own.
            (self.word(function + 4)? & 0xffff).checked_sub(1)
        };
        arguments().ok_or(BtfError::Unknown(name))
    }

    /// Where the type of this kind and name begins.
    fn find(&self, kind: u32, name: &str) -> Option<usize> {
        let is_it = |at: &&usize| {
            self.word(**at + 4)
                .is_some_and(|info| info >> 24 & 0x1f == kind)
                && self.name(**at) == Some(name.as_bytes())
        };
        self.types.iter().find(is_it).copied()
    }

    /// Where the type begins that another refers to, if it is of this kind.
    fn referred(&self, at: usize, kind: u32) -> Option<usize> {
        let index = (self.word(at + 8)? as usize).checked_sub(1)?;
        let at = *self.types.get(index)?;
        (self.word(at + 4)? >> 24 & 0x1f == kind).then_some(at)
    }

    /// Offset of a member in bits.
    fn member(&self, at: usize, wanted: &[u8], depth: u32) -> Option<u32> {
        let info = self.word(at + 4)?;
        let (kind, count) = (info >> 24 & 0x1f, info & 0xffff);
        if depth == 0 || !matches!(kind, kind::STRUCT | kind::UNION) {
            return None;
        }
        (0..count as usize).find_map(|index| {
            let at = at + 12 + 12 * index;
            // With the kind flag the upper byte is a bit field's size.
            let offset = self.word(at + 8)? & if info >> 31 == 1 { 0xff_ffff } else { u32::MAX };
            match self.name(at)? {
                name if name == wanted => Some(offset),
                b"" => {
                    let inner = (self.word(at + 4)? as usize).checked_sub(1)?;
                    let inside = self.member(*self.types.get(inner)?, wanted, depth - 1)?;
                    Some(offset + inside)
                }
                _ => None,
            }
        })
    }

    /// The name a type or member begins with.
    fn name(&self, at: usize) -> Option<&[u8]> {
        let rest = self.bytes.get(self.strings + self.word(at)? as usize..)?;
        rest.split(|byte| *byte == 0).next()
    }

    fn word(&self, at: usize) -> Option<u32> {
        word(&self.bytes, at)
    }
}

fn word(bytes: &[u8], at: usize) -> Option<u32> {
    let bytes = bytes.get(at..at.checked_add(4)?)?;
    Some(u32::from_ne_bytes(bytes.try_into().ok()?))
}

#[cfg(test)]
mod tests {
    use super::*;

    /// `struct a { int x; struct { int y; }; }`, with the kinds that a walk must step over.
    fn sample() -> Vec<u8> {
        let strings = b"\0a\0x\0y\0int\0";
        let mut types: Vec<u32> = vec![7, kind::INT << 24, 4, 32];
        types.extend([0, kind::ARRAY << 24, 0, 1, 1, 3]);
        types.extend([0, kind::STRUCT << 24 | 1, 4, 5, 1, 0]);
        types.extend([1, kind::STRUCT << 24 | 2, 8, 3, 1, 0, 0, 3, 32]);
        let types: Vec<u8> = types.iter().flat_map(|word| word.to_ne_bytes()).collect();
        let mut bytes = MAGIC.to_ne_bytes().to_vec();
        bytes.extend([1, 0]);
        for word in [24, 0, types.len(), types.len(), strings.len()] {
            bytes.extend(u32::try_from(word).unwrap().to_ne_bytes());
        }
        bytes.extend(types);
        bytes.extend(strings);
        bytes
    }

    #[test]
    fn members_are_found_also_in_unnamed_structures() {
        let btf = Btf::parse(sample()).unwrap();
        assert_eq!(btf.offset("a", "x").unwrap(), 0);
        assert_eq!(btf.offset("a", "y").unwrap(), 4);
        assert!(btf.offset("a", "z").is_err());
        assert!(btf.offset("int", "x").is_err());
    }

    #[test]
    fn the_running_kernel_names_its_drop_reasons_and_the_arguments_of_its_tracepoint() {
        let btf = Btf::of_kernel().unwrap();
        let reasons = btf.enumerators("skb_drop_reason").unwrap();
        let no_socket = "SKB_DROP_REASON_NO_SOCKET";
        let found = reasons.iter().find(|(name, _)| name == no_socket);
        assert!(found.is_some_and(|(_, number)| *number > 0), "{reasons:?}");
        assert!(btf.tracepoint_arguments("btf_trace_kfree_skb").unwrap() >= 3);
        assert!(btf.enumerators("no_such_enumeration").is_err());
        assert!(btf.tracepoint_arguments("skb_drop_reason").is_err());
    }

    #[test]
    fn any_truncation_is_an_error_or_finds_nothing_wrong() {
        let bytes = sample();
        for length in 0..bytes.len() - 5 {
            if let Ok(btf) = Btf::parse(bytes[..length].to_vec()) {
                assert!(matches!(btf.offset("a", "y"), Err(_) | Ok(4)), "{length}");
            }
        }
    }
}
