/** The live stream of flows: an `EventSource` that is opened again when the browser gives up on it. */
import type { VerdictChoice } from "../flow/filter";

export type LinkState = "connecting" | "live" | "reconnecting";

/** How many past flows a fresh stream starts with. */
export const REPLAY = 200;

const FIRST_WAIT_MS = 1_000;
const LONGEST_WAIT_MS = 10_000;

export interface StreamListener {
  opened(): void;
  message(data: string): void;
  state(state: LinkState): void;
  /** The daemon refused the stream; `EventSource` does not say why, so the listener asks the status for it. */
  refused(): void;
}

export function streamUrl(verdict: VerdictChoice): string {
  const query = new URLSearchParams({ last: String(REPLAY) });
  if (verdict !== "ALL") query.set("verdict", verdict);
  return `/api/v1/flows/stream?${query}`;
}

export class FlowStream {
  #source: EventSource | null = null;
  #timer: ReturnType<typeof setTimeout> | undefined;
  #wait = FIRST_WAIT_MS;

  constructor(
    private readonly verdict: VerdictChoice,
    private readonly listener: StreamListener,
  ) {}

  open(): void {
    this.listener.state("connecting");
    this.#connect();
  }

  close(): void {
    clearTimeout(this.#timer);
    this.#source?.close();
    this.#source = null;
  }

  #connect(): void {
    const source = new EventSource(streamUrl(this.verdict));
    this.#source = source;
    source.onopen = () => {
      this.#wait = FIRST_WAIT_MS;
      this.listener.opened();
      this.listener.state("live");
    };
    source.onmessage = (event: MessageEvent<string>) => this.listener.message(event.data);
    source.onerror = () => {
      this.listener.state("reconnecting");
      if (source.readyState === EventSource.CLOSED) this.#reopenLater();
    };
  }

  #reopenLater(): void {
    this.listener.refused();
    this.#timer = setTimeout(() => this.#connect(), this.#wait);
    this.#wait = Math.min(this.#wait * 2, LONGEST_WAIT_MS);
  }
}
