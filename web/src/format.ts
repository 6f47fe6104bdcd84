/** Numbers and times the way the page prints them. */
import { whole } from "./api/status";

const THIN_SPACE = "\u202f";

/** A count with its thousands set apart: `1 234 567`. Exact for every u64. */
export function count(value: unknown): string {
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
export function plural(amount: number | bigint, noun: string, nouns = `${noun}s`): string {
  return `${count(BigInt(amount))} ${BigInt(amount) === 1n ? noun : nouns}`;
}

const SIZES = ["B", "kB", "MB", "GB", "TB"];

/** A size at a glance: `1.4 MB`. */
export function bytes(value: unknown): string {
  let size = Number(whole(value));
  let unit = 0;
  while (size >= 1_000 && unit < SIZES.length - 1) {
    size /= 1_000;
    unit += 1;
  }
  return `${unit === 0 || size >= 100 ? Math.round(size) : size.toFixed(1)}${THIN_SPACE}${SIZES[unit]}`;
}

/** Microseconds at a glance: `340 µs`, `12.5 ms`. */
export function micros(value: number): string {
  if (value < 1_000) return `${value}${THIN_SPACE}µs`;
  if (value < 1_000_000) return `${(value / 1_000).toFixed(1)}${THIN_SPACE}ms`;
  return `${(value / 1_000_000).toFixed(1)}${THIN_SPACE}s`;
}

/** A duration of protojson, such as `0.0123s`, at a glance. */
export function seconds(duration: string): string {
  const amount = Number.parseFloat(duration);
  if (Number.isNaN(amount)) return "";
  if (amount < 60) return micros(Math.round(amount * 1_000_000));
  const whole = Math.floor(amount);
  const parts = [Math.floor(whole / 3_600), Math.floor((whole % 3_600) / 60), whole % 60];
  const names = ["h", "min", "s"];
  const shown = parts.map((part, index) => (part > 0 ? `${part}${THIN_SPACE}${names[index]}` : ""));
  return shown.filter((part) => part !== "").join(" ");
}
