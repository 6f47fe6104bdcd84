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
  addresses?: string[];
  /** Who set the mode, in words. */
  mode_source?: string;
}

export interface PolicyStatus {
  kind?: string;
  namespace?: string;
  name?: string;
  file?: string;
  line?: number;
  valid?: boolean;
  problems?: string[];
  endpoints_selected?: number;
  hits?: U64;
  last_hit?: string;
  /** Judged beside the enforced policies, never enforced. */
  shadow?: boolean;
  shadow_counts?: ShadowCounts;
}

export interface ShadowCounts {
  matched?: U64;
  would_drop?: U64;
  would_allow?: U64;
  last_hit?: string;
  since?: string;
}

export interface ExporterStatus {
  name?: string;
  exported?: U64;
  lag?: U64;
  lost?: U64;
  problem?: string;
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
  ledger?: Ledger;
  exporters?: ExporterStatus[];
  /** What the doors have turned away. */
  refused?: { reason?: string; count?: U64 }[];
}

export interface Ledger {
  rows?: LedgerRow[];
  lost?: U64;
  deferred_pending?: U64;
  balanced?: boolean;
  undecodable?: U64;
  log_flows?: U64;
  log_capacity?: U64;
  log_first_seq?: U64;
  losses?: { source?: string; count?: U64 }[];
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

/** How many endpoints have each mode, in words; whether any is not enforced. */
export function modes(endpoints: EndpointStatus[]): { text: string; allEnforce: boolean } {
  const counts = new Map<string, number>();
  for (const { mode = "unknown" } of endpoints) counts.set(mode, (counts.get(mode) ?? 0) + 1);
  const parts = [...counts].map(([mode, amount]) => `${amount} ${mode}`);
  return { text: parts.join(", "), allEnforce: [...counts.keys()].every((m) => m === "enforce") };
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
export function whole(value: unknown): bigint {
  const digits = String(value ?? "0");
  return /^\d{1,20}$/.test(digits) ? BigInt(digits) : 0n;
}
