/** `flowd.v1.StatusResponse` as the daemon serves it, and the few facts the page draws from it. */

/** A u64 in protojson: a string of digits. Zero may be absent. */
export type U64 = string | number;

export interface EndpointStatus {
  id?: U64;
  namespace?: string;
  name?: string;
  state?: string;
  /** Why it is not protected. */
  detail?: string;
  mode?: string;
  interface?: string;
  ingress_enforced?: boolean;
  egress_enforced?: boolean;
  desired_generation?: U64;
  enforced_generation?: U64;
  policies?: string[];
}

export interface PolicyStatus {
  kind?: string;
  namespace?: string;
  name?: string;
  file?: string;
  line?: number;
  valid?: boolean;
  problems?: string[];
}

export interface SourceError {
  file?: string;
  line?: number;
  message?: string;
}

export interface LedgerRow {
  verdict?: string;
  reason?: string;
  direction?: string;
  packets?: U64;
  bytes?: U64;
  told?: U64;
  coalesced?: U64;
  deferred?: U64;
  recovered?: U64;
}

export interface Status {
  version?: string;
  node_name?: string;
  healthy?: boolean;
  problems?: string[];
  endpoints?: EndpointStatus[];
  policies?: PolicyStatus[];
  /** Files that could not be read or are wrong. */
  source_errors?: SourceError[];
  ledger?: { rows?: LedgerRow[]; lost?: U64; deferred_pending?: U64; balanced?: boolean };
}

/** Whether an endpoint's packets are being judged by flowd now. */
export function isProtected(endpoint: EndpointStatus): boolean {
  return endpoint.state === "protected";
}

/** Everything that is wrong, one line each, wherever in the status it is said. */
export function problemsOf(status: Status): string[] {
  const files = (status.source_errors ?? []).map(
    (error) => `${place(error)}: ${error.message ?? "cannot be used"}`,
  );
  const policies = (status.policies ?? []).flatMap((policy) =>
    (policy.problems ?? []).map(
      (problem) => `${place(policy)}: ${policyTitle(policy)}: ${problem}`,
    ),
  );
  return [...new Set([...(status.problems ?? []), ...files, ...policies])];
}

function place(written: { file?: string; line?: number }): string {
  return written.line ? `${written.file ?? "?"}:${written.line}` : (written.file ?? "?");
}

function policyTitle(policy: PolicyStatus): string {
  return [policy.kind, policy.namespace, policy.name].filter((part) => part).join("/");
}

/** How far enforcement is behind what was asked for, over all endpoints. */
export interface Generations {
  desired: bigint;
  enforced: bigint;
  behind: number;
}

/** The newest desired generation, the oldest enforced one, and how many endpoints lag; nothing without endpoints. */
export function generations(endpoints: EndpointStatus[]): Generations | null {
  let answer: Generations | null = null;
  for (const endpoint of endpoints) {
    const desired = whole(endpoint.desired_generation);
    const enforced = whole(endpoint.enforced_generation);
    answer ??= { desired, enforced, behind: 0 };
    if (desired > answer.desired) answer.desired = desired;
    if (enforced < answer.enforced) answer.enforced = enforced;
    if (enforced < desired) answer.behind += 1;
  }
  return answer;
}

/** A u64 of protojson as an exact number; what is absent or no number counts as zero. */
export function whole(value: U64 | undefined): bigint {
  const digits = String(value ?? "0");
  return /^\d{1,20}$/.test(digits) ? BigInt(digits) : 0n;
}
