/** Flows that tests begin from, shaped as the daemon sends them. */
import type { Flow, FlowResponse } from "../src/api/flow";

export type WithFlow = FlowResponse & { flow: Flow };

export function dropped(change: Partial<Flow> = {}): WithFlow {
  const flow: Flow = {
    time: "2026-03-01T12:34:56.789012345Z",
    uuid: "d1",
    verdict: "DROPPED",
    drop_reason_desc: "POLICY_DENIED",
    IP: { source: "10.7.0.9", destination: "10.7.0.3" },
    l4: { TCP: { source_port: 40001, destination_port: 8080, flags: { SYN: true } } },
    source: {
      namespace: "other",
      pod_name: "stranger",
      identity: 1004,
      labels: ["k8s:app=stranger"],
    },
    destination: {
      namespace: "shop",
      pod_name: "backend",
      identity: 1002,
      labels: ["k8s:app=backend"],
    },
    traffic_direction: "INGRESS",
    is_reply: false,
    event_type: { type: 1, sub_type: 133 },
    Summary: "TCP Flags: SYN",
    ingress_denied_by: [
      { name: "backend-ingress", namespace: "shop", kind: "CiliumNetworkPolicy" },
    ],
    ...change,
  };
  return { flow, node_name: "node-a", time: flow.time ?? "" };
}

export function message(flows: FlowResponse[], lost: number | string = 0): string {
  return JSON.stringify({ flows, lost });
}

/** `amount` flows that differ only in their uuid, from `first` on. */
export function run(first: number, amount: number): WithFlow[] {
  return Array.from({ length: amount }, (_, offset) => dropped({ uuid: `u${first + offset}` }));
}
