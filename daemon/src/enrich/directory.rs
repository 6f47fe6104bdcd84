//! The directory: a snapshot of every name flowd knows.

use std::net::IpAddr;
use std::sync::Arc;

use arc_swap::{ArcSwap, Guard};
use flowd_abi::Address;
use flowd_policy::{PolicyRef, RuleTable};
use hashbrown::HashMap;

use super::party::Workload;
use super::reserved;
use crate::shadow::ShadowTables;

/// Who is who, at one moment.
#[derive(Clone, Debug, Default)]
pub struct Directory {
    /// Name of this node.
    pub node_name: String,
    /// Workloads by endpoint id.
    pub endpoints: HashMap<u32, Arc<Workload>>,
    /// Workloads by address, in the form of events; see [`Directory::add`].
    pub addresses: HashMap<Address, Arc<Workload>>,
    /// Labels by identity, in Hubble's form. Reserved identities need not be here.
    pub identities: HashMap<u32, Arc<[String]>>,
    /// CIDR classes, as prefixes.
    pub classes: HashMap<u32, String>,
    /// Rules by the number that entries and events carry.
    pub rules: Arc<RuleTable>,
    /// Policy id → policies that switched it to default deny.
    pub default_deny: HashMap<u32, Arc<[Arc<PolicyRef>]>>,
    /// Names of devices by index.
    pub interfaces: HashMap<u32, String>,
    /// What would be in force were the shadow policies enforced; `None` where there are none.
    pub shadow: Option<Arc<ShadowTables>>,
}

impl Directory {
    /// Enters a workload under its id and each of its addresses.
    pub fn add(&mut self, workload: Workload) {
        let workload = Arc::new(workload);
        for address in &workload.addresses {
            self.addresses
                .insert(address_of(*address), workload.clone());
        }
        self.endpoints.insert(workload.endpoint_id, workload);
    }

    /// Labels of an identity, with the prefix of its CIDR class as one of them; the label of the
    /// unknown when nobody knows the number.
    pub fn labels_of(&self, identity: u32, class: u32) -> Vec<String> {
        let mut labels = match (self.identities.get(&identity), reserved::name(identity)) {
            (Some(labels), _) => labels.to_vec(),
            (None, Some(name)) => vec![format!("{}{name}", reserved::PREFIX)],
            (None, None) => vec![reserved::UNKNOWN.to_owned()],
        };
        if let Some(prefix) = self.classes.get(&class) {
            labels.insert(0, format!("cidr:{prefix}"));
        }
        labels
    }
}

/// An address in the form of events.
pub fn address_of(address: IpAddr) -> Address {
    match address {
        IpAddr::V4(address) => Address::v4(address.octets()),
        IpAddr::V6(address) => Address(address.octets()),
    }
}

/// The current directory; cheap to clone, swapped as a whole.
#[derive(Clone, Debug, Default)]
pub struct DirectoryHandle(Arc<ArcSwap<Directory>>);

impl DirectoryHandle {
    /// A handle on a first directory.
    pub fn new(directory: Directory) -> Self {
        Self(Arc::new(ArcSwap::from_pointee(directory)))
    }

    /// Swaps in a new directory.
    pub fn store(&self, directory: Directory) {
        self.0.store(Arc::new(directory));
    }

    /// The directory of this moment, to hold for one batch or one answer.
    pub fn load(&self) -> Guard<Arc<Directory>> {
        self.0.load()
    }

    /// The directory of this moment, to keep.
    pub fn snapshot(&self) -> Arc<Directory> {
        self.0.load_full()
    }
}
