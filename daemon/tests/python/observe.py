"""An independent client of the observe API: Google's protobuf and gRPC's C core.

Every filter is asked of the server and computed here from all flows; both must agree. Called by
e2e_python.rs with the socket and the folder of the .proto files; talks to it over stdin and stdout.
"""

import fnmatch
import ipaddress
import re
import sys
import tempfile
from pathlib import Path

import grpc
from grpc_tools import protoc

SOCKET, PROTO = sys.argv[1], Path(sys.argv[2])
OUT = tempfile.mkdtemp()
FILES = [str(path.relative_to(PROTO)) for path in PROTO.rglob("*.proto")]
assert protoc.main(
    ["protoc", f"-I{PROTO}", f"-I{Path(protoc.__file__).parent / '_proto'}", f"--python_out={OUT}", f"--grpc_python_out={OUT}", *FILES]
) == 0
sys.path.insert(0, OUT)

from google.protobuf import field_mask_pb2, timestamp_pb2  # noqa: E402
from flow import flow_pb2 as flow  # noqa: E402
from flowd.v1 import aggregate_pb2, aggregate_pb2_grpc, coverage_pb2, flowd_pb2, timeline_pb2, timeline_pb2_grpc  # noqa: E402
from observer import observer_pb2 as api, observer_pb2_grpc  # noqa: E402
from peer import peer_pb2, peer_pb2_grpc  # noqa: E402

# Of a socket the C core would make its path the authority, which is no valid one in HTTP/2.
CHANNEL = grpc.insecure_channel(f"unix://{SOCKET}", options=[("grpc.default_authority", "localhost")])
OBSERVER = observer_pb2_grpc.ObserverStub(CHANNEL)
ALL = 2**64 - 1
WAIT = 20


def get(**request):
    """The answers to a request."""
    return list(OBSERVER.GetFlows(api.GetFlowsRequest(**request), timeout=WAIT))


def flows(**request):
    return [answer.flow for answer in get(**request) if answer.HasField("flow")]


def refused(code, **request):
    try:
        get(**request)
    except grpc.RpcError as error:
        assert error.code() == code, (request, error)
        return error.details()
    raise AssertionError(f"not refused: {request}")


def ids(some):
    return [one.uuid for one in some]


def l4(one):
    which = one.l4.WhichOneof("protocol")
    return getattr(one.l4, which) if which else None


def port(one, side):
    layer = l4(one)
    return str(getattr(layer, side + "_port")) if hasattr(layer, side + "_port") else None


def in_net(address, net):
    return bool(address) and ipaddress.ip_address(address) in ipaddress.ip_network(net)


def labels(endpoint):
    """Label keys with and without their source, and their values."""
    known = {}
    for text in endpoint.labels:
        key, _, value = text.partition("=")
        known[key] = value
        known[key.partition(":")[2]] = value
    return known


def pod(endpoint, namespace, prefix):
    named = endpoint.namespace or endpoint.pod_name
    return bool(named) and namespace in (None, endpoint.namespace) and endpoint.pod_name.startswith(prefix)


