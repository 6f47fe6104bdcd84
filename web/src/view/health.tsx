/** The panel behind the status line: problems, then endpoints, policies, what was told and what was not. */
import { problemsOf, type Status } from "../api/status";
import { visible } from "../text";
import { LONGEST } from "./bounds";
import { Endpoints } from "./endpoints";
import { Ledger, Losses } from "./ledger";
import { Policies } from "./policies";

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
        <summary>Endpoints, policies and ledger</summary>
        <div class="panels">
          <Endpoints endpoints={status.endpoints ?? []} />
          <Policies policies={status.policies ?? []} />
          <Ledger rows={status.ledger?.rows ?? []} balanced={status.ledger?.balanced === true} />
          <Losses status={status} />
        </div>
      </details>
    </>
  );
}
