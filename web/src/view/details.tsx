/** All that is known of one flow: what decided, the connection's numbers, whose it is, both ends, the policies. */
import type { Endpoint, Flow, Layer4, Policy } from "../api/flow";
import type { Term } from "../flow/asked";
import { type FlowRow, policyName } from "../flow/row";
import { connectionFacts, processFacts, ruleName, shadowWords } from "../flow/words";
import { visible } from "../text";
import { Facts } from "./facts";
import { flatten } from "./flatten";
import { Why } from "./why";

/** Labels shown per end; a workload may carry very many. */
const MOST_LABELS = 64;

interface Props {
  row: FlowRow;
  onClose: () => void;
  /** Asks the daemon for flows of this alone. */
  onOnly: (term: Term) => void;
}

export function Details({ row, onClose, onOnly }: Props) {
  const flow = row.response.flow;
  const extension = flow.extensions;
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
      <Facts
        facts={[
          ["Why", row.reason],
          ["Shadow", extension?.shadow_changed ? "" : shadowWords(extension)],
          ...numbers(row),
        ]}
      />
      <Only terms={termsOf(flow)} onOnly={onOnly} />
      {extension && <Rules extension={extension} />}
      {flow.uuid && extension && (
        <Why question={String(new URLSearchParams({ uuid: flow.uuid }))} />
      )}
      {extension && (
        <>
          <section>
            <h3>Connection</h3>
            <Facts facts={connectionFacts(extension)} />
          </section>
          <section>
            <h3>Process at the workload’s end</h3>
            <Facts facts={processFacts(extension)} />
          </section>
        </>
      )}
      <End title="Source" end={flow.source} address={addressOf(flow, "source")} />
      <End title="Destination" end={flow.destination} address={addressOf(flow, "destination")} />
      <Policies title="Ingress denied by" policies={flow.ingress_denied_by} />
      <Policies title="Egress denied by" policies={flow.egress_denied_by} />
      <Policies title="Default deny by" policies={extension?.default_denied_by} />
      <Policies title="Ingress allowed by" policies={flow.ingress_allowed_by} />
      <Policies title="Egress allowed by" policies={flow.egress_allowed_by} />
      {extension && (
        <details>
          <summary>Everything flowd says of it</summary>
          <Facts facts={flatten(extension)} />
        </details>
      )}
    </aside>
  );
}

/** What of a flow the daemon can be asked for alone. */
function termsOf(flow: Flow): [string, Term][] {
  const terms: [string, Term][] = [];
  for (const [name, end] of [
    ["source", flow.source],
    ["destination", flow.destination],
  ] as const) {
    const address = name === "source" ? flow.IP?.source : flow.IP?.destination;
    if (end?.pod_name) {
      const value = `${end.namespace ?? ""}/${end.pod_name}`;
      terms.push([name, { key: "pod", value }]);
    } else if (address) {
      terms.push([name, { key: "ip", value: address }]);
    }
  }
  const ports = [portOf(flow.l4, "source"), portOf(flow.l4, "destination")];
  const port = flow.is_reply ? ports[0] : ports[1];
  if (port) terms.push(["port", { key: "port", value: String(port) }]);
  if (flow.drop_reason_desc) {
    terms.push(["reason", { key: "drop_reason", value: flow.drop_reason_desc }]);
  }
  return terms;
}

function Only({ terms, onOnly }: { terms: [string, Term][]; onOnly: Props["onOnly"] }) {
  return (
    <p class="only">
      Only this{" "}
      {terms.map(([name, term]) => (
        <button
          key={name}
          type="button"
          title={visible(`${term.key}:${term.value}`)}
          onClick={() => onOnly(term)}
        >
          {name}
        </button>
      ))}
    </p>
  );
}

function Rules({ extension }: { extension: NonNullable<Flow["extensions"]> }) {
  const rules = extension.rules ?? [];
  if (rules.length === 0) return null;
  return (
    <section>
      <h3>Rules</h3>
      <ul>
        {rules.slice(0, MOST_LABELS).map((rule) => (
          <li key={`${ruleName(rule)} ${rule.index}`}>{ruleName(rule)}</li>
        ))}
      </ul>
    </section>
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
