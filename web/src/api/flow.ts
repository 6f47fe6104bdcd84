/** The flow as it crosses the wire: protojson of Hubble's `flow.Flow` in proto field names. Unset fields are absent, so every field is optional here. */
import type { U64 } from "./status";
import type { TimelineEvent } from "./timeline";

export interface Workload {
  kind?: string;
  name?: string;
}

export interface Endpoint {
  namespace?: string;
  pod_name?: string;
  identity?: number;
  labels?: string[];
  workloads?: Workload[];
}

export interface Policy {
  name?: string;
  namespace?: string;
  kind?: string;
  labels?: string[];
  revision?: string;
}

interface Ports {
  source_port?: number;
  destination_port?: number;
}

interface Icmp {
  type?: number;
  code?: number;
}

export interface Layer4 {
  TCP?: Ports & { flags?: Record<string, boolean> };
  UDP?: Ports;
  SCTP?: Ports;
  ICMPv4?: Icmp;
  ICMPv6?: Icmp;
}

export interface Flow {
  time?: string;
  uuid?: string;
  verdict?: string;
  drop_reason_desc?: string;
  IP?: { source?: string; destination?: string };
  l4?: Layer4;
  source?: Endpoint;
  destination?: Endpoint;
  source_names?: string[];
  destination_names?: string[];
  traffic_direction?: string;
  is_reply?: boolean;
  event_type?: { type?: number; sub_type?: number };
  Summary?: string;
  ingress_allowed_by?: Policy[];
  egress_allowed_by?: Policy[];
  ingress_denied_by?: Policy[];
  egress_denied_by?: Policy[];
  extensions?: FlowExtension;
}

/** A rule of a policy, or a policy, and where it is written. */
export interface PolicyRef {
  kind?: string;
  namespace?: string;
  name?: string;
  file?: string;
  line?: number;
}

export interface RuleRef extends PolicyRef {
  index?: number;
  direction?: string;
  action?: string;
}

export interface Process {
  pid?: number;
  name?: string;
  executable?: string;
  user_id?: number;
  user?: string;
  started?: string;
  unit?: string;
  container?: string;
}

/** What would have become of a flow were the shadow policies enforced. */
export interface ShadowVerdict {
  verdict?: string;
  reason?: string;
  rules?: RuleRef[];
  default_denied_by?: PolicyRef[];
}

/** `flowd.v1.FlowExtension` beside its `@type`; only what the page has words for. The rest is shown as it comes. */
export interface FlowExtension {
  event?: string;
  /** Counted on the workload's device: sent by it, received by it. */
  sent_packets?: U64;
  sent_bytes?: U64;
  received_packets?: U64;
  received_bytes?: U64;
  created?: string;
  packets_told?: U64;
  deferred?: boolean;
  policy_generation?: number;
  connection_state?: string;
  /** flowd's own name of the verdict's reason. */
  reason?: string;
  rules?: RuleRef[];
  /** The policies that switched the workload to default deny, when no rule decided. */
  default_denied_by?: PolicyRef[];
  seeded?: boolean;
  cidr?: string;
  /** Seconds as protojson has them, such as `1.5s`. */
  duration?: string;
  reset_by?: string;
  handshake_rtt_us?: number;
  rtt_us?: number;
  retransmits?: number;
  process?: Process;
  attribution?: string;
  shadow?: ShadowVerdict;
  shadow_changed?: boolean;
  [field: string]: unknown;
}

/** One `GetFlowsResponse`. A response without a flow tells a node's status or a loss, and makes no row. */
export interface FlowResponse {
  flow?: Flow;
  node_name?: string;
  time?: string;
}

/** How far back a stream begins, as `flowd.v1.Coverage`. */
export interface Coverage {
  oldest_seq?: U64;
  oldest_time?: string;
  from_seq?: U64;
}

/** An event of the timeline, and how many flows of the same message come before it. */
export interface PlacedEvent {
  at?: number;
  event?: TimelineEvent;
}

/** One message of the stream. `lost` counts flows the daemon could not hand to this reader since the last message. */
export interface FlowMessage {
  flows?: FlowResponse[];
  lost?: U64;
  events?: PlacedEvent[];
  events_lost?: U64;
  start?: Coverage;
}
