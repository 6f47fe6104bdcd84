/** Which of the rows that have arrived are shown. */
import type { Row } from "./row";

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
