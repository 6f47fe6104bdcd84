/** All that is known of one flow: both ends with labels, the policies that decided, and the numbers. */
import type { Endpoint, Flow, Layer4, Policy } from "../api/flow";
import { type FlowRow, policyName } from "../flow/row";
import { visible } from "../text";
import { flatten } from "./flatten";

/** Labels shown per end; a workload may carry very many. */
const MOST_LABELS = 64;

export function Details({ row, onClose }: { row: FlowRow; onClose: () => void }) {
  const flow = row.response.flow;
  return (
    <aside class="details" aria-label="Details of the chosen flow">
      <div class="details-head">
        <h2>
          <span class={row.verdict.toLowerCase()}>{row.verdict}</span> {row.service}
        </h2>
        <button type="button" onClick={onClose}>
          Close
        </button>
      </div>
      <Facts facts={[["Why", row.reason], ...numbers(row)]} />
      <End title="Source" end={flow.source} address={addressOf(flow, "source")} />
      <End title="Destination" end={flow.destination} address={addressOf(flow, "destination")} />
      <Policies title="Ingress denied by" policies={flow.ingress_denied_by} />
      <Policies title="Egress denied by" policies={flow.egress_denied_by} />
      <Policies title="Default deny by" policies={flow.extensions?.default_denied_by} />
      <Policies title="Ingress allowed by" policies={flow.ingress_allowed_by} />
      <Policies title="Egress allowed by" policies={flow.egress_allowed_by} />
      {flow.extensions !== undefined && (
        <section>
          <h3>Extensions</h3>
          <Facts facts={flatten(flow.extensions)} />
        </section>
      )}
    </aside>
  );
}

function numbers(row: FlowRow): [string, string][] {
  const { flow, node_name } = row.response;
  const event = flow.event_type;
  return [
    ["Time", visible(flow.time ?? row.response.time)],
    ["Node", visible(node_name)],
    ["Direction", row.direction],
    ["Summary", row.summary],
    ["Drop reason", visible(flow.drop_reason_desc)],
    ["Event", event ? `type ${event.type ?? 0}, sub-type ${event.sub_type ?? 0}` : ""],
    ["UUID", visible(flow.uuid)],
  ];
}

function addressOf(flow: Flow, end: "source" | "destination"): string {
  const address = visible(flow.IP?.[end]);
  const port = portOf(flow.l4, end);
  if (port === undefined) return address;
  return address.includes(":") ? `[${address}]:${port}` : `${address}:${port}`;
}

function portOf(l4: Layer4 | undefined, end: "source" | "destination"): number | undefined {
  const ports = l4?.TCP ?? l4?.UDP ?? l4?.SCTP;
  return end === "source" ? ports?.source_port : ports?.destination_port;
}

function End(props: { title: string; end: Endpoint | undefined; address: string }) {
  const { end } = props;
  const labels = end?.labels ?? [];
  const workloads = (end?.workloads ?? []).map((workload) => `${workload.kind} ${workload.name}`);
  return (
    <section>
      <h3>{props.title}</h3>
      <Facts
        facts={[
          ["Address", props.address],
          ["Namespace", visible(end?.namespace)],
          ["Pod", visible(end?.pod_name)],
          ["Workload", visible(workloads.join(", "))],
          ["Identity", visible(end?.identity)],
        ]}
      />
      {labels.length > 0 && (
        <ul class="labels" aria-label={`${props.title} labels`}>
          {labels.slice(0, MOST_LABELS).map((label) => (
            <li key={label}>{visible(label)}</li>
          ))}
          {labels.length > MOST_LABELS && <li>and {labels.length - MOST_LABELS} more</li>}
        </ul>
      )}
    </section>
  );
}

function Policies({ title, policies }: { title: string; policies: Policy[] | undefined }) {
  if (policies === undefined || policies.length === 0) return null;
  return (
    <section>
      <h3>{title}</h3>
      <ul>
        {policies.slice(0, MOST_LABELS).map((policy) => (
          <li key={policyName(policy)}>
            {policyName(policy)}
            {policy.kind && <small> {visible(policy.kind)}</small>}
            {policy.revision && <small> revision {visible(policy.revision)}</small>}
          </li>
        ))}
      </ul>
    </section>
  );
}

function Facts({ facts }: { facts: [string, string][] }) {
  return (
    <dl>
      {facts
        .filter(([, value]) => value !== "")
        .map(([name, value]) => (
          <div key={name}>
            <dt>{name}</dt>
            <dd>{value}</dd>
          </div>
        ))}
    </dl>
  );
}
