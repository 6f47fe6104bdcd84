/** The live stream of flows: an `EventSource` that is opened again when the browser gives up on it. */

export type LinkState = "connecting" | "live" | "reconnecting";

const FIRST_WAIT_MS = 1_000;
const LONGEST_WAIT_MS = 10_000;

export interface StreamListener {
  opened(): void;
  /** `id` is where the stream is: the number of the newest flow, then a dot and that of the next event. */
  message(data: string, id: string): void;
  state(state: LinkState): void;
  /** The daemon refused the stream; `EventSource` does not say why, so the listener finds out. */
  refused(): void;
}

export class FlowStream {
  #source: EventSource | null = null;
  #timer: ReturnType<typeof setTimeout> | undefined;
  #wait = FIRST_WAIT_MS;

  constructor(
    private readonly query: URLSearchParams,
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
    const source = new EventSource(`/api/v1/flows/stream?${this.query}`);
    this.#source = source;
    source.onopen = () => {
      this.#wait = FIRST_WAIT_MS;
      this.listener.opened();
      this.listener.state("live");
    };
    source.onmessage = (event: MessageEvent<string>) =>
      this.listener.message(event.data, event.lastEventId);
    source.onerror = () => {
      this.listener.state("reconnecting");
      if (source.readyState === EventSource.CLOSED) this.#reopenLater();
    };
  }

  #reopenLater(): void {
    this.#timer = setTimeout(() => this.#connect(), this.#wait);
    this.#wait = Math.min(this.#wait * 2, LONGEST_WAIT_MS);
    this.listener.refused();
  }
}
