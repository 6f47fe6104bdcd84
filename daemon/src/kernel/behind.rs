//! The network namespaces behind devices: where the other end of each veth is.
//!
//! A device says so by a number that its own namespace has for the other (`IFLA_LINK_NETNSID`,
//! rtnetlink(7)); which one that is can only be asked of namespaces that are known, those with a
//! name (ip-netns(8)) and those of processes.

use std::{
    collections::{BTreeMap, HashMap},
    fs::{self, File},
    io,
    os::{fd::AsRawFd as _, unix::fs::MetadataExt as _},
    path::PathBuf,
};

use futures_util::{StreamExt as _, TryStreamExt as _};
use rtnetlink::{
    Handle,
    packet_core::{NLM_F_REQUEST, NetlinkMessage, NetlinkPayload},
    packet_route::{
        RouteNetlinkMessage,
        link::LinkAttribute,
        nsid::{NsidAttribute, NsidMessage},
    },
};

use super::namespace::Namespace;

/// Namespaces that are asked about, at most; devices beyond are as if nobody knew.
const MOST: usize = 16_384;

/// The number of the namespace behind each device of a namespace, by the device's; devices whose
/// other end is nowhere known are left out.
///
/// # Errors
///
/// When the namespace cannot be entered or netlink fails.
pub fn behind(guarded: &Namespace) -> io::Result<HashMap<u32, u32>> {
    let known = known();
    guarded.run(|| {
        // A runtime of its own: the socket must be made on the thread that entered the namespace.
        tokio::runtime::Builder::new_current_thread()
            .enable_io()
            .build()?
            .block_on(ask(&known))
    })?
}

/// Every namespace that has a name or a process, by its number.
fn known() -> BTreeMap<u64, File> {
    let named = entries("/run/netns").into_iter();
    let of_processes = entries("/proc")
        .into_iter()
        .filter(|path| {
            let name = path.file_name().and_then(|name| name.to_str());
            name.is_some_and(|name| name.bytes().all(|byte| byte.is_ascii_digit()))
        })
        .map(|path| path.join("ns/net"));
    let mut known = BTreeMap::new();
    for path in named.chain(of_processes) {
        // Gone, or not ours to look at: as if nobody knew.
        let Ok(inode) = fs::metadata(&path).map(|metadata| metadata.ino()) else {
            continue;
        };
        if known.len() < MOST
            && !known.contains_key(&inode)
            && let Ok(file) = File::open(&path)
        {
            known.insert(inode, file);
        }
    }
    known
}

fn entries(directory: &str) -> Vec<PathBuf> {
    let entries = fs::read_dir(directory).into_iter().flatten().flatten();
    entries.map(|entry| entry.path()).collect()
}

async fn ask(known: &BTreeMap<u64, File>) -> io::Result<HashMap<u32, u32>> {
    let (connection, mut handle, _) = rtnetlink::new_connection()?;
    let connection = tokio::spawn(connection);
    let mut numbers = HashMap::new();
    for (inode, file) in known {
        if let (Some(local), Ok(number)) = (local(&mut handle, file).await?, u32::try_from(*inode))
        {
            numbers.insert(local, number);
        }
    }
    let mut behind = HashMap::new();
    let mut messages = handle.link().get().execute();
    while let Some(message) = messages.try_next().await.map_err(io::Error::other)? {
        let found = message.attributes.iter().find_map(|attribute| {
            let LinkAttribute::LinkNetNsId(local) = attribute else {
                return None;
            };
            numbers.get(local)
        });
        if let Some(number) = found {
            behind.insert(message.header.index, *number);
        }
    }
    connection.abort();
    Ok(behind)
}

/// The number this namespace has for another, `None` where it has none.
async fn local(handle: &mut Handle, other: &File) -> io::Result<Option<i32>> {
    let mut question = NsidMessage::default();
    let descriptor = u32::try_from(other.as_raw_fd()).map_err(io::Error::other)?;
    question.attributes.push(NsidAttribute::Fd(descriptor));
    let mut request = NetlinkMessage::from(RouteNetlinkMessage::GetNsId(question));
    request.header.flags = NLM_F_REQUEST;
    let mut answers = handle.request(request).map_err(io::Error::other)?;
    while let Some(answer) = answers.next().await {
        let NetlinkPayload::InnerMessage(RouteNetlinkMessage::NewNsId(answer)) = answer.payload
        else {
            continue;
        };
        return Ok(answer.attributes.iter().find_map(|attribute| {
            let NsidAttribute::Id(local) = attribute else {
                return None;
            };
            (*local >= 0).then_some(*local)
        }));
    }
    Ok(None)
}

#[cfg(test)]
mod tests {
    use std::process::Command;

    use super::*;

    fn ip(line: &str) {
        let done = Command::new("ip").args(line.split(' ')).status();
        assert!(done.expect("ip runs").success(), "ip {line}");
    }

    #[test]
    fn the_namespace_behind_a_veth_is_found_by_its_name() {
        let [near, far] = ["n", "f"].map(|side| format!("fbe-{}-{side}", std::process::id()));
        ip(&format!("netns add {near}"));
        ip(&format!("netns add {far}"));
        ip(&format!(
            "-n {near} link add out type veth peer name in netns {far}"
        ));
        ip(&format!(
            "-n {near} link add here type veth peer name there"
        ));
        let namespace = |name: &str| Namespace::at(std::path::Path::new(name));
        let number = namespace(&far).number().expect("a number");
        let behind = behind(&namespace(&near)).expect("answers");
        let numbers: Vec<u32> = behind.into_values().collect();
        ip(&format!("netns del {near}"));
        ip(&format!("netns del {far}"));
        assert_eq!(numbers, [number], "both ends here are behind nothing");
    }
}
