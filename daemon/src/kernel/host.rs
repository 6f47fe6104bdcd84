//! Putting host policies out of force without a daemon: straight in the pinned table.

use aya::maps::{HashMap, Map, MapData, MapError};
use flowd_abi::{Endpoint, endpoint::EndpointFlags};

use super::bpffs::Pins;

/// Switches the host's programs off on every device; how many they are. What is off stays so until
/// a daemon switches it on.
///
/// # Errors
///
/// When the pinned table cannot be used.
pub fn switch_off(pins: &Pins) -> Result<usize, MapError> {
    let data = match MapData::from_pin(pins.map("ENDPOINTS")) {
        Ok(data) => data,
        // Nothing is enforced.
        Err(_) if !pins.map("ENDPOINTS").exists() => return Ok(0),
        Err(error) => return Err(error),
    };
    let mut endpoints: HashMap<MapData, u32, Endpoint> = HashMap::try_from(Map::HashMap(data))?;
    let entries: Vec<(u32, Endpoint)> = endpoints.iter().collect::<Result<_, _>>()?;
    let host = entries
        .into_iter()
        .filter(|(_, endpoint)| endpoint.has(EndpointFlags::HOST));
    let mut count = 0;
    for (ifindex, mut endpoint) in host {
        endpoint.flags |= EndpointFlags::OFF;
        endpoints.insert(ifindex, endpoint, 0)?;
        count += 1;
    }
    Ok(count)
}
