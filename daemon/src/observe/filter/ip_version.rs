//! `ip_version`: 4, 6, or none for packets that are no IP.

use flowd_proto::flow::IpVersion;

use super::{Build, FilterError};
use crate::flow::record::Family;

pub(super) fn compile(build: &mut Build<'_>) -> Result<(), FilterError> {
    let mut wanted = Vec::new();
    for number in &build.filter.ip_version {
        wanted.push(match IpVersion::try_from(*number) {
            Ok(IpVersion::IpNotUsed) => None,
            Ok(IpVersion::IPv4) => Some(Family::V4),
            Ok(IpVersion::IPv6) => Some(Family::V6),
            Err(_) => return Err(FilterError::value("ip_version", number, "no such version")),
        });
    }
    if !wanted.is_empty() {
        build.test(move |record| wanted.contains(&record.judged.family()));
    }
    Ok(())
}
