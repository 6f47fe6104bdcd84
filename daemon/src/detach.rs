//! `flowd detach`: takes the programs off, removes the tables, leaves the devices' hooks as they
//! were found.

use std::path::PathBuf;

use clap::Args;

use crate::kernel::{
    AttachMode, Attachments,
    bpffs::{Lock, Pins},
    links,
    namespace::Namespace,
};

/// Where the programs and tables are.
#[derive(Args, Clone, Debug)]
pub struct DetachFlags {
    /// Directory on a bpffs where programs and tables are pinned.
    #[arg(
        long,
        env = "FLOWD_BPFFS",
        value_name = "DIR",
        default_value = "/sys/fs/bpf/flowd"
    )]
    pub bpffs: PathBuf,
    /// Network namespace whose devices are guarded [default: this one].
    #[arg(long, env = "FLOWD_NETNS", value_name = "PATH")]
    pub netns: Option<PathBuf>,
}

/// Undoes everything.
///
/// # Errors
///
/// When a daemon is running there, or something cannot be removed.
pub fn run(flags: &DetachFlags) -> anyhow::Result<()> {
    let versions = Pins::every_version(&flags.bpffs)?;
    if versions.is_empty() {
        println!("nothing is pinned under {}", flags.bpffs.display());
        return Ok(());
    }
    let _lock = Lock::take(&flags.bpffs)?;
    let namespace = flags
        .netns
        .as_deref()
        .map_or_else(Namespace::own, Namespace::at);
    // A namespace that is gone took its devices along.
    let devices = links::list(&namespace).unwrap_or_default();
    let mut count = 0;
    for pins in versions {
        let attachments = Attachments::new(namespace.clone(), pins.clone(), AttachMode::Auto);
        let pinned = attachments.pinned();
        count += pinned.len();
        for index in &pinned {
            let device = devices.iter().find(|link| link.index == *index);
            let name = device.map(|link| link.name.as_str());
            attachments.detach(name.unwrap_or_default(), *index)?;
        }
        // With clsact nothing is pinned for a device: our filters are looked for on each.
        for device in devices
            .iter()
            .filter(|device| !pinned.contains(&device.index))
        {
            attachments.detach(&device.name, device.index)?;
        }
        pins.remove()?;
    }
    println!("detached from {count} devices; nothing is enforced any more");
    Ok(())
}
