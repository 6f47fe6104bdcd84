//! `source_ip`, `destination_ip`, `source_ip_xlated`: an address, or a prefix that contains it.

use flowd_proto::pattern::AddressPattern;

use super::{Build, FilterError, sides};

pub(super) fn compile(build: &mut Build<'_>) -> Result<(), FilterError> {
    let filter = build.filter;
    for (side, texts) in sides(&filter.source_ip, &filter.destination_ip) {
        let wanted = texts.iter().map(parse).collect::<Result<Vec<_>, _>>()?;
        if !wanted.is_empty() {
            build.test(move |record| {
                let ip = record.judged.ip(side);
                ip.is_some_and(|ip| wanted.iter().any(|wanted| wanted.contains(ip)))
            });
        }
    }
    for text in &filter.source_ip_xlated {
        parse(text)?;
    }
    build.never(&filter.source_ip_xlated);
    Ok(())
}

fn parse(text: &String) -> Result<AddressPattern, FilterError> {
    AddressPattern::read(text).map_err(|why| FilterError::value("IP filter", text, why))
}
