/** Made-up answers of the daemon for work on the page: a small shop, a stranger, and text that means harm. */

const POLICY = { name: "backend-ingress", namespace: "shop", kind: "CiliumNetworkPolicy" };

const ENDS = {
  frontend: end("shop", "frontend-7d9f", 1001, ["k8s:app=frontend", "k8s:tier=web"], "10.7.0.2"),
  backend: end("shop", "backend-5c44", 1002, ["k8s:app=backend"], "10.7.0.3"),
  database: end("shop", "database-0", 1003, ["k8s:app=database"], "10.7.0.4"),
  stranger: end("other", "stranger", 1004, ["k8s:app=stranger"], "10.7.0.9"),
  world: { endpoint: { identity: 2, labels: ["reserved:world"] }, address: "203.0.113.7" },
  hostile: end(
    "shop",
    "<img src=x onerror=alert(1)>\u202egnp.exe",
    1005,
    ["k8s:note=<script>alert(1)</script>"],
    "10.7.0.66",
  ),
};

function end(namespace, pod_name, identity, labels, address) {
  return { endpoint: { namespace, pod_name, identity, labels }, address };
}

const SCENES = [
  { from: "frontend", to: "backend", port: 8080, verdict: "FORWARDED" },
  { from: "backend", to: "frontend", port: 8080, verdict: "FORWARDED", reply: true },
  { from: "stranger", to: "backend", port: 8080, verdict: "DROPPED", reason: "POLICY_DENIED" },
  { from: "backend", to: "database", port: 5432, verdict: "FORWARDED", shadow: true },
  { from: "frontend", to: "backend", port: 8080, verdict: "FORWARDED", close: true },
  { from: "frontend", to: "world", udp: true, port: 53, verdict: "FORWARDED" },
  { from: "stranger", to: "database", port: 5432, verdict: "AUDIT", reason: "POLICY_DENIED" },
  { from: "world", to: "backend", icmp: true, verdict: "DROPPED", reason: "POLICY_DENY" },
  { from: "stranger", to: "world", port: 443, verdict: "FORWARDED" },
  { from: "hostile", to: "backend", port: 22, verdict: "DROPPED", reason: "INVALID_SOURCE_IP" },
];

const CLOSED = {
  connection_state: "RESET",
  reset_by: "REMOTE",
  duration: "1.204s",
  sent_packets: "8",
  sent_bytes: "1204",
  received_packets: "9",
  received_bytes: "48211",
  handshake_rtt_us: 340,
  rtt_us: 512,
  retransmits: 2,
  process: {
    pid: 4711,
    name: "nginx",
    executable: "/usr/sbin/nginx",
    user: "www-data",
    user_id: 33,
  },
  attribution: "EXACT",
};

const RULE = { ...POLICY, file: "policies/shop.yaml", line: 18, index: 0, direction: "INGRESS" };

const SHADOWED = {
  shadow: { verdict: "DROPPED", reason: "default_denied", default_denied_by: [POLICY] },
  shadow_changed: true,
};

const OWN_NAMES = {
  POLICY_DENIED: "default_denied",
  POLICY_DENY: "rule_denied",
  INVALID_SOURCE_IP: "source_not_own_address",
};

/** The `n`th flow of an endless day at the shop. */
export function response(n, nowMs) {
  const scene = SCENES[(n * 7 + Math.floor(n / 5)) % SCENES.length];
  const time = new Date(nowMs).toISOString();
  const flow = {
    time,
    uuid: `00000000-0000-4000-8000-${String(n).padStart(12, "0")}`,
    verdict: scene.verdict,
    IP: {
      source: ENDS[scene.from].address,
      destination: ENDS[scene.to].address,
      ipVersion: "IPv4",
    },
    l4: layer4(scene, n),
    source: ENDS[scene.from].endpoint,
    destination: ENDS[scene.to].endpoint,
    Type: "L3_L4",
    node_name: "demo-node",
    is_reply: scene.reply === true,
    event_type: { type: scene.verdict === "DROPPED" ? 1 : 4, sub_type: scene.reason ? 133 : 0 },
    traffic_direction: n % 2 === 0 ? "INGRESS" : "EGRESS",
    Summary: summary(scene),
    extensions: {
      "@type": "type.googleapis.com/flowd.v1.FlowExtension",
      event: scene.reason ? "DROP" : scene.close ? "CLOSE" : "OPEN",
      policy_generation: 7,
      packets_told: "1",
      ...(scene.close ? CLOSED : { connection_state: "NEW" }),
      ...(scene.shadow ? SHADOWED : {}),
    },
  };
  if (scene.reason) flow.drop_reason_desc = scene.reason;
  if (scene.reason) flow.extensions.reason = OWN_NAMES[scene.reason];
  if (scene.reason === "POLICY_DENIED") flow.extensions.default_denied_by = [POLICY];
  else if (scene.reason === "POLICY_DENY") flow.ingress_denied_by = [POLICY];
  else if (scene.to === "backend" && !scene.reason) flow.ingress_allowed_by = [POLICY];
  return { flow, node_name: "demo-node", time };
}

