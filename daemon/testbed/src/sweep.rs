//! Removes what testbeds of dead processes left behind: processes, bpffs mounts and namespaces.
//!
//! Everything a testbed makes carries `fd-<pid>-<n>` in a place the kernel shows: the name of a namespace, the
//! source of a mount, an environment variable of a process. So nothing has to be written down beforehand, and
//! a crash can leave nothing that is not found again.

use std::ffi::OsStr;
use std::fs;
use std::os::unix::ffi::OsStrExt;
use std::process;

use rustix::mount::{UnmountFlags, unmount};
use rustix::process::{Pid, Signal, kill_process};

use crate::namespace::{MARK, NAMES, forget_name};

/// Removes leftovers of processes that are dead.
pub(crate) fn stale() {
    remove(is_dead);
}

/// Removes leftovers of a dead process that had the id this process has now.
pub(crate) fn own_pid() {
    remove(|pid| pid == process::id());
}

fn remove(is_stale: impl Fn(u32) -> bool) {
    let stale = |name: &str| owner(name).is_some_and(&is_stale);
    processes(&stale).into_iter().for_each(|pid| {
        // It may have ended by itself since it was listed.
        let _ = kill_process(pid, Signal::KILL);
    });
    for target in mounts(&stale) {
        let _ = unmount(OsStr::from_bytes(&target), UnmountFlags::DETACH);
    }
    for entry in fs::read_dir(NAMES).into_iter().flatten().flatten() {
        if entry.file_name().to_str().is_some_and(&stale) {
            forget_name(&entry.path());
        }
    }
}

/// A process that ended, whether or not its parent has noticed.
fn is_dead(pid: u32) -> bool {
    let status = fs::read_to_string(format!("/proc/{pid}/stat")).unwrap_or_default();
    // The program's name stands in parentheses and may itself hold any character.
    let state = status
        .rsplit_once(") ")
        .and_then(|(_, fields)| fields.chars().next());
    matches!(state, None | Some('Z' | 'X'))
}

/// The process id in `fd-<pid>-<n>…`.
fn owner(name: &str) -> Option<u32> {
    let (pid, rest) = name.strip_prefix("fd-")?.split_once('-')?;
    rest.starts_with(|first: char| first.is_ascii_digit())
        .then(|| pid.parse().ok())?
}

/// Processes that carry our mark. Never this one: it may be the child of another testbed's process.
fn processes(stale: &impl Fn(&str) -> bool) -> Vec<Pid> {
    let marked = |environment: Vec<u8>| {
        environment.split(|&byte| byte == 0).any(|variable| {
            std::str::from_utf8(variable)
                .ok()
                .and_then(|text| text.strip_prefix(MARK)?.strip_prefix('='))
                .is_some_and(stale)
        })
    };
    fs::read_dir("/proc")
        .into_iter()
        .flatten()
        .flatten()
        .filter_map(|entry| entry.file_name().to_str()?.parse::<u32>().ok())
        .filter(|&pid| pid != process::id())
        .filter(|pid| fs::read(format!("/proc/{pid}/environ")).is_ok_and(marked))
        .filter_map(|pid| Pid::from_raw(i32::try_from(pid).ok()?))
        .collect()
}

/// Targets of bpffs mounts whose source is one of our names.
fn mounts(stale: &impl Fn(&str) -> bool) -> Vec<Vec<u8>> {
    let table = fs::read("/proc/self/mounts").unwrap_or_default();
    table
        .split(|&byte| byte == b'\n')
        .filter_map(|line| {
            let mut fields = line.split(|&byte| byte == b' ');
            let (source, target, kind) = (fields.next()?, fields.next()?, fields.next()?);
            let ours = kind == b"bpf" && std::str::from_utf8(source).is_ok_and(stale);
            ours.then(|| unescape(target))
        })
        .collect()
}

/// The mount table writes blanks in paths as `\040`.
fn unescape(field: &[u8]) -> Vec<u8> {
    let mut plain = Vec::with_capacity(field.len());
    let mut rest = field;
    while let Some((&first, after)) = rest.split_first() {
        let code = (first == b'\\')
            .then(|| after.get(..3))
            .flatten()
            .and_then(|digits| std::str::from_utf8(digits).ok())
            .and_then(|digits| u8::from_str_radix(digits, 8).ok());
        plain.push(code.unwrap_or(first));
        rest = if code.is_some() { &after[3..] } else { after };
    }
    plain
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn only_our_own_names_have_an_owner() {
        assert_eq!(owner("fd-123-0-node"), Some(123));
        assert_eq!(owner("fd-123-4"), Some(123));
        assert_eq!(owner("fd-abc-0-node"), None);
        assert_eq!(owner("fd-123-node"), None);
        assert_eq!(owner("cni-123-0"), None);
        assert_eq!(owner("fd-123"), None);
    }

    #[test]
    fn blanks_in_mount_targets_are_read_back() {
        assert_eq!(unescape(br"/tmp/a\040b"), b"/tmp/a b");
        assert_eq!(unescape(br"/tmp/a\b"), br"/tmp/a\b");
    }
}
