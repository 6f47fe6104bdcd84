/** What has come through one stream: rows in arrival order, gaps where flows are missing, and counts of everything that is not shown. */
import type { Flow, FlowMessage, FlowResponse } from "../api/flow";
import { whole } from "../api/status";
import { REPLAY } from "../api/stream";
import { plural } from "../format";
import { RowBuffer } from "./buffer";
import { Rate } from "./rate";
import { flowKey, flowRow, type Row } from "./row";

/** Rows kept in the page: enough to scroll back over, little enough to filter on every frame. */
export const CAPACITY = 5_000;

// A reopened stream repeats at most REPLAY flows, all among the newest of ours.
const REMEMBERED = 2 * REPLAY;

// What arrives this soon after opening is the past being repeated, and says nothing about the rate now.
const REPLAY_TAKES_MS = 1_000;

export class FlowLog {
  readonly rows: RowBuffer<Row>;
  readonly rate = new Rate();
  #lost = 0n;
  #unreadable = 0;
  #nextId = 1;
  #known = new Set<string>();
  #replayLeft = 0;
  #gapPossible = false;
  #openedAt = 0;

  constructor(capacity = CAPACITY) {
    this.rows = new RowBuffer<Row>(capacity);
  }

  /** Every row ever taken in, also those that fell off since. */
  get taken(): number {
    return this.rows.length + this.rows.fellOff;
  }

  /** Flows the daemon said it could not hand to us. */
  get lost(): bigint {
    return this.#lost;
  }

  /** Messages or flows that could not be understood. */
  get unreadable(): number {
    return this.#unreadable;
  }

  /** The stream was opened, maybe again: it now repeats its newest flows, some of which are here already. */
  opened(nowMs: number): void {
    this.#openedAt = nowMs;
    this.#known = new Set();
    for (const row of this.rows.newestFirst()) {
      if (this.#known.size === REMEMBERED) break;
      if (row.kind === "flow") this.#known.add(flowKey(row.response));
    }
    this.#replayLeft = REPLAY;
    this.#gapPossible = this.#known.size > 0;
  }

  take(data: string, nowMs: number): void {
    const message = parse(data);
    if (message === null) {
      this.#unreadable += 1;
      return;
    }
    const lost = whole(message.lost);
    if (lost > 0n) {
      this.#lost += lost;
      this.#gap(`${plural(lost, "flow")} lost here: this page read more slowly than flows came`);
    }
    const flows = this.#newestThatFit(Array.isArray(message.flows) ? message.flows : []);
    for (const response of flows) this.#takeFlow(response, nowMs);
  }

  #newestThatFit(flows: FlowResponse[]): FlowResponse[] {
    const surplus = flows.length - this.rows.capacity;
    if (surplus <= 0) return flows;
    this.rows.skip(surplus);
    return flows.slice(surplus);
  }

  #takeFlow(response: FlowResponse, nowMs: number): void {
    if (!hasFlow(response)) return;
    const isPast = this.#replayLeft > 0 && nowMs - this.#openedAt < REPLAY_TAKES_MS;
    if (this.#isRepeated(response)) return;
    try {
      const row = flowRow(this.#nextId, response);
      this.#nextId += 1;
      this.rows.push(row);
      if (!isPast) this.rate.add(1, nowMs);
    } catch {
      this.#unreadable += 1;
    }
  }

  #isRepeated(response: FlowResponse & { flow: Flow }): boolean {
    if (this.#replayLeft === 0) return false;
    this.#replayLeft -= 1;
    const repeated = this.#known.has(flowKey(response));
    if (!repeated && this.#gapPossible) {
      this.#gap("The stream was interrupted: flows may be missing here");
    }
    this.#gapPossible = false;
    return repeated;
  }

  #gap(text: string): void {
    this.rows.push({ kind: "gap", id: this.#nextId, text });
    this.#nextId += 1;
  }
}

function hasFlow(response: FlowResponse): response is FlowResponse & { flow: Flow } {
  return typeof response?.flow === "object" && response.flow !== null;
}

function parse(data: string): FlowMessage | null {
  try {
    const message: unknown = JSON.parse(data);
    return typeof message === "object" && message !== null ? (message as FlowMessage) : null;
  } catch {
    return null;
  }
}
