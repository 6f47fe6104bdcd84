/** Text that came from a workload or a policy author is hostile until shown safely: bounded, and without characters that hide or reorder what surrounds them. */

const LONGEST = 512;

// Controls, zero-width and bidirectional marks: invisible, or able to make a row read as something else.
const DISGUISES = /[\p{Cc}\p{Zl}\p{Zp}\u00ad\u061c\u200b-\u200f\u202a-\u202e\u2060-\u2069\ufeff]/gu;

/** What is safe and short enough to put on the screen. */
export function visible(value: unknown, longest = LONGEST): string {
  const text = typeof value === "string" ? value : String(value ?? "");
  const short = text.length > longest ? `${text.slice(0, longest)}…` : text;
  return short.replace(DISGUISES, "\ufffd");
}
