/** The daemon's HTTP interface: login and status. Same origin, session by cookie. */
import type { Status } from "./status";

export type LoginAnswer = { ok: true } | { ok: false; error: string };

export type StatusAnswer =
  | { kind: "status"; status: Status }
  | { kind: "login" }
  | { kind: "error"; error: string };

// A daemon that hangs must not look healthy for longer than this.
const STATUS_PATIENCE_MS = 10_000;

const UNREACHABLE = "The daemon does not answer. Is flowd running?";

/** Trades the token for a session cookie. */
export async function login(token: string): Promise<LoginAnswer> {
  try {
    const answer = await fetch("/api/v1/login", {
      method: "POST",
      headers: { "content-type": "application/json" },
      body: JSON.stringify({ token }),
    });
    if (answer.ok) return { ok: true };
    return { ok: false, error: await errorOf(answer) };
  } catch {
    return { ok: false, error: UNREACHABLE };
  }
}

export async function fetchStatus(): Promise<StatusAnswer> {
  try {
    const answer = await fetch("/api/v1/status", {
      cache: "no-store",
      signal: AbortSignal.timeout(STATUS_PATIENCE_MS),
    });
    if (answer.status === 401) return { kind: "login" };
    if (!answer.ok) return { kind: "error", error: await errorOf(answer) };
    return { kind: "status", status: (await answer.json()) as Status };
  } catch {
    return { kind: "error", error: UNREACHABLE };
  }
}

async function errorOf(answer: Response): Promise<string> {
  const body: unknown = await answer.json().catch(() => null);
  if (body !== null && typeof body === "object" && "error" in body) {
    if (typeof body.error === "string" && body.error !== "") return body.error;
  }
  return `The daemon answered ${answer.status} ${answer.statusText}`.trim();
}
