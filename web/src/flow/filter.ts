/** Which rows are shown. The daemon filters by verdict before it sends; the text filter works on what has arrived. */
import type { Row } from "./row";

export const VERDICTS = ["ALL", "FORWARDED", "DROPPED", "AUDIT"] as const;

export type VerdictChoice = (typeof VERDICTS)[number];

/** Keeps the rows in which every word of the query occurs. Gaps stay: a filter must not hide a loss. */
export function matching(rows: Iterable<Row>, query: string): Row[] {
  const wanted = query
    .toLowerCase()
    .split(/\s+/)
    .filter((word) => word !== "");
  const kept: Row[] = [];
  for (const row of rows) {
    if (row.kind === "gap" || wanted.every((word) => row.haystack.includes(word))) kept.push(row);
  }
  return kept;
}
