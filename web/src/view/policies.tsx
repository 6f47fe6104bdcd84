/** Each policy: where it is written, whom it selects, how often it decided, and what a shadow policy would have done. */
import type { PolicyStatus, ShadowCounts } from "../api/status";
import { placeOf, refName } from "../flow/words";
import { count, timeOfDay } from "../format";
import { visible } from "../text";
import { LONGEST } from "./bounds";

export function Policies({ policies }: { policies: PolicyStatus[] }) {
  if (policies.length === 0) return null;
  return (
    <table>
      <caption>
        Policies{policies.length > LONGEST && `, the first ${LONGEST} of ${policies.length}`}
      </caption>
      <thead>
        <tr>
          <th scope="col">Policy</th>
          <th scope="col">Written in</th>
          <th scope="col">Selects</th>
          <th scope="col">Decided</th>
          <th scope="col">Last</th>
          <th scope="col">State</th>
        </tr>
      </thead>
      <tbody>
        {policies.slice(0, LONGEST).map((policy) => (
          <tr key={`${refName(policy)} ${policy.shadow}`}>
            <td>
              {refName(policy)}
              {policy.shadow && <span class="warn"> shadow</span>}
            </td>
            <td>{placeOf(policy)}</td>
            <td>{count(policy.endpoints_selected)}</td>
            <td>{count(policy.shadow ? policy.shadow_counts?.matched : policy.hits)}</td>
            <td>{timeOfDay(policy.shadow ? policy.shadow_counts?.last_hit : policy.last_hit)}</td>
            <td class={(policy.problems ?? []).length > 0 ? "bad" : undefined}>{state(policy)}</td>
          </tr>
        ))}
      </tbody>
    </table>
  );
}

function state(policy: PolicyStatus): string {
  const problems = (policy.problems ?? []).join("; ");
  if (problems !== "") return visible(problems);
  return policy.shadow ? wouldHave(policy.shadow_counts) : "in force";
}

function wouldHave(counts: ShadowCounts | undefined): string {
  if (counts === undefined) return "not judged yet";
  if (count(counts.matched) === "0") return `matched nothing since ${timeOfDay(counts.since)}`;
  return `would drop ${count(counts.would_drop)}, allow ${count(counts.would_allow)}`;
}
