//! Conditions on the source or the destination of a flow.

use flowd_proto::flow::{Endpoint, Flow, FlowFilter, Workload};

use super::pattern::{AddressPattern, NamePattern, contains, labels, name, read, selector};
use super::{FilterError, Test, any_of, read_all};
use crate::filter::pair::End;

/// What a filter asks of one end.
struct Asked<'a> {
    ip: &'a [String],
    pod: &'a [String],
    service: &'a [String],
    fqdn: &'a [String],
    label: &'a [String],
    port: &'a [String],
    identity: &'a [u32],
    workload: &'a [Workload],
    cluster: &'a [String],
}

pub(super) fn compile(filter: &FlowFilter, tests: &mut Vec<Test>) -> Result<(), FilterError> {
    let source = Asked {
        ip: &filter.source_ip,
        pod: &filter.source_pod,
        service: &filter.source_service,
        fqdn: &filter.source_fqdn,
        label: &filter.source_label,
        port: &filter.source_port,
        identity: &filter.source_identity,
        workload: &filter.source_workload,
        cluster: &filter.source_cluster_name,
    };
    let destination = Asked {
        ip: &filter.destination_ip,
        pod: &filter.destination_pod,
        service: &filter.destination_service,
        fqdn: &filter.destination_fqdn,
        label: &filter.destination_label,
        port: &filter.destination_port,
        identity: &filter.destination_identity,
        workload: &filter.destination_workload,
        cluster: &filter.destination_cluster_name,
    };
    one(&source, End::Source, tests)?;
    one(&destination, End::Destination, tests)
}

fn one(asked: &Asked<'_>, end: End, tests: &mut Vec<Test>) -> Result<(), FilterError> {
    let ports = read_all(asked.port, crate::filter::value::port)?;
    any_of(tests, ports, move |flow, wanted| {
        port(flow, end) == Some(u32::from(*wanted))
    });
    any_of(tests, asked.identity.to_vec(), move |flow, wanted| {
        endpoint(flow, end).map_or(0, |endpoint| endpoint.identity) == *wanted
    });
    any_of(
        tests,
        read_all(asked.ip, read(AddressPattern::read))?,
        move |flow, wanted| {
            flow.ip.as_ref().is_some_and(|ip| {
                let address = match end {
                    End::Source => &ip.source,
                    End::Destination => &ip.destination,
                };
                contains(wanted, address)
            })
        },
    );
    any_of(
        tests,
        read_all(asked.pod, read(NamePattern::read))?,
        move |flow, wanted| {
            endpoint(flow, end)
                .is_some_and(|endpoint| wanted.matches(&endpoint.namespace, &endpoint.pod_name))
        },
    );
    any_of(
        tests,
        read_all(asked.service, read(NamePattern::read))?,
        move |flow, wanted| {
            let service = match end {
                End::Source => flow.source_service.as_ref(),
                End::Destination => flow.destination_service.as_ref(),
            };
            service.is_some_and(|service| wanted.matches(&service.namespace, &service.name))
        },
    );
    any_of(tests, read_all(asked.fqdn, name)?, move |flow, wanted| {
        let names = match end {
            End::Source => &flow.source_names,
            End::Destination => &flow.destination_names,
        };
        let bare = |name: &String| name.trim_end_matches('.').to_ascii_lowercase();
        names.iter().any(|name| wanted.is_match(&bare(name)))
    });
    any_of(
        tests,
        read_all(asked.label, selector)?,
        move |flow, wanted| {
            endpoint(flow, end).is_some_and(|endpoint| wanted.matches(&labels(&endpoint.labels)))
        },
    );
    any_of(tests, asked.workload.to_vec(), move |flow, wanted| {
        let owners = endpoint(flow, end).map_or(&[][..], |endpoint| &endpoint.workloads);
        owners.iter().any(|owner| {
            (wanted.name.is_empty() || wanted.name == owner.name)
                && (wanted.kind.is_empty() || wanted.kind == owner.kind)
        })
    });
    any_of(tests, asked.cluster.to_vec(), move |flow, wanted| {
        endpoint(flow, end).is_some_and(|endpoint| endpoint.cluster_name == *wanted)
    });
    Ok(())
}

fn endpoint(flow: &Flow, end: End) -> Option<&Endpoint> {
    match end {
        End::Source => flow.source.as_ref(),
        End::Destination => flow.destination.as_ref(),
    }
}

fn port(flow: &Flow, end: End) -> Option<u32> {
    let (source, destination) = flow.ports()?;
    Some(match end {
        End::Source => source,
        End::Destination => destination,
    })
}
