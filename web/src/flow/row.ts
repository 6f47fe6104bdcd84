/** A flow as a line of the table: the words each column shows, made once when the flow arrives. */
import type { Endpoint, Flow, FlowResponse, Layer4, Policy } from "../api/flow";
import { timeOfDay, words } from "../format";
import { visible } from "../text";
import type { EventRow } from "./event";
import { closing, processName, shadowWords } from "./words";

// Labels are searched, so they are kept twice; a workload may carry very many.
const LONGEST_LABELS = 2_048;

/** A flow, ready to show. */
export interface FlowRow {
  kind: "flow";
  id: number;
  time: string;
  source: string;
  destination: string;
  service: string;
  direction: string;
  verdict: string;
  reason: string;
  /** The process at the workload's end. */
  process: string;
  summary: string;
  /** Every word of the row in lower case, which the text filter searches. */
  haystack: string;
  response: FlowResponse & { flow: Flow };
}

/** A place in the log where flows are, or may be, missing. */
export interface GapRow {
  kind: "gap";
  id: number;
  text: string;
}

export type Row = FlowRow | EventRow | GapRow;

/** A row that can be looked at more closely. */
export type Choice = FlowRow | EventRow;

export function flowRow(id: number, response: FlowResponse & { flow: Flow }): FlowRow {
  const flow = response.flow;
  const shown = {
    time: timeOfDay(flow.time ?? response.time),
    source: peer(flow.source, flow.IP?.source, flow.source_names),
    destination: peer(flow.destination, flow.IP?.destination, flow.destination_names),
    service: service(flow.l4, flow.is_reply === true),
    direction: direction(flow),
    verdict: visible(flow.verdict ?? "UNKNOWN"),
    reason: reason(flow),
    process: processName(flow.extensions?.process),
    summary: closing(flow.extensions) || visible(flow.Summary ?? ""),
  };
  const addresses = `${visible(flow.IP?.source)} ${visible(flow.IP?.destination)}`;
  const labels = [...(flow.source?.labels ?? []), ...(flow.destination?.labels ?? [])];
  const dropReason = words(flow.drop_reason_desc ?? "");
  const searched = [
    ...Object.values(shown),
    dropReason,
    addresses,
    visible(labels.join(" "), LONGEST_LABELS),
  ];
  const haystack = searched.join(" ").toLowerCase();
  return { kind: "flow", id, ...shown, haystack, response };
}

/** Tells a flow from every other, so that what a new stream repeats is recognised. */
export function flowKey(response: FlowResponse & { flow: Flow }): string {
  const { uuid, time, verdict, IP, l4, event_type, traffic_direction } = response.flow;
  if (uuid) return uuid;
  return JSON.stringify([response.node_name, time, verdict, IP, l4, event_type, traffic_direction]);
}

/** Who this end is: the workload, else a name known for the address, else the address. */
export function peer(
  endpoint: Endpoint | undefined,
  address: string | undefined,
  names: string[] | undefined,
): string {
  if (endpoint?.pod_name) {
    const namespace = endpoint.namespace ? `${endpoint.namespace}/` : "";
    return visible(namespace + endpoint.pod_name);
  }
  const reserved = endpoint?.labels?.find((label) => String(label).startsWith("reserved:"));
  const name = names?.[0] ?? address ?? "unknown";
  return visible(reserved ? `${name} (${String(reserved).slice("reserved:".length)})` : name);
}

/** The port of the side that serves, and the protocol. A reply comes from that port instead of going to it. */
export function service(l4: Layer4 | undefined, isReply: boolean): string {
  for (const protocol of ["TCP", "UDP", "SCTP"] as const) {
    const ports = l4?.[protocol];
    if (ports) {
      const port = (isReply ? ports.source_port : ports.destination_port) ?? 0;
      return visible(`${port}/${protocol}`);
    }
  }
  for (const protocol of ["ICMPv4", "ICMPv6"] as const) {
    const icmp = l4?.[protocol];
    if (icmp) return visible(`${protocol} ${icmp.type ?? 0}/${icmp.code ?? 0}`);
  }
  return "";
}

function direction(flow: Flow): string {
  const named = flow.traffic_direction;
  const way = named && named !== "TRAFFIC_DIRECTION_UNKNOWN" ? words(named) : "";
  return visible(flow.is_reply === true ? `${way} reply`.trim() : way);
}

/** Why: the reason in flowd's own words, or Hubble's where those are missing, then the policies that decided. An allowed flow needs no reason beside its policy. What a shadow policy would do otherwise comes last. */
function reason(flow: Flow): string {
  const decided = policies(flow).join(", ");
  const plain = flow.verdict === "FORWARDED" && decided !== "";
  const named = plain ? "" : words(String(flow.extensions?.reason || flow.drop_reason_desc || ""));
  const shadow = flow.extensions?.shadow_changed ? shadowWords(flow.extensions) : "";
  return visible([named, decided, shadow].filter((part) => part !== "").join(" · "));
}

/** The policies that decided, each once: those that denied, else those that allowed, else those that made it a default deny. */
export function policies(flow: Flow): string[] {
  const denied = [...(flow.ingress_denied_by ?? []), ...(flow.egress_denied_by ?? [])];
  const allowed = [...(flow.ingress_allowed_by ?? []), ...(flow.egress_allowed_by ?? [])];
  const byDefault = flow.extensions?.default_denied_by ?? [];
  const decided = [denied, allowed, byDefault].find((list) => list.length > 0) ?? [];
  return [...new Set(decided.map(policyName))];
}

export function policyName(policy: Policy): string {
  const name = policy.name ?? "unnamed";
  return visible(policy.namespace ? `${policy.namespace}/${name}` : name);
}
