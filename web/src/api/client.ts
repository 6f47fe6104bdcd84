/** The daemon's HTTP interface: login, status, and why a flow is as it is. Same origin, session by cookie. */
import type { Status } from "./status";
import type { WhyResponse } from "./why";

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

export type WhyAnswer = { ok: true; why: WhyResponse } | { ok: false; error: string };

/** Asks what decided on a flow, or would: a query with its uuid, or with source, destination, protocol and port. */
export async function fetchWhy(question: string, signal: AbortSignal): Promise<WhyAnswer> {
  try {
    const answer = await fetch(`/api/v1/why?${question}`, { cache: "no-store", signal });
    if (!answer.ok) return { ok: false, error: await errorOf(answer) };
    return { ok: true, why: (await answer.json()) as WhyResponse };
  } catch {
    return { ok: false, error: UNREACHABLE };
  }
}

/** What the daemon has against what is asked for, in its words; nothing when it has nothing. */
export async function refusalOf(query: URLSearchParams): Promise<string> {
  const trial = new URLSearchParams(query);
  trial.set("last", "1");
  try {
    const answer = await fetch(`/api/v1/flows?${trial}`, { cache: "no-store" });
    return answer.status === 400 ? await errorOf(answer) : "";
  } catch {
    return "";
  }
}

async function errorOf(answer: Response): Promise<string> {
  const body: unknown = await answer.json().catch(() => null);
  if (body !== null && typeof body === "object" && "error" in body) {
    if (typeof body.error === "string" && body.error !== "") return body.error;
  }
  return `The daemon answered ${answer.status} ${answer.statusText}`.trim();
}