def filter_table(some):
    """(filter, what it means, whether something must match)."""
    tcp = next(one for one in some if one.l4.HasField("TCP"))
    dropped = next(one for one in some if one.verdict == flow.DROPPED)
    v4, v6 = flow.IPv4, flow.IPv6
    flags = flow.TCPFlags(SYN=True, ACK=True)
    kind = lambda t, s=None: flow.EventTypeFilter(type=t, match_sub_type=s is not None, sub_type=s or 0)
    cel = lambda *texts: {"experimental": flow.FlowFilter.Experimental(cel_expression=texts)}
    table = [
        (dict(uuid=[tcp.uuid, "x"]), lambda f: f.uuid == tcp.uuid, True),
        (dict(verdict=[flow.DROPPED]), lambda f: f.verdict == flow.DROPPED, True),
        (dict(verdict=[flow.REDIRECTED]), lambda f: False, False),
        (dict(drop_reason_desc=[dropped.drop_reason_desc]),
         lambda f: f.verdict == flow.DROPPED and f.drop_reason_desc == dropped.drop_reason_desc, True),
        (dict(event_type=[kind(4)]), lambda f: f.event_type.type == 4, True),
        (dict(event_type=[kind(4, 0), kind(1)]),
         lambda f: f.event_type.type == 1 or f.event_type.type == 4 and f.event_type.sub_type == 0, True),
        (dict(event_type=[kind(0, 0)]), lambda f: f.event_type.sub_type == 0, True),
        (dict(traffic_direction=[flow.INGRESS]), lambda f: f.traffic_direction == flow.INGRESS, True),
        (dict(reply=[True]), lambda f: f.is_reply.value, True),
        (dict(reply=[False]), lambda f: not f.is_reply.value, True),
        (dict(protocol=["TCP"]), lambda f: f.l4.HasField("TCP"), True),
        (dict(protocol=["udp", "icmp"]),
         lambda f: f.l4.WhichOneof("protocol") in ("UDP", "ICMPv4", "ICMPv6"), True),
        (dict(protocol=["sctp", "vrrp", "igmp", "dns", "http"]), lambda f: False, False),
        (dict(ip_version=[v6]), lambda f: f.IP.ipVersion == v6, True),
        (dict(ip_version=[v4, v6]), lambda f: f.IP.ipVersion in (v4, v6), True),
        (dict(tcp_flags=[flags]), lambda f: f.l4.TCP.flags.SYN and f.l4.TCP.flags.ACK, True),
        (dict(encrypted=[False]), lambda f: not f.IP.encrypted, True),
        (dict(encrypted=[True]), lambda f: f.IP.encrypted, False),
        (dict(node_name=[tcp.node_name]), lambda f: True, True),
        (dict(node_name=["nowhere*"]), lambda f: fnmatch.fnmatch(f.node_name, "nowhere*"), False),
        (dict(node_name=["default/"]), lambda f: True, True),
        (dict(node_labels=["zone"]), lambda f: False, False),
        (dict(interface=[flow.NetworkInterface(name=tcp.interface.name)]),
         lambda f: f.interface.name == tcp.interface.name, True),
        (dict(interface=[flow.NetworkInterface(index=tcp.interface.index)]),
         lambda f: f.interface.index == tcp.interface.index, True),
        (dict(source_ip_xlated=["10.0.0.1"]), lambda f: False, False),
        (dict(dns_query=["."]), lambda f: False, False),
        (dict(http_method=["GET"]), lambda f: False, False),
        (dict(http_status_code=["5+"]), lambda f: False, False),
        (dict(http_path=["/"]), lambda f: False, False),
        (dict(http_url=["http"]), lambda f: False, False),
        (dict(http_header=[flow.HTTPHeader(key="a", value="b")]), lambda f: False, False),
        (dict(trace_id=["x"]), lambda f: False, False),
        (dict(ip_trace_id=[7]), lambda f: False, False),
        (cel("_flow.verdict == Verdict.DROPPED"), lambda f: f.verdict == flow.DROPPED, True),
        (cel("has(_flow.l4.UDP)", "_flow.is_reply == true"),
         lambda f: f.l4.HasField("UDP") or f.is_reply.value, True),
        (cel("_flow.source.labels.exists(l, l.endsWith('app=frontend'))"),
         lambda f: any(text.endswith("app=frontend") for text in f.source.labels), True),
        (dict(protocol=["tcp"], verdict=[flow.DROPPED]),
         lambda f: f.l4.HasField("TCP") and f.verdict == flow.DROPPED, True),
    ]
    for side in ("source", "destination"):
        end = lambda f, side=side: getattr(f, side)
        ip = lambda f, side=side: getattr(f.IP, side)
        address, identity = ip(tcp), end(tcp).identity
        number, net = port(tcp, side), address + ("/24" if ":" not in address else "/64")
        net = str(ipaddress.ip_network(net, strict=False))
        table += [
            ({side + "_ip": [address]}, lambda f, ip=ip, a=address: ip(f) == a, True),
            ({side + "_ip": [net]}, lambda f, ip=ip, n=net: in_net(ip(f), n), True),
            ({side + "_port": [number]}, lambda f, s=side, n=number: port(f, s) == n, True),
            ({side + "_identity": [identity]}, lambda f, e=end, i=identity: e(f).identity == i, True),
            ({side + "_pod": ["shop/front"]}, lambda f, e=end: pod(e(f), "shop", "front"), True),
            ({side + "_pod": ["shop/"]}, lambda f, e=end: pod(e(f), "shop", ""), True),
            ({side + "_pod": ["/back"]}, lambda f, e=end: pod(e(f), None, "back"), True),
            ({side + "_pod": ["front"]}, lambda f, e=end: pod(e(f), "default", "front"), False),
            ({side + "_label": ["app=frontend"]}, lambda f, e=end: labels(e(f)).get("app") == "frontend", True),
            ({side + "_label": ["k8s:app in (backend, x)"]},
             lambda f, e=end: labels(e(f)).get("k8s:app") in ("backend", "x"), True),
            ({side + "_label": ["app!=frontend,app"]},
             lambda f, e=end: labels(e(f)).get("app", "frontend") != "frontend", True),
            ({side + "_workload": [flow.Workload(name="nobody")]}, lambda f: False, False),
            ({side + "_cluster_name": ["default"]}, lambda f, e=end: e(f).cluster_name == "default", True),
            ({side + "_fqdn": ["*.example.com"]}, lambda f: False, False),
            ({side + "_service": ["shop/web"]}, lambda f: False, False),
        ]
    known = {field.name for field in flow.FlowFilter.DESCRIPTOR.fields}
    asked = {name for (filter, _, _) in table for name in filter}
    assert known == asked, f"filters without a row: {known ^ asked}"
    return table


