/** The panel behind the status line: problems, each endpoint's state, and the ledger. */
import type { EndpointStatus, LedgerRow, Status } from "../api/status";
import { isProtected, problemsOf } from "../api/status";
import { count, words } from "../format";
import { visible } from "../text";

/** Rows shown per table; a node has more endpoints than a panel can hold. */
const LONGEST = 200;

export function Health({ status }: { status: Status }) {
  const problems = problemsOf(status);
  return (
    <>
      {problems.length > 0 && (
        <ul class="problems" aria-label="Problems">
          {problems.slice(0, LONGEST).map((problem) => (
            <li key={problem}>{visible(problem)}</li>
          ))}
          {problems.length > LONGEST && <li>and {problems.length - LONGEST} more</li>}
        </ul>
      )}
      <details class="health">
        <summary>Endpoints and ledger</summary>
        <div class="panels">
          <Endpoints endpoints={status.endpoints ?? []} />
          <Ledger rows={status.ledger?.rows ?? []} balanced={status.ledger?.balanced === true} />
        </div>
      </details>
    </>
  );
}

function Endpoints({ endpoints }: { endpoints: EndpointStatus[] }) {
  return (
    <table>
      <caption>
        Endpoints{endpoints.length > LONGEST && `, the first ${LONGEST} of ${endpoints.length}`}
      </caption>
      <thead>
        <tr>
          <th scope="col">Workload</th>
          <th scope="col">State</th>
          <th scope="col">Mode</th>
          <th scope="col">Default deny</th>
          <th scope="col">Generation</th>
          <th scope="col">Policies</th>
        </tr>
      </thead>
      <tbody>
        {endpoints.slice(0, LONGEST).map((endpoint) => (
          <tr key={String(endpoint.id)}>
            <td>{visible(`${endpoint.namespace ?? ""}/${endpoint.name ?? ""}`)}</td>
            <td class={isProtected(endpoint) ? "good" : "bad"}>
              {visible(endpoint.state)}
              {endpoint.detail && `: ${visible(endpoint.detail)}`}
            </td>
            <td>{visible(endpoint.mode)}</td>
            <td>{defaultDeny(endpoint)}</td>
            <td>
              {count(endpoint.enforced_generation)}/{count(endpoint.desired_generation)}
            </td>
            <td>{visible((endpoint.policies ?? []).join(", "))}</td>
          </tr>
        ))}
      </tbody>
    </table>
  );
}

function defaultDeny(endpoint: EndpointStatus): string {
  const ways = [
    endpoint.ingress_enforced ? "ingress" : "",
    endpoint.egress_enforced ? "egress" : "",
  ].filter((way) => way !== "");
  return ways.join(", ") || "none";
}

function Ledger({ rows, balanced }: { rows: LedgerRow[]; balanced: boolean }) {
  return (
    <table class="numbers">
      <caption>
        Ledger,{" "}
        <span class={balanced ? "good" : "bad"}>{balanced ? "balanced" : "not balanced"}</span>
      </caption>
      <thead>
        <tr>
          <th scope="col">Verdict</th>
          <th scope="col">Packets</th>
          <th scope="col">Bytes</th>
          <th scope="col">Told</th>
          <th scope="col">Coalesced</th>
          <th scope="col">Deferred</th>
          <th scope="col">Recovered</th>
        </tr>
      </thead>
      <tbody>
        {rows.slice(0, LONGEST).map((row) => (
          <tr key={ledgerName(row)}>
            <th scope="row">{ledgerName(row)}</th>
            <td>{count(row.packets)}</td>
            <td>{count(row.bytes)}</td>
            <td>{count(row.told)}</td>
            <td>{count(row.coalesced)}</td>
            <td>{count(row.deferred)}</td>
            <td>{count(row.recovered)}</td>
          </tr>
        ))}
      </tbody>
    </table>
  );
}

function ledgerName(row: LedgerRow): string {
  const parts = [row.verdict, row.direction, row.reason].filter((part) => part);
  return visible(words(parts.join(" ")));
}
