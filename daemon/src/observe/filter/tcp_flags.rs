//! `tcp_flags`: every flag that is set in the filter is set in the packet.

use super::{Build, FilterError};
use crate::observe::class::Transport;
use crate::observe::tcp;

pub(super) fn compile(build: &mut Build<'_>) -> Result<(), FilterError> {
    let wanted: Vec<u16> = build.filter.tcp_flags.iter().map(tcp::bits).collect();
    if !wanted.is_empty() {
        build.test(move |record| {
            let flags = u16::from(record.judged.event.tcp_flags);
            record.judged.transport() == Transport::Tcp
                && wanted.iter().any(|bits| flags & bits == *bits)
        });
    }
    Ok(())
}
