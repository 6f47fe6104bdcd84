//! Tests of the filters, field by field.

use flowd_abi::{DropReason, Event, EventKind, Verdict};
use flowd_proto::flow::FlowFilter;

use super::*;
use crate::enrich::DirectoryHandle;
use crate::flow::testing::{World, directory, dropped, judged, open, ping, reply};

fn context() -> Context {
    Context {
        directory: DirectoryHandle::new(directory()),
        boot: Boot::fixed(0x0123_4567_89ab_cdef),
        scope: crate::access::Scope::All,
    }
}

/// A filter as clients write it.
fn filter(json: &str) -> FlowFilter {
    serde_json::from_str(json).unwrap_or_else(|error| panic!("{json}: {error}"))
}

fn compile(json: &str) -> Result<FilterSet, FilterError> {
    FilterSet::compile(&[filter(json)], &[], &context())
}

/// open (egress, TCP), its reply, a UDP drop from the world, an IPv6 ping, an audited opening.
fn stored() -> Vec<Record> {
    let audited = judged(EventKind::Open, Verdict::Audit(DropReason::RuleDenied));
    World::records(&[open(), reply(), dropped(), ping(), audited])
}

/// Which of the five pass, as digits.
fn passing(json: &str) -> String {
    let set = compile(json).unwrap_or_else(|error| panic!("{json}: {error}"));
    stored()
        .iter()
        .enumerate()
        .filter(|(_, record)| set.pass(record))
        .map(|(index, _)| index.to_string())
        .collect()
}

