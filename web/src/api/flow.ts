/** The flow as it crosses the wire: protojson of Hubble's `flow.Flow` in proto field names. Unset fields are absent, so every field is optional here. */

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

/** `flowd.v1.FlowExtension` beside its `@type`; only what the page has words for. The rest is shown as it comes. */
export interface FlowExtension {
  /** flowd's own name of the verdict's reason. */
  reason?: string;
  /** The policies that switched the workload to default deny, when no rule decided. */
  default_denied_by?: Policy[];
  [field: string]: unknown;
}

/** One `GetFlowsResponse`. A response without a flow tells a node's status or a loss, and makes no row. */
export interface FlowResponse {
  flow?: Flow;
  node_name?: string;
  time?: string;
}

/** One message of the stream. `lost` counts flows the daemon could not hand to this reader since the last message. */
export interface FlowMessage {
  flows?: FlowResponse[];
  lost?: number | string;
}
