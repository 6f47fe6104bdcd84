/** What the daemon is asked for. It filters before it sends, so that what is looked for is not lost among everything else. */

export const VERDICTS = ["ALL", "FORWARDED", "DROPPED", "AUDIT"] as const;
export type VerdictChoice = (typeof VERDICTS)[number];

export const SHADOWS = ["", "any", "changed"] as const;
export type ShadowChoice = (typeof SHADOWS)[number];

/** How many past flows a stream can begin with. */
export const PASTS = [200, 1_000, 5_000] as const;

/** What can be asked of a flow, as the daemon names it. */
export const KEYS = [
  "pod",
  "namespace",
  "ip",
  "port",
  "protocol",
  "label",
  "identity",
  "direction",
  "drop_reason",
  "reply",
  "uuid",
] as const;
export type Key = (typeof KEYS)[number];

// Words people use for the same.
const SHORT: Record<string, Key> = { ns: "namespace", proto: "protocol", reason: "drop_reason" };

/** One thing asked of a flow. Terms of one key are alternatives; different keys must all hold. */
export interface Term {
  key: Key;
  value: string;
}

export interface Asked {
  verdict: VerdictChoice;
  shadow: ShadowChoice;
  past: number;
  /** Whether the timeline is shown among the flows. */
  events: boolean;
  terms: Term[];
}

export const ASKED_AT_FIRST: Asked = {
  verdict: "ALL",
  shadow: "",
  past: PASTS[0],
  events: true,
  terms: [],
};

/** Whether two terms are the same. */
export function sameTerm(one: Term, other: Term): boolean {
  return one.key === other.key && one.value === other.value;
}

/** The query of the stream. */
export function queryOf(asked: Asked): URLSearchParams {
  const query = new URLSearchParams({ last: String(asked.past) });
  if (asked.verdict !== "ALL") query.set("verdict", asked.verdict);
  if (asked.shadow !== "") query.set("shadow", asked.shadow);
  if (asked.events) query.set("events", "true");
  for (const { key, value } of asked.terms) {
    const others = query.get(key);
    query.set(key, others === null ? value : `${others},${value}`);
  }
  return query;
}

/** Takes the terms, such as `pod:shop/web`, out of a text; what is left is searched for in the rows. */
export function termsIn(text: string): { terms: Term[]; rest: string } {
  const terms: Term[] = [];
  const rest: string[] = [];
  for (const word of text.split(/\s+/)) {
    const term = termOf(word);
    if (term !== null) terms.push(term);
    else if (word !== "") rest.push(word);
  }
  return { terms, rest: rest.join(" ") };
}

function termOf(word: string): Term | null {
  const colon = word.indexOf(":");
  if (colon < 1 || colon === word.length - 1) return null;
  const name = word.slice(0, colon).toLowerCase().replaceAll("-", "_");
  const key = KEYS.find((known) => known === name) ?? SHORT[name];
  return key === undefined ? null : { key, value: word.slice(colon + 1) };
}
