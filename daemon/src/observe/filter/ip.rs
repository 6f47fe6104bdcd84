//! `source_ip`, `destination_ip`, `source_ip_xlated`: an address, or a prefix that contains it.

use std::net::IpAddr;

use ipnet::IpNet;

use super::{Build, FilterError, sides};

enum Wanted {
    Address(IpAddr),
    Prefix(IpNet),
}

pub(super) fn compile(build: &mut Build<'_>) -> Result<(), FilterError> {
    let filter = build.filter;
    for (side, texts) in sides(&filter.source_ip, &filter.destination_ip) {
        let wanted = texts.iter().map(parse).collect::<Result<Vec<_>, _>>()?;
        if !wanted.is_empty() {
            build.test(move |record| {
                record.judged.ip(side).is_some_and(|ip| {
                    wanted.iter().any(|wanted| match wanted {
                        Wanted::Address(address) => *address == ip,
                        Wanted::Prefix(prefix) => prefix.contains(&ip),
                    })
                })
            });
        }
    }
    for text in &filter.source_ip_xlated {
        parse(text)?;
    }
    build.never(&filter.source_ip_xlated);
    Ok(())
}

fn parse(text: &String) -> Result<Wanted, FilterError> {
    let invalid = |reason: &str| FilterError::value("IP filter", text, reason);
    if text.contains('/') {
        let prefix: IpNet = text
            .parse()
            .map_err(|_| invalid("a prefix is written like 10.0.0.0/8 or fd00::/8"))?;
        Ok(Wanted::Prefix(prefix.trunc()))
    } else {
        text.parse()
            .map(Wanted::Address)
            .map_err(|_| invalid("an address is written like 10.0.0.1 or fd00::1"))
    }
}
