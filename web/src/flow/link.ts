/** What is asked as the part of an address behind `#`, so that it can be kept and handed on. */
import { ASKED_AT_FIRST, type Asked, KEYS, PASTS, SHADOWS, type Term, VERDICTS } from "./asked";

/** Longest address read; anybody can make a link. */
const LONGEST = 4_096;

/** Most terms read. */
const MOST = 32;

/** What is asked, without what is asked at first anyway. */
export function linkTo(asked: Asked): string {
  const link = new URLSearchParams();
  if (asked.verdict !== ASKED_AT_FIRST.verdict) link.set("verdict", asked.verdict);
  if (asked.shadow !== ASKED_AT_FIRST.shadow) link.set("shadow", asked.shadow);
  if (asked.past !== ASKED_AT_FIRST.past) link.set("past", String(asked.past));
  if (asked.events !== ASKED_AT_FIRST.events) link.set("events", String(asked.events));
  for (const { key, value } of asked.terms) link.append(key, value);
  const text = String(link);
  return text === "" ? "" : `#${text}`;
}

/** What a link asks; what it asks and nobody knows is left out. */
export function askedBy(hash: string): Asked {
  const link = new URLSearchParams(hash.slice(0, LONGEST).replace(/^#/, ""));
  const terms: Term[] = KEYS.flatMap((key) =>
    link
      .getAll(key)
      .filter((value) => value !== "")
      .map((value) => ({ key, value })),
  );
  return {
    verdict: VERDICTS.find((known) => known === link.get("verdict")) ?? ASKED_AT_FIRST.verdict,
    shadow: SHADOWS.find((known) => known === link.get("shadow")) ?? ASKED_AT_FIRST.shadow,
    past: PASTS.find((known) => String(known) === link.get("past")) ?? ASKED_AT_FIRST.past,
    events: link.get("events") !== "false",
    terms: terms.slice(0, MOST),
  };
}
