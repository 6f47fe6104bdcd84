//! Users and groups of this host, as `/etc/passwd` and `/etc/group` name them.

use std::fs;

/// The number of a group, given by name or number.
pub fn group_id(name: &str) -> Option<u32> {
    number(name, &read("/etc/group"))
}

/// Whether this user is the one named, by name or number.
pub(super) fn is_user(uid: u32, wanted: &str) -> bool {
    number(wanted, &read("/etc/passwd")) == Some(uid)
}

/// Whether this user is in the group, by its first group or as a member.
pub(super) fn in_group(uid: u32, gid: u32, wanted: &str) -> bool {
    let groups = read("/etc/group");
    let Some(id) = number(wanted, &groups) else {
        return false;
    };
    if gid == id {
        return true;
    }
    let passwd = read("/etc/passwd");
    let Some(user) = passwd
        .lines()
        .find(|line| field(line, 2) == Some(&uid.to_string()))
        .and_then(|line| field(line, 0))
    else {
        return false;
    };
    let id = id.to_string();
    groups
        .lines()
        .filter(|line| field(line, 2) == Some(&id))
        .filter_map(|line| field(line, 3))
        .any(|members| members.split(',').any(|member| member == user))
}

/// The third field of the line with this name, or the number it is.
fn number(name: &str, table: &str) -> Option<u32> {
    if let Ok(number) = name.parse() {
        return Some(number);
    }
    let line = table.lines().find(|line| field(line, 0) == Some(name))?;
    field(line, 2)?.parse().ok()
}

fn field(line: &str, at: usize) -> Option<&str> {
    line.split(':').nth(at)
}

fn read(path: &str) -> String {
    fs::read_to_string(path).unwrap_or_default()
}