function layer4(scene, n) {
  if (scene.icmp) return { ICMPv4: { type: 8 } };
  const client = 40_000 + (n % 20_000);
  const ports = scene.reply
    ? { source_port: scene.port, destination_port: client }
    : { source_port: client, destination_port: scene.port };
  return scene.udp ? { UDP: ports } : { TCP: { ...ports, flags: { SYN: true } } };
}

function summary(scene) {
  if (scene.icmp) return "ICMPv4 EchoRequest";
  if (scene.udp) return "UDP";
  return scene.reply ? "TCP Flags: SYN, ACK" : "TCP Flags: SYN";
}

/** Why a flow was dropped: the same default deny for every flow of this shop. */
export function why() {
  const end = {
    direction: "INGRESS",
    endpoint: "shop/backend-5c44",
    peer: "other/stranger",
    destination: "TCP/8080",
    basis: "FLOW",
    verdict: "DROPPED",
    reason: "default_denied",
    help: "No rule allows it, and a policy switched the workload to default deny in this direction.",
    default_denied_by: [
      { policy: RULE, hits: "12", because: ["denies what its ingress rule does not allow"] },
    ],
    near_misses: [
      {
        rule: RULE,
        path: "spec.ingress[0]",
        missed: [{ what: 'label app must be "frontend", the peer has "stranger"' }],
      },
    ],
    suggestion: "apiVersion: cilium.io/v2\nkind: CiliumNetworkPolicy\nspec: {}\n",
    decided_generation: 7,
    current_generation: 7,
  };
  return { ends: [end] };
}

/** An event of the timeline every so often. */
export function event(n, nowMs) {
  const time = new Date(nowMs).toISOString();
  const generation = { generation: 7 + n, endpoints: 4, failed: n % 3 === 2 ? 1 : 0 };
  return { at: 0, event: { number: String(n), time, generation } };
}

export function status() {
  const names = ["frontend-7d9f", "backend-5c44", "database-0", "stranger"];
  return {
    version: "0.1.0",
    node_name: "demo-node",
    healthy: true,
    source_errors: [
      {
        file: "policies/broken.yaml",
        line: 12,
        message: "unknown field `toPort`; did you mean `toPorts`?",
      },
    ],
    endpoints: names.map((name, index) => ({
      id: index + 1,
      namespace: index === 3 ? "other" : "shop",
      name,
      state: index === 3 ? "attaching" : "protected",
      mode: index === 2 ? "audit" : "enforce",
      interface: `veth${index}`,
      ingress_enforced: index === 1,
      desired_generation: "7",
      enforced_generation: index === 3 ? "6" : "7",
      policies: index === 1 ? ["shop/backend-ingress"] : [],
    })),
    ledger: {
      rows: [
        ledgerRow("FORWARDED", "", "INGRESS", "18446744073709551615", "98120", "0"),
        ledgerRow("DROPPED", "default_denied", "INGRESS", "1204331", "400", "12"),
        ledgerRow("AUDIT", "default_denied", "INGRESS", "8841", "90", "0"),
      ],
      deferred_pending: "12",
      balanced: true,
    },
  };
}

function ledgerRow(verdict, reason, direction, packets, told, deferred) {
  return { verdict, reason, direction, packets, bytes: "7731", told, coalesced: "51", deferred };
}
