/** Each guarded workload: its state, its mode and who set it, and the policies it is judged by. */
import { type EndpointStatus, isProtected, whole } from "../api/status";
import { count } from "../format";
import { visible } from "../text";
import { LONGEST } from "./bounds";

export function Endpoints({ endpoints }: { endpoints: EndpointStatus[] }) {
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
            <td title={visible((endpoint.addresses ?? []).join(", "))}>
              {visible(`${endpoint.namespace ?? ""}/${endpoint.name ?? ""}`)}
            </td>
            <td class={isProtected(endpoint) ? "good" : "bad"}>
              {visible(endpoint.state)}
              {endpoint.detail && `: ${visible(endpoint.detail)}`}
            </td>
            <td class={endpoint.mode === "enforce" ? undefined : "warn"}>
              {visible(endpoint.mode)}
              {endpoint.mode_source && <small> by {visible(endpoint.mode_source)}</small>}
            </td>
            <td>{defaultDeny(endpoint)}</td>
            <td class={isBehind(endpoint) ? "warn" : undefined}>
              {count(endpoint.enforced_generation)}/{count(endpoint.desired_generation)}
            </td>
            <td>{visible((endpoint.policies ?? []).join(", "))}</td>
          </tr>
        ))}
      </tbody>
    </table>
  );
}

function isBehind(endpoint: EndpointStatus): boolean {
  return whole(endpoint.enforced_generation) < whole(endpoint.desired_generation);
}

function defaultDeny(endpoint: EndpointStatus): string {
  const ways = [
    endpoint.ingress_enforced ? "ingress" : "",
    endpoint.egress_enforced ? "egress" : "",
  ].filter((way) => way !== "");
  return ways.join(", ") || "none";
}
