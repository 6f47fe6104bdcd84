/** Everything the page knows now, as signals. The only place that asks the daemon. */
import { batch, signal } from "@preact/signals";
import { fetchStatus, login } from "./api/client";
import type { Status } from "./api/status";
import { FlowStream, type LinkState } from "./api/stream";
import type { VerdictChoice } from "./flow/filter";
import { FlowLog } from "./flow/log";
import type { Row } from "./flow/row";

const STATUS_EVERY_MS = 2_000;

export type Session = "starting" | "login" | "open";

/** What the table showed when it was paused. The log goes on behind it. */
export interface Frozen {
  rows: Row[];
  taken: number;
}

export class Live {
  readonly session = signal<Session>("starting");
  readonly status = signal<Status | null>(null);
  readonly statusError = signal("");
  readonly link = signal<LinkState>("connecting");
  readonly verdict = signal<VerdictChoice>("ALL");
  readonly query = signal("");
  readonly frozen = signal<Frozen | null>(null);
  /** Moves at most once a frame, whatever the number of flows: reading it makes a view follow the log. */
  readonly revision = signal(0);

  log = new FlowLog();
  #stream: FlowStream | null = null;
  #poll: ReturnType<typeof setTimeout> | undefined;
  #frame = 0;
  #round = 0;

  start(): void {
    void this.#pollStatus();
  }

  stop(): void {
    this.#round += 1;
    clearTimeout(this.#poll);
    cancelAnimationFrame(this.#frame);
    this.#frame = 0;
    this.#closeStream();
  }

  /** Logs in and starts over. Returns what went wrong, or nothing. */
  async login(token: string): Promise<string> {
    const answer = await login(token);
    if (!answer.ok) return answer.error;
    await this.#pollStatus();
    return "";
  }

  choose(verdict: VerdictChoice): void {
    if (verdict === this.verdict.value) return;
    this.verdict.value = verdict;
    this.#closeStream();
    this.#openStream();
  }

  pause(): void {
    const rows = [...this.log.rows.newestFirst()];
    this.frozen.value = { rows, taken: this.log.taken };
  }

  resume(): void {
    this.frozen.value = null;
  }

  /** Asks for the status and goes on asking. Only the newest asking counts, so that an old answer cannot undo a new one. */
  async #pollStatus(): Promise<void> {
    clearTimeout(this.#poll);
    this.#round += 1;
    const round = this.#round;
    const answer = await fetchStatus();
    if (round !== this.#round) return;
    batch(() => {
      this.statusError.value = answer.kind === "error" ? answer.error : "";
      if (answer.kind === "status") this.#enter(answer.status);
      if (answer.kind === "login") this.#leave();
      if (answer.kind === "error" && this.session.value === "starting") this.session.value = "open";
    });
    if (answer.kind !== "login") {
      this.#poll = setTimeout(() => void this.#pollStatus(), STATUS_EVERY_MS);
    }
  }

  #enter(status: Status): void {
    this.status.value = status;
    this.session.value = "open";
    if (this.#stream === null) this.#openStream();
    this.#changed();
  }

  #leave(): void {
    this.session.value = "login";
    this.status.value = null;
    this.#closeStream();
  }

  #openStream(): void {
    const log = new FlowLog();
    this.log = log;
    this.frozen.value = null;
    this.#stream = new FlowStream(this.verdict.value, {
      opened: () => log.opened(Date.now()),
      message: (data) => {
        log.take(data, Date.now());
        this.#changed();
      },
      state: (state) => {
        this.link.value = state;
      },
      refused: () => void this.#pollStatus(),
    });
    this.#stream.open();
    this.#changed();
  }

  #closeStream(): void {
    this.#stream?.close();
    this.#stream = null;
  }

  #changed(): void {
    if (this.#frame !== 0) return;
    this.#frame = requestAnimationFrame(() => {
      this.#frame = 0;
      this.revision.value += 1;
    });
  }
}
