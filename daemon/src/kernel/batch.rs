//! Reading a whole hash map in few system calls.
//!
//! aya 0.14 has no batch look-up, and walking 100,000 connections one key at a time costs a
//! system call or two for each. This is the one wrapper of the daemon that needs `unsafe`.
#![allow(
    unsafe_code,
    reason = "the bpf system call takes raw pointers; aya does not wrap this one"
)]

use std::{
    io, mem,
    os::fd::{AsRawFd, BorrowedFd},
};

use aya::Pod;

/// `BPF_MAP_LOOKUP_BATCH` of `enum bpf_cmd` (linux/bpf.h).
const BPF_MAP_LOOKUP_BATCH: libc::c_long = 24;

/// The `batch` member of `union bpf_attr` (linux/bpf.h).
#[repr(C)]
#[derive(Default)]
struct BatchAttr {
    in_batch: u64,
    out_batch: u64,
    keys: u64,
    values: u64,
    count: u32,
    map_fd: u32,
    elem_flags: u64,
    flags: u64,
}

/// Buffers for reading a hash map in batches; reused between walks.
#[derive(Debug)]
pub struct BatchReader<K, V> {
    keys: Vec<K>,
    values: Vec<V>,
}

impl<K: Pod + Default, V: Pod + Default> BatchReader<K, V> {
    /// Buffers for `batch` entries. A bucket that holds more than a batch makes the kernel refuse,
    /// so a batch is best in the thousands.
    pub fn new(batch: usize) -> Self {
        Self {
            keys: vec![K::default(); batch],
            values: vec![V::default(); batch],
        }
    }

    /// Visits every entry of the map once, as it was when its bucket was read.
    ///
    /// # Errors
    ///
    /// What the kernel said.
    pub fn walk(&mut self, map: BorrowedFd<'_>, mut visit: impl FnMut(&K, &V)) -> io::Result<()> {
        let mut position = 0u64;
        let mut next = 0u64;
        let mut first = true;
        loop {
            let mut attr = BatchAttr {
                in_batch: if first { 0 } else { &raw const position as u64 },
                out_batch: &raw mut next as u64,
                keys: self.keys.as_mut_ptr() as u64,
                values: self.values.as_mut_ptr() as u64,
                count: self.keys.len() as u32,
                map_fd: map.as_raw_fd() as u32,
                ..BatchAttr::default()
            };
            // SAFETY: `attr` is the layout the kernel expects for this command; the buffers hold
            // `count` keys and values of plain data; `position` and `next` are at least the four
            // bytes a hash map's cursor takes. All outlive the call.
            let result = unsafe {
                libc::syscall(
                    libc::SYS_bpf,
                    BPF_MAP_LOOKUP_BATCH,
                    &raw mut attr,
                    mem::size_of::<BatchAttr>(),
                )
            };
            let error = (result != 0).then(io::Error::last_os_error);
            let ended = error
                .as_ref()
                .is_some_and(|error| error.raw_os_error() == Some(libc::ENOENT));
            if let Some(error) = error
                && !ended
            {
                return Err(error);
            }
            let count = (attr.count as usize).min(self.keys.len());
            for (key, value) in self.keys[..count].iter().zip(&self.values[..count]) {
                visit(key, value);
            }
            if ended {
                return Ok(());
            }
            position = next;
            first = false;
        }
    }
}
