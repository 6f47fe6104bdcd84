//! The sockets a process and its ancestors hold: a shell is the child of the process that serves
//! its session.

use std::{collections::BTreeSet, fs};

/// Ancestors looked at, at most.
const MAX_ANCESTORS: usize = 32;
/// Descriptors looked at of one process, at most.
const MAX_DESCRIPTORS: usize = 4096;

/// Inodes of the sockets of a process and those above it, the first of all excepted. A process that
/// may not be looked into has none.
pub(super) fn sockets(process: u32) -> BTreeSet<u64> {
    let mut inodes = BTreeSet::new();
    let mut process = process;
    for _ in 0..MAX_ANCESTORS {
        if process <= 1 {
            break;
        }
        if let Ok(entries) = fs::read_dir(format!("/proc/{process}/fd")) {
            let targets = entries.take(MAX_DESCRIPTORS).filter_map(|entry| {
                let target = fs::read_link(entry.ok()?.path()).ok()?;
                inode(target.to_str()?)
            });
            inodes.extend(targets);
        }
        let stat = fs::read_to_string(format!("/proc/{process}/stat")).unwrap_or_default();
        let Some(parent) = parent(&stat) else {
            break;
        };
        process = parent;
    }
    inodes
}

fn inode(target: &str) -> Option<u64> {
    let number = target.strip_prefix("socket:[")?.strip_suffix(']')?;
    number.parse().ok()
}

/// `pid (name) state ppid …`; the name may hold anything (proc(5)).
fn parent(stat: &str) -> Option<u32> {
    let (_, rest) = stat.rsplit_once(')')?;
    rest.split_whitespace().nth(1)?.parse().ok()
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_sockets_of_a_process_are_found_by_its_child() {
        let listener = std::net::TcpListener::bind("127.0.0.1:0").expect("bound");
        let mut child = std::process::Command::new("sleep")
            .arg("60")
            .spawn()
            .expect("a child");
        let found = sockets(child.id());
        child.kill().expect("killed");
        child.wait().expect("gone");
        use std::os::fd::AsRawFd as _;
        let own = format!("/proc/self/fd/{}", listener.as_raw_fd());
        let own = fs::read_link(own).expect("a link");
        let own = inode(own.to_str().expect("text")).expect("a socket");
        assert!(found.contains(&own), "{own} is not among {found:?}");
    }

    #[test]
    fn a_name_with_brackets_hides_no_parent() {
        assert_eq!(parent("7 (a) b (c)) S 3 7 7"), Some(3));
        assert_eq!(parent(""), None);
    }
}
