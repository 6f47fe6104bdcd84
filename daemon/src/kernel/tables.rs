//! The tables userspace writes: endpoints, peers, policy entries.

use aya::maps::{HashMap, LpmTrie, Map, MapData, MapError, lpm_trie::Key};
use flowd_abi::{Address, Endpoint, Peer, PeerKey, PolicyEntry, PolicyKey};
use thiserror::Error;

use super::object::Kernel;

/// Why a table could not be written or read.
#[derive(Debug, Error)]
pub enum TableError {
    /// The table has no room.
    #[error(
        "table {table} is full: raise its size in the config, run `flowd detach` and start again"
    )]
    Full {
        /// Which one.
        table: &'static str,
    },
    /// The kernel refused.
    #[error("table {table}: {source}")]
    Kernel {
        /// Which one.
        table: &'static str,
        /// What it said.
        source: MapError,
    },
}

/// Typed access to the tables.
#[derive(Debug)]
pub struct Tables {
    endpoints: HashMap<MapData, u32, Endpoint>,
    peers: LpmTrie<MapData, [u8; 16], Peer>,
    policy: LpmTrie<MapData, [u8; 12], PolicyEntry>,
}

impl Tables {
    /// Takes the tables out of a loaded object.
    ///
    /// # Errors
    ///
    /// When a pinned map is not of the type the object has.
    pub fn take(kernel: &mut Kernel) -> Result<Self, TableError> {
        Ok(Self {
            endpoints: typed("ENDPOINTS", kernel.take_map("ENDPOINTS"))?,
            peers: typed("PEERS", kernel.take_map("PEERS"))?,
            policy: typed("POLICY", kernel.take_map("POLICY"))?,
        })
    }

    /// Puts an endpoint: the atomic policy swap.
    ///
    /// # Errors
    ///
    /// When the table is full or the kernel refuses.
    pub fn put_endpoint(&mut self, ifindex: u32, endpoint: &Endpoint) -> Result<(), TableError> {
        self.endpoints
            .insert(ifindex, endpoint, 0)
            .map_err(|error| failed("ENDPOINTS", error))
    }

    /// Removes an endpoint; gone already is as good.
    ///
    /// # Errors
    ///
    /// When the kernel refuses.
    pub fn remove_endpoint(&mut self, ifindex: u32) -> Result<(), TableError> {
        gone_is_fine("ENDPOINTS", self.endpoints.remove(&ifindex))
    }

    /// All endpoints, by ifindex.
    ///
    /// # Errors
    ///
    /// When the kernel refuses.
    pub fn endpoints(&self) -> Result<Vec<(u32, Endpoint)>, TableError> {
        self.endpoints
            .iter()
            .map(|entry| entry.map_err(|error| failed("ENDPOINTS", error)))
            .collect()
    }

    /// Puts a peer.
    ///
    /// # Errors
    ///
    /// When the table is full or the kernel refuses.
    pub fn put_peer(&mut self, key: &PeerKey, peer: &Peer) -> Result<(), TableError> {
        self.peers
            .insert(&Key::new(key.prefix, key.address.0), peer, 0)
            .map_err(|error| failed("PEERS", error))
    }

    /// Removes a peer.
    ///
    /// # Errors
    ///
    /// When the kernel refuses.
    pub fn remove_peer(&mut self, key: &PeerKey) -> Result<(), TableError> {
        gone_is_fine(
            "PEERS",
            self.peers.remove(&Key::new(key.prefix, key.address.0)),
        )
    }

    /// All peers.
    ///
    /// # Errors
    ///
    /// When the kernel refuses.
    pub fn peers(&self) -> Result<Vec<(PeerKey, Peer)>, TableError> {
        self.peers
            .iter()
            .map(|entry| {
                let (key, peer) = entry.map_err(|error| failed("PEERS", error))?;
                let key = PeerKey {
                    prefix: key.prefix_len(),
                    address: Address(key.data()),
                };
                Ok((key, peer))
            })
            .collect()
    }

    /// Puts a policy entry.
    ///
    /// # Errors
    ///
    /// When the table is full or the kernel refuses.
    pub fn put_policy(&mut self, key: &PolicyKey, entry: &PolicyEntry) -> Result<(), TableError> {
        self.policy
            .insert(&Key::new(key.prefix, key.data()), entry, 0)
            .map_err(|error| failed("POLICY", error))
    }

    /// Removes a policy entry.
    ///
    /// # Errors
    ///
    /// When the kernel refuses.
    pub fn remove_policy(&mut self, key: &PolicyKey) -> Result<(), TableError> {
        gone_is_fine(
            "POLICY",
            self.policy.remove(&Key::new(key.prefix, key.data())),
        )
    }

    /// Keys of all policy entries, of every policy.
    ///
    /// # Errors
    ///
    /// When the kernel refuses.
    pub fn policy_keys(&self) -> Result<Vec<PolicyKey>, TableError> {
        self.policy
            .keys()
            .map(|key| {
                let key = key.map_err(|error| failed("POLICY", error))?;
                Ok(PolicyKey::from_data(key.prefix_len(), key.data()))
            })
            .collect()
    }

    /// One entry, by its exact key, as the longest-prefix look-up finds it.
    ///
    /// # Errors
    ///
    /// When the kernel refuses.
    pub fn policy(&self, key: &PolicyKey) -> Result<Option<PolicyEntry>, TableError> {
        match self.policy.get(&Key::new(key.prefix, key.data()), 0) {
            Ok(entry) => Ok(Some(entry)),
            Err(MapError::KeyNotFound) => Ok(None),
            Err(error) => Err(failed("POLICY", error)),
        }
    }
}

fn typed<T>(table: &'static str, map: Map) -> Result<T, TableError>
where
    T: TryFrom<Map, Error = MapError>,
{
    T::try_from(map).map_err(|source| TableError::Kernel { table, source })
}

fn failed(table: &'static str, source: MapError) -> TableError {
    if let MapError::SyscallError(error) = &source
        && matches!(
            rustix::io::Errno::from_io_error(&error.io_error),
            Some(rustix::io::Errno::TOOBIG | rustix::io::Errno::NOSPC | rustix::io::Errno::NOMEM)
        )
    {
        return TableError::Full { table };
    }
    TableError::Kernel { table, source }
}

fn gone_is_fine(table: &'static str, result: Result<(), MapError>) -> Result<(), TableError> {
    match result {
        Ok(()) | Err(MapError::KeyNotFound) => Ok(()),
        Err(MapError::SyscallError(error))
            if error.io_error.kind() == std::io::ErrorKind::NotFound =>
        {
            Ok(())
        }
        Err(error) => Err(failed(table, error)),
    }
}
