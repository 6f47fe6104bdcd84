//! What /proc says of a process, taken only while it is the one the kernel saw.

use std::{fs, io, path::Path};

use flowd_abi::Socket;
use rustix::param::clock_ticks_per_second;

use super::{group, owner::Details};
use crate::clock::{monotonic, since_boot};

const SECOND: u64 = 1_000_000_000;

/// Reads the details of the process that was seen at a socket. A number that was given to another
/// process since, and a process that has become another program since, tell nothing.
pub(super) fn details(root: &Path, socket: &Socket, name: &str) -> Option<Details> {
    let process = root.join(socket.process.to_string());
    let executable = fs::read_link(process.join("exe"));
    let groups = fs::read_to_string(process.join("cgroup"));
    let same_program = is_same_program(&process, socket, name);
    // Last: whoever has the number now and started then has had it all along.
    let started = started(&process).ok()?;
    if !is_it(socket, started) {
        return None;
    }
    let mut details = Details::default();
    if let Ok(groups) = groups {
        group::read(&groups, &mut details);
    }
    if same_program && let Ok(path) = executable {
        details.executable = path.to_string_lossy().into_owned();
    }
    Some(details)
}

/// Whether a process that started at these clock ticks after boot is the one that was seen.
fn is_it(socket: &Socket, started: u64) -> bool {
    let tick = SECOND / clock_ticks_per_second();
    if socket.started != 0 {
        return socket.started / tick == started;
    }
    // It was there when the socket was seen. Numbers do not come round within a tick.
    started * tick <= socket.seen + asleep()
}

/// Whether the process has not executed another program since: that gives its thread another name,
/// and ends all other threads.
fn is_same_program(process: &Path, socket: &Socket, name: &str) -> bool {
    let thread = process.join("task").join(socket.thread.to_string());
    match fs::read_to_string(thread.join("comm")) {
        Ok(now) => socket.thread != socket.process || now.trim_end_matches('\n') == name,
        Err(_) => false,
    }
}

/// Clock ticks after boot, the 22nd field of stat (proc_pid_stat(5)); the second, in brackets, can
/// hold anything.
fn started(process: &Path) -> io::Result<u64> {
    let text = fs::read_to_string(process.join("stat"))?;
    let field = text
        .rfind(')')
        .and_then(|end| text[end..].split_whitespace().nth(20));
    field
        .and_then(|field| field.parse().ok())
        .ok_or_else(|| io::Error::other("no start time"))
}

/// Nanoseconds the machine was suspended: the distance of the two clocks.
pub(super) fn asleep() -> u64 {
    since_boot().saturating_sub(monotonic())
}

#[cfg(test)]
mod tests {
    use super::*;

    /// This very process, as the kernel would have seen it.
    fn own() -> (Socket, String) {
        let root = Path::new("/proc").join(std::process::id().to_string());
        let tick = SECOND / clock_ticks_per_second();
        let name = fs::read_to_string(root.join("comm")).unwrap();
        let socket = Socket {
            seen: monotonic(),
            started: started(&root).unwrap() * tick + 1,
            process: std::process::id(),
            thread: std::process::id(),
            ..Socket::default()
        };
        (socket, name.trim_end().to_owned())
    }

    #[test]
    fn a_living_process_is_named() {
        let (socket, name) = own();
        let details = details(Path::new("/proc"), &socket, &name).unwrap();
        let executable = std::env::current_exe().unwrap();
        assert_eq!(Path::new(&details.executable), executable);
        let unclocked = Socket {
            started: 0,
            ..socket
        };
        assert!(super::details(Path::new("/proc"), &unclocked, &name).is_some());
    }

    #[test]
    fn another_process_of_the_number_is_not() {
        let (socket, name) = own();
        let earlier = Socket {
            started: socket.started - SECOND,
            ..socket
        };
        assert_eq!(details(Path::new("/proc"), &earlier, &name), None);
        let before_it_began = Socket {
            started: 0,
            seen: socket.started.saturating_sub(asleep() + SECOND),
            ..socket
        };
        assert_eq!(details(Path::new("/proc"), &before_it_began, &name), None);
    }

    #[test]
    fn another_program_in_the_process_is_not() {
        let (socket, _) = own();
        let details = details(Path::new("/proc"), &socket, "another").unwrap();
        assert_eq!(details.executable, "");
    }
}