def check_filters(some, until):
    for filter, means, some_match in filter_table(some):
        expected = ids(one for one in some if means(one))
        assert bool(expected) or not some_match, f"nothing to find: {filter}"
        one = flow.FlowFilter(**filter)
        assert ids(flows(whitelist=[one], until=until)) == expected, filter
        rest = [uuid for uuid in ids(some) if uuid not in expected]
        assert ids(flows(blacklist=[one], until=until)) == rest, filter
    bad = [dict(source_ip=["10.0.0"]), dict(source_label=["a=b)"]), dict(dns_query=["("]),
           dict(experimental=flow.FlowFilter.Experimental(cel_expression=["_flow.nope == 1"]))]
    for filter in bad:
        refused(grpc.StatusCode.INVALID_ARGUMENT, whitelist=[flow.FlowFilter(**filter)])
    details = refused(grpc.StatusCode.RESOURCE_EXHAUSTED, whitelist=[flow.FlowFilter()] * 129)
    assert "at most 128" in details, details


def check_numbers(some, until):
    uuids = ids(some)
    newest, now = ids(flows(number=3)), ids(flows(first=True, number=ALL))
    at = now.index(newest[0])
    assert newest == now[at : at + 3] and at >= len(uuids) - 3, (newest, now[-5:])
    assert ids(flows(number=3, first=True)) == uuids[:3]
    assert ids(flows(number=ALL, until=until)) == uuids
    middle = some[len(some) // 2].time
    later = [one.uuid for one in some if one.time.ToNanoseconds() >= middle.ToNanoseconds()]
    assert ids(flows(since=middle, until=until)) == later
    assert ids(flows(since=middle, number=2, until=until)) == later[:2]
    assert ids(flows(since=middle, first=True, number=1)) == later[:1]
    assert refused(grpc.StatusCode.INVALID_ARGUMENT, first=True, follow=True)


def paths(message, prefix="", depth=3):
    for field in message.fields:
        yield prefix + field.name
        if field.message_type and not field.is_repeated and depth > 1:
            yield from paths(field.message_type, prefix + field.name + ".", depth - 1)


def cut(message, parts):
    """What a mask of one path leaves of a message."""
    kept = type(message)()
    name = parts[0]
    field = message.DESCRIPTOR.fields_by_name[name]
    if field.is_repeated:
        getattr(kept, name).extend(getattr(message, name))
    elif field.message_type:
        if message.HasField(name):
            inner = getattr(message, name)
            getattr(kept, name).CopyFrom(cut(inner, parts[1:]) if len(parts) > 1 else inner)
    else:
        setattr(kept, name, getattr(message, name))
    return kept


def check_masks(some):
    whole = next(one for one in some if one.verdict == flow.DROPPED and one.l4.HasField("TCP"))
    only = [flow.FlowFilter(uuid=[whole.uuid])]
    count = 0
    for path in paths(flow.Flow.DESCRIPTOR):
        mask = field_mask_pb2.FieldMask(paths=[path])
        [answer] = get(whitelist=only, field_mask=mask)
        assert answer.flow == cut(whole, path.split(".")), path
        assert answer.HasField("time") == (path.split(".")[0] == "time"), path
        assert bool(answer.node_name) == (path == "node_name"), path
        count += 1
    assert count > 150, count
    both = field_mask_pb2.FieldMask(paths=["source.identity", "l4"])
    [answer] = get(whitelist=only, field_mask=both)
    assert answer.flow == flow.Flow(source=flow.Endpoint(identity=whole.source.identity), l4=whole.l4)
    for path in ("source.podName", "nope", "verdict.x", "source.labels.x", ""):
        mask = field_mask_pb2.FieldMask(paths=[path])
        assert "fieldmask" in refused(grpc.StatusCode.INVALID_ARGUMENT, field_mask=mask), path


def check_coverage(some, until):
    call = OBSERVER.GetFlows(api.GetFlowsRequest(since=some[1].time, until=until), timeout=WAIT)
    first = coverage_pb2.Coverage.FromString(dict(call.initial_metadata())["flowd-coverage-bin"])
    assert len(list(call)) > 0
    last = coverage_pb2.Coverage.FromString(dict(call.trailing_metadata())["flowd-coverage-bin"])
    assert first.since == some[1].time and first.until == until and not first.begins_too_late
    # Two rings are read in turn, so the first flow of the log need not be the earliest.
    earliest, oldest = min(one.time.ToNanoseconds() for one in some), first.oldest_time.ToNanoseconds()
    assert first.oldest_seq == 0 and earliest <= oldest <= some[0].time.ToNanoseconds(), first
    assert last.to_seq >= len(some) and last.lost == 0 and not last.lost_ranges, last


def check_follow():
    request = api.GetFlowsRequest(follow=True, number=2, whitelist=[flow.FlowFilter(protocol=["udp"])])
    stream = OBSERVER.GetFlows(request, timeout=WAIT)
    past = [next(stream).flow for _ in range(2)]
    print("FOLLOWING", flush=True)
    sent = sys.stdin.readline().strip()
    for answer in stream:
        assert answer.flow.uuid not in ids(past)
        if str(answer.flow.l4.UDP.destination_port) == sent:
            break
    stream.cancel()


def check_the_rest():
    health = CHANNEL.unary_unary("/grpc.health.v1.Health/Check")
    assert health(b"\x0a\x16hubble.server.Observer", timeout=WAIT) == b"\x08\x01"
    for version in ("v1", "v1alpha"):
        info = CHANNEL.stream_stream(f"/grpc.reflection.{version}.ServerReflection/ServerReflectionInfo")
        [answer] = list(info(iter([b"\x3a\x01*"]), timeout=WAIT))
        for service in (b"observer.Observer", b"peer.Peer", b"flowd.v1.Timeline", b"flowd.v1.Aggregates", b"grpc.health.v1.Health"):
            assert service in answer, (version, service)
    status = OBSERVER.ServerStatus(api.ServerStatusRequest(), timeout=WAIT)
    assert status.num_flows > 0 and status.max_flows >= status.num_flows, status
    assert status.seen_flows >= status.num_flows and status.flows_rate > 0 and status.uptime_ns > 0
    assert not status.HasField("num_connected_nodes") and status.version.startswith("flowd v"), status
    [node] = OBSERVER.GetNodes(api.GetNodesRequest(), timeout=WAIT).nodes
    assert node.state == 1 and node.name and node.num_flows > 0, node
    names = OBSERVER.GetNamespaces(api.GetNamespacesRequest(), timeout=WAIT).namespaces
    assert [(one.cluster, one.namespace) for one in names] == [("default", "shop")], names
    peers = peer_pb2_grpc.PeerStub(CHANNEL).Notify(peer_pb2.NotifyRequest(), timeout=WAIT)
    first = next(peers)
    assert first.type == peer_pb2.PEER_ADDED and first.name == node.name and first.address == node.address
    peers.cancel()
    assert list(OBSERVER.GetDebugEvents(api.GetDebugEventsRequest(), timeout=WAIT)) == []


def check_events():
    ask = lambda **request: list(OBSERVER.GetAgentEvents(api.GetAgentEventsRequest(**request), timeout=WAIT))
    every = ask()
    kinds = [one.agent_event.type for one in every]
    assert kinds[0] == flow.AGENT_STARTED and flow.POLICY_UPDATED in kinds and flow.ENDPOINT_CREATED in kinds
    assert ask(number=2) == every[-2:] and ask(number=2, first=True) == every[:2]
    since = every[-1].time
    assert ask(since=since)[-1] == every[-1] and ask(until=every[0].time)[0] == every[0]
    stream = OBSERVER.GetAgentEvents(api.GetAgentEventsRequest(follow=True, number=1), timeout=WAIT)
    assert next(stream) == every[-1]
    stream.cancel()
    ours = list(timeline_pb2_grpc.TimelineStub(CHANNEL).GetEvents(timeline_pb2.GetEventsRequest(), timeout=WAIT))
    assert [one.event.time for one in ours] == [one.time for one in every]


def check_extension(some):
    for one in some:
        extension = flowd_pb2.FlowExtension()
        assert one.extensions.Unpack(extension) and extension.reason, one


def check_aggregates(some, until):
    """The sums of all flows by workload, computed here from the last that each connection told."""
    last = {}
    for one in some:
        ours = flowd_pb2.FlowExtension()
        one.extensions.Unpack(ours)
        ends = (one.destination, one.source) if one.is_reply.value else (one.source, one.destination)
        local = ends[0] if one.traffic_direction == flow.EGRESS else ends[1]
        ports = sorted((one.IP.source + str(port(one, "source")), one.IP.destination + str(port(one, "destination"))))
        dropped = one.verdict == flow.DROPPED
        key = (local.pod_name, dropped, one.l4.WhichOneof("protocol"), *ports, ours.created.ToNanoseconds())
        packets = ours.sent_packets + ours.received_packets
        if packets >= last.get(key, (0,))[0]:
            last[key] = packets, ours.sent_packets, ours.sent_bytes, ours.received_packets, ours.received_bytes
    sums = {}
    for (name, dropped, *_), (packets, *numbers) in last.items():
        row = sums.setdefault("shop/" + name, aggregate_pb2.Traffic())
        row.flows += 1
        if dropped:
            row.dropped_packets += packets
            row.dropped_bytes += numbers[1] + numbers[3]
        else:
            for field, number in zip(("sent_packets", "sent_bytes", "received_packets", "received_bytes"), numbers):
                setattr(row, field, getattr(row, field) + number)
    stub = aggregate_pb2_grpc.AggregatesStub(CHANNEL)
    ask = aggregate_pb2.TopRequest(until=until, group_by=[aggregate_pb2.GROUP_KEY_POD], number=1000)
    top = stub.Top(ask, timeout=WAIT)
    told = {row.group[0].value: row.traffic for row in top.rows}
    assert told == sums and len(sums) == 3, (told, sums)
    assert top.unknown_beginnings == 0 and top.coverage.lost == 0 and top.at_each_end, top
    ask.selection.whitelist.add(verdict=[flow.DROPPED])
    drops = stub.Top(ask, timeout=WAIT).total
    assert drops.sent_bytes == 0 and drops.dropped_packets == sum(row.dropped_packets for row in sums.values()), drops
    live = stub.Connections(aggregate_pb2.ConnectionsRequest(number=1), timeout=WAIT)
    assert live.looked_at >= live.matched >= len(live.connections) and live.node_name == some[0].node_name, live
    assert live.truncated == (live.matched > 1), live
    try:
        stub.Top(aggregate_pb2.TopRequest(group_by=[1] * 7), timeout=WAIT)
        raise AssertionError("seven keys")
    except grpc.RpcError as error:
        assert error.code() == grpc.StatusCode.RESOURCE_EXHAUSTED, error


def main():
    some = flows(first=True, number=ALL)
    until = timestamp_pb2.Timestamp()
    until.FromNanoseconds(max(one.time.ToNanoseconds() for one in some))
    assert len(some) > 10 and re.fullmatch(r"[0-9a-f-]{36}", some[0].uuid)
    check_filters(some, until)
    check_numbers(some, until)
    check_masks(some)
    check_extension(some)
    check_coverage(some, until)
    check_aggregates(some, until)
    check_follow()
    check_the_rest()
    check_events()
    print("DONE", flush=True)


main()
