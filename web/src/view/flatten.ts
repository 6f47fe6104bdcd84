/** Any protojson value as name and text, for fields the page has no words of its own for. */
import { visible } from "../text";

const DEEPEST = 6;
const MOST = 100;

/** `{a: {b: 1}}` becomes `a.b` = `1`. Bounded in depth and number; what is left out is said. */
export function flatten(value: unknown): [string, string][] {
  const facts: [string, string][] = [];
  walk(value, "", 0, facts);
  if (facts.length > MOST) return [...facts.slice(0, MOST), ["…", "more is not shown"]];
  return facts;
}

function walk(value: unknown, path: string, depth: number, facts: [string, string][]): void {
  if (facts.length > MOST) return;
  if (typeof value !== "object" || value === null) {
    facts.push([visible(path || "value"), visible(value)]);
    return;
  }
  if (depth === DEEPEST) {
    facts.push([visible(path), "nested too deep to show"]);
    return;
  }
  for (const [name, inner] of Object.entries(value)) {
    walk(inner, path === "" ? name : `${path}.${name}`, depth + 1, facts);
  }
}
