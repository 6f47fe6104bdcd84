/** What has come through one stream: rows in arrival order, gaps where flows are missing, and counts of everything that is not shown. */
import type { Coverage, Flow, FlowMessage, FlowResponse, PlacedEvent } from "../api/flow";
import { whole } from "../api/status";
import { plural } from "../format";
import { PASTS } from "./asked";
import { RowBuffer } from "./buffer";
import { eventRow } from "./event";
import { Rate } from "./rate";
import { flowKey, flowRow, type Row } from "./row";

/** Rows kept in the page: enough to scroll back over, little enough to filter on every frame. */
export const CAPACITY = 5_000;

// What arrives this soon after opening is the past being repeated, and says nothing about the rate now.
const REPLAY_TAKES_MS = 1_000;

export class FlowLog {
  readonly rows: RowBuffer<Row>;
  readonly rate = new Rate();
  /** How far back the first stream began. */
  begin: Coverage | null = null;
  #lost = 0n;
  #eventsLost = 0n;
  #unreadable = 0;
  #nextId = 1;
  #known = new Set<string>();
  #replayLeft = 0;
  #gapPossible = false;
  #openedAt = 0;
  /** The number of the newest flow here. */
  #newest: bigint | null = null;
  #nextEvent = 0n;
  #newestEventAt = 0;

  /** `replay` is how many past flows a stream begins with. */
  constructor(
    capacity = CAPACITY,
    private readonly replay: number = PASTS[0],
  ) {
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

  /** Events of the timeline that were gone before they could be sent. */
  get eventsLost(): bigint {
    return this.#eventsLost;
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
      // A reopened stream repeats at most this many flows, all among the newest of ours.
      if (this.#known.size === 2 * this.replay) break;
      if (row.kind === "flow") this.#known.add(flowKey(row.response));
    }
    this.#replayLeft = this.replay;
    this.#gapPossible = this.#known.size > 0;
  }

  /** Takes a message in. `id` says where the stream is behind it, as in `StreamListener`. */
  take(data: string, nowMs: number, id = ""): void {
    const message = parse(data);
    if (message === null) {
      this.#unreadable += 1;
      return;
    }
    if (message.start) this.#startedAt(message.start);
    const lost = whole(message.lost);
    if (lost > 0n) {
      this.#lost += lost;
      this.#gap(`${plural(lost, "flow")} lost here: this page read more slowly than flows came`);
    }
    const eventsLost = whole(message.events_lost);
    if (eventsLost > 0n) {
      this.#eventsLost += eventsLost;
      this.#gap(`${plural(eventsLost, "event")} of the timeline were gone before this page came`);
    }
    this.#takeRows(list(message.flows), list(message.events), nowMs);
    const [newest] = id.split(".");
    if (newest) this.#newest = whole(newest);
  }

  /** Where a stream begins, maybe again. A daemon that knew where we were goes on there. */
  #startedAt(start: Coverage): void {
    this.begin ??= start;
    if (this.#newest === null || !this.#gapPossible) return;
    const from = whole(start.from_seq);
    if (from === this.#newest + 1n) {
      this.#gapPossible = false;
    } else if (from > this.#newest + 1n) {
      const missing = plural(from - this.#newest - 1n, "flow");
      this.#gap(`The stream was interrupted: up to ${missing} may be missing here`);
      this.#gapPossible = false;
    }
  }

  /** Flows in their order, each event before the flow it came before. */
  #takeRows(all: FlowResponse[], events: PlacedEvent[], nowMs: number): void {
    const flows = this.#newestThatFit(all);
    const skipped = all.length - flows.length;
    let next = 0;
    const takeEvents = (upTo: number) => {
      for (; next < events.length && (events[next]?.at ?? 0) <= upTo; next += 1) {
        this.#takeEvent(events[next]);
      }
    };
    flows.forEach((response, index) => {
      takeEvents(skipped + index);
      this.#takeFlow(response, nowMs);
    });
    takeEvents(Number.POSITIVE_INFINITY);
  }

  /** A reopened stream repeats events; each is taken once. */
  #takeEvent(placed: PlacedEvent | undefined): void {
    const event = placed?.event;
    if (typeof event !== "object" || event === null) return;
    const number = whole(event.number);
    const at = Date.parse(event.time ?? "");
    // A daemon that was started again counts from 0, at a later time.
    if (number < this.#nextEvent && !(at > this.#newestEventAt)) return;
    this.#nextEvent = number + 1n;
    this.#newestEventAt = at;
    this.rows.push(eventRow(this.#nextId, event));
    this.#nextId += 1;
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

function list<T>(value: T[] | undefined): T[] {
  return Array.isArray(value) ? value : [];
}

function parse(data: string): FlowMessage | null {
  try {
    const message: unknown = JSON.parse(data);
    return typeof message === "object" && message !== null ? (message as FlowMessage) : null;
  } catch {
    return null;
  }
}
