/** Numbers and times the way the page prints them. */
import type { U64 } from "./api/status";
import { whole } from "./api/status";

const THIN_SPACE = "\u202f";

/** A count with its thousands set apart: `1 234 567`. Exact for every u64. */
export function count(value: U64 | bigint | undefined): string {
  const digits = typeof value === "bigint" ? String(value) : String(whole(value));
  return digits.replace(/\B(?=(\d{3})+$)/g, THIN_SPACE);
}

/** A rate with as many digits as can be read at a glance. */
export function rate(perSecond: number): string {
  if (perSecond > 0 && perSecond < 10) return perSecond.toFixed(1);
  return count(Math.round(perSecond));
}

/** A timestamp of protojson as a local time of day with milliseconds. */
export function timeOfDay(timestamp: string | undefined): string {
  const date = new Date(timestamp ?? "");
  if (Number.isNaN(date.getTime())) return "";
  const pad = (value: number, width: number) => String(value).padStart(width, "0");
  const day = [date.getHours(), date.getMinutes(), date.getSeconds()].map((part) => pad(part, 2));
  return `${day.join(":")}.${pad(date.getMilliseconds(), 3)}`;
}

/** A proto enum name as words: `POLICY_DENIED` becomes `policy denied`. */
export function words(name: string): string {
  return name.toLowerCase().replaceAll("_", " ");
}

/** `1 endpoint`, `2 endpoints`. */
export function plural(amount: number | bigint, noun: string): string {
  return `${count(BigInt(amount))} ${noun}${BigInt(amount) === 1n ? "" : "s"}`;
}