#[test]
fn each_field_matches_what_hubbles_does() {
    for (json, expected) in [
        (r#"{}"#, "01234"),
        (r#"{"verdict":["FORWARDED"]}"#, "013"),
        (r#"{"verdict":["DROPPED","AUDIT"]}"#, "24"),
        (r#"{"verdict":["REDIRECTED"]}"#, ""),
        (r#"{"drop_reason_desc":["POLICY_DENIED"]}"#, "2"),
        (r#"{"drop_reason_desc":["POLICY_DENY"]}"#, ""),
        (r#"{"event_type":[{"type":5}]}"#, "04"),
        (
            r#"{"event_type":[{"type":4,"match_sub_type":true,"sub_type":5}]}"#,
            "3",
        ),
        (r#"{"event_type":[{"type":4,"match_sub_type":true}]}"#, "1"),
        (
            r#"{"event_type":[{"type":1,"match_sub_type":true,"sub_type":133}]}"#,
            "2",
        ),
        (
            r#"{"event_type":[{"match_sub_type":true,"sub_type":0}]}"#,
            "014",
        ),
        (r#"{"event_type":[{"type":129}]}"#, ""),
        (r#"{"traffic_direction":["EGRESS"]}"#, "0134"),
        (r#"{"traffic_direction":["INGRESS"]}"#, "2"),
        (r#"{"reply":[true]}"#, "1"),
        (r#"{"reply":[false]}"#, "0234"),
        (r#"{"protocol":["tcp"]}"#, "014"),
        (r#"{"protocol":["UDP","icmp"]}"#, "23"),
        (r#"{"protocol":["icmpv4","dns"]}"#, ""),
        (r#"{"ip_version":["IPv6"]}"#, "3"),
        (r#"{"ip_version":["IP_NOT_USED"]}"#, ""),
        (r#"{"tcp_flags":[{"SYN":true}]}"#, "014"),
        (
            r#"{"tcp_flags":[{"SYN":true,"ACK":true},{"FIN":true}]}"#,
            "1",
        ),
        (r#"{"tcp_flags":[{"NS":true}]}"#, ""),
        (r#"{"source_ip":["10.0.0.1"]}"#, "04"),
        (r#"{"source_ip":["10.0.0.0/24","192.0.2.0/25"]}"#, "0124"),
        (r#"{"destination_ip":["fd00::/8"]}"#, "3"),
        (r#"{"destination_ip":["::ffff:10.0.0.2"]}"#, ""),
        (r#"{"source_ip_xlated":["10.0.0.1"]}"#, ""),
        (r#"{"source_port":["40000"]}"#, "04"),
        (r#"{"destination_port":["8080","53"]}"#, "024"),
        (r#"{"destination_port":["0"]}"#, ""),
        (r#"{"source_identity":[5000,777777]}"#, "034"),
        (r#"{"destination_identity":[5000]}"#, "12"),
        (r#"{"source_pod":["shop/front"]}"#, "034"),
        (r#"{"source_pod":["front"]}"#, ""),
        (r#"{"source_pod":["shop/"]}"#, "0134"),
        (r#"{"source_pod":["/back"]}"#, "1"),
        (r#"{"destination_pod":["/"]}"#, "0124"),
        (r#"{"source_workload":[{"name":"frontend"}]}"#, "034"),
        (r#"{"source_workload":[{"kind":"Deployment"}]}"#, "0134"),
        (
            r#"{"source_workload":[{"name":"frontend","kind":"Pod"}]}"#,
            "",
        ),
        (r#"{"source_cluster_name":["default"]}"#, "0134"),
        (r#"{"source_cluster_name":["def*"]}"#, ""),
        (r#"{"source_label":["app=frontend"]}"#, "034"),
        (r#"{"source_label":["k8s:app in (backend, api)"]}"#, "1"),
        (r#"{"source_label":["reserved:world"]}"#, "2"),
        (r#"{"destination_label":["reserved:unknown"]}"#, "3"),
        (r#"{"source_label":["!app"]}"#, "2"),
        (r#"{"node_labels":["zone=a"]}"#, ""),
        (r#"{"node_labels":["!zone"]}"#, "01234"),
        (r#"{"node_name":["node-a"]}"#, "01234"),
        (r#"{"node_name":["node-*","x"]}"#, "01234"),
        (r#"{"node_name":["default/"]}"#, "01234"),
        (r#"{"node_name":["other/node-a"]}"#, ""),
        (r#"{"interface":[{"index":12}]}"#, "01234"),
        (r#"{"interface":[{"name":"veth-front"}]}"#, "01234"),
        (r#"{"interface":[{"index":12,"name":"eth0"}]}"#, ""),
        (r#"{"encrypted":[false]}"#, "01234"),
        (r#"{"encrypted":[true]}"#, ""),
        (r#"{"source_fqdn":["*.example.com"]}"#, ""),
        (r#"{"dns_query":["example"]}"#, ""),
        (r#"{"source_service":["shop/web"]}"#, ""),
        (r#"{"http_status_code":["4+"]}"#, ""),
        (r#"{"http_path":["/a.*"],"event_type":[{"type":129}]}"#, ""),
        (r#"{"trace_id":["abc"]}"#, ""),
        (r#"{"ip_trace_id":["5"]}"#, ""),
        (
            r#"{"verdict":["FORWARDED"],"reply":[false],"protocol":["tcp"]}"#,
            "0",
        ),
    ] {
        assert_eq!(passing(json), expected, "{json}");
    }
}

#[test]
fn a_uuid_matches_its_flow_alone() {
    let boot = context().boot;
    let json = format!(r#"{{"uuid":["{}","x"]}}"#, boot.uuid(2));
    assert_eq!(passing(&json), "2");
    assert_eq!(passing(r#"{"uuid":["x"]}"#), "");
}

#[test]
fn white_and_black_lists_combine() {
    let tcp = filter(r#"{"protocol":["tcp"]}"#);
    let udp = filter(r#"{"protocol":["udp"]}"#);
    let replies = filter(r#"{"reply":[true]}"#);
    let set = FilterSet::compile(&[tcp, udp], &[replies], &context()).unwrap();
    let passed: Vec<bool> = stored().iter().map(|record| set.pass(record)).collect();
    assert_eq!(passed, [true, false, true, false, true]);
}

#[test]
fn what_means_nothing_is_refused_by_name() {
    for (json, part) in [
        (r#"{"source_ip":["10.0.0"]}"#, "10.0.0"),
        (r#"{"destination_ip":["10.0.0.0/33"]}"#, "10.0.0.0/33"),
        (r#"{"source_ip_xlated":["x"]}"#, "x"),
        (r#"{"source_port":["http"]}"#, "http"),
        (r#"{"destination_port":["65536"]}"#, "65536"),
        (r#"{"protocol":["quic"]}"#, "quic"),
        (r#"{"source_pod":[""]}"#, "pod"),
        (r#"{"source_service":[""]}"#, "service"),
        (r#"{"source_fqdn":["a b"]}"#, "a b"),
        (r#"{"dns_query":["("]}"#, "dns_query"),
        (r#"{"source_label":["a=b=c)"]}"#, "label"),
        (r#"{"node_name":["a!b"]}"#, "node_name"),
        (r#"{"source_cluster_name":[""]}"#, "cluster_name"),
        (r#"{"http_status_code":["4"]}"#, "http_status_code"),
        (r#"{"http_status_code":["600"]}"#, "600"),
        (r#"{"http_path":["("]}"#, "http_path"),
        (
            r#"{"http_method":["GET"],"event_type":[{"type":4}]}"#,
            "http_method",
        ),
        (
            r#"{"experimental":{"cel_expression":["_flow.nonsense"]}}"#,
            "nonsense",
        ),
    ] {
        let error = compile(json)
            .err()
            .unwrap_or_else(|| panic!("{json} passed"));
        assert!(error.to_string().contains(part), "{json}: {error}");
    }
    let unknown = FlowFilter {
        verdict: vec![99],
        ..FlowFilter::default()
    };
    assert!(FilterSet::compile(&[unknown], &[], &context()).is_err());
}

#[test]
fn requests_are_bounded() {
    let many = vec![FlowFilter::default(); MAX_FILTERS + 1];
    assert!(matches!(
        FilterSet::compile(&many, &[], &context()),
        Err(FilterError::TooMany { count, .. }) if count == MAX_FILTERS + 1
    ));
    let wide = FlowFilter {
        source_identity: vec![1; MAX_VALUES + 1],
        ..FlowFilter::default()
    };
    assert!(FilterSet::compile(&[], &[wide], &context()).is_err());
    let long = FlowFilter {
        source_label: vec!["a".repeat(10 << 20)],
        ..FlowFilter::default()
    };
    let error = FilterSet::compile(&[long], &[], &context()).unwrap_err();
    assert!(error.to_string().len() < 300, "{error}");
    let heavy = FlowFilter {
        dns_query: vec!["(a{1000}){1000}".to_owned()],
        ..FlowFilter::default()
    };
    assert!(FilterSet::compile(&[heavy], &[], &context()).is_err());
}

#[test]
fn packets_without_addresses_match_no_address() {
    let event = Event {
        flags: flowd_abi::event::EventFlags::NO_ADDRESSES,
        ..judged(EventKind::Drop, Verdict::Drop(DropReason::Malformed))
    };
    let records = World::records(&[event]);
    for (json, expected) in [
        (r#"{"source_ip":["0.0.0.0/0","::/0"]}"#, false),
        (r#"{"ip_version":["IP_NOT_USED"]}"#, true),
        (r#"{"destination_port":["8080"]}"#, false),
    ] {
        assert_eq!(compile(json).unwrap().pass(&records[0]), expected, "{json}");
    }
}

/// A record of curl's, and the rules and numbers of a frontend's opening.
fn owned() -> Record {
    let mut record = World::records(&[open()]).remove(0);
    record.owner = Some(std::sync::Arc::new(crate::enrich::Owner::example()));
    record
}

fn passes_beyond(record: &Record, json: &str) -> bool {
    let beyond: FlowExtensionFilter =
        serde_json::from_str(json).unwrap_or_else(|error| panic!("{json}: {error}"));
    let asked = GetFlowsExtension {
        whitelist: vec![beyond.clone()],
        ..GetFlowsExtension::default()
    };
    let set = FilterSet::extended(&[], &[], &asked, &context()).unwrap();
    let denied = GetFlowsExtension {
        blacklist: vec![beyond],
        ..GetFlowsExtension::default()
    };
    let rest = FilterSet::extended(&[], &[], &denied, &context()).unwrap();
    assert_ne!(set.pass(record), rest.pass(record), "{json}");
    set.pass(record)
}

#[test]
fn what_is_asked_beyond_hubble_is_matched_on_the_record() {
    for fits in [
        r#"{}"#,
        r#"{"process":["curl"]}"#,
        r#"{"process":["c*l"],"pid":[4242,1],"user":["www-data"]}"#,
        r#"{"process":["/usr/bin/*"]}"#,
        r#"{"user":["33"],"unit":["shop.*"],"container":["3fa9*"]}"#,
        r#"{"rule":["front"]}"#,
        r#"{"rule":["shop/front:spec.egress[1]"]}"#,
        r#"{"rule":["Cilium*/shop/f*"]}"#,
        r#"{"min_bytes":"77","max_bytes":"77","min_packets":"3","max_packets":"3"}"#,
        r#"{"max_duration":"0s"}"#,
    ] {
        assert!(passes_beyond(&owned(), fits), "{fits}");
    }
    for misses in [
        r#"{"process":["cur"]}"#,
        r#"{"process":["/bin/curl"]}"#,
        r#"{"process":["curl"],"pid":[1]}"#,
        r#"{"user":["root"]}"#,
        r#"{"rule":["shop/stop"]}"#,
        r#"{"rule":["shop/front:default_deny"]}"#,
        r#"{"rule":["NetworkPolicy/shop/front"]}"#,
        r#"{"min_bytes":"78"}"#,
        r#"{"max_packets":"2"}"#,
        r#"{"min_duration":"1s"}"#,
    ] {
        assert!(!passes_beyond(&owned(), misses), "{misses}");
    }
    let nobody = World::records(&[open()]).remove(0);
    assert!(!passes_beyond(&nobody, r#"{"process":["*"]}"#));
    let denied = World::records(&[dropped()]).remove(0);
    assert!(passes_beyond(
        &denied,
        r#"{"rule":["shop/front:default_deny"]}"#
    ));
    assert!(!passes_beyond(&denied, r#"{"rule":["shop/front:spec*"]}"#));
}

#[test]
fn what_is_asked_beyond_hubble_belongs_to_the_filter_at_its_place() {
    let beyond = |json: &str| serde_json::from_str::<FlowExtensionFilter>(json).unwrap();
    let extension = GetFlowsExtension {
        whitelist: vec![beyond(r#"{"min_bytes":"78"}"#)],
        ..GetFlowsExtension::default()
    };
    // open: 77 bytes; the drop: 60.
    let passing = |lists: &[&str]| {
        let lists: Vec<FlowFilter> = lists.iter().map(|json| filter(json)).collect();
        let set = FilterSet::extended(&lists, &[], &extension, &context()).unwrap();
        let stored = stored();
        [set.pass(&stored[0]), set.pass(&stored[2])]
    };
    assert_eq!(passing(&[]), [false, false]);
    assert_eq!(passing(&[r#"{"verdict":["DROPPED"]}"#]), [false, false]);
    let second = [r#"{"verdict":["FORWARDED"]}"#, r#"{"verdict":["DROPPED"]}"#];
    assert_eq!(passing(&second), [false, true]);
    for (json, says) in [
        (r#"{"rule":["a/b/c/d"]}"#, "kind/namespace/name"),
        (r#"{"process":[""]}"#, "empty pattern"),
        (r#"{"min_bytes":"2","max_bytes":"1"}"#, "least is above"),
        (r#"{"min_duration":"-1s"}"#, "not negative"),
    ] {
        let asked = GetFlowsExtension {
            blacklist: vec![beyond(json)],
            ..GetFlowsExtension::default()
        };
        let error = FilterSet::extended(&[], &[], &asked, &context()).unwrap_err();
        assert!(error.to_string().contains(says), "{error}");
    }
    let many = GetFlowsExtension {
        whitelist: vec![FlowExtensionFilter::default(); MAX_FILTERS + 1],
        ..GetFlowsExtension::default()
    };
    assert!(FilterSet::extended(&[], &[], &many, &context()).is_err());
    let many = GetFlowsExtension {
        whitelist: vec![FlowExtensionFilter {
            pid: vec![1; MAX_VALUES + 1],
            ..FlowExtensionFilter::default()
        }],
        ..GetFlowsExtension::default()
    };
    assert!(FilterSet::extended(&[], &[], &many, &context()).is_err());
}
