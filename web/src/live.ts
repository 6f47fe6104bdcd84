/** Everything the page knows now, as signals. The only place that asks the daemon. */
import { batch, signal } from "@preact/signals";
import { fetchStatus, login, refusalOf } from "./api/client";
import type { Status } from "./api/status";
import { FlowStream, type LinkState } from "./api/stream";
import { type Asked, queryOf, sameTerm, type Term, termsIn } from "./flow/asked";
import { askedBy, linkTo } from "./flow/link";
import { CAPACITY, FlowLog } from "./flow/log";
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
  readonly asked = signal<Asked>(askedBy(location.hash));
  /** What the daemon has against what is asked. */
  readonly refusal = signal("");
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

  /** Asks the daemon for something else. What is here already goes. */
  ask(change: Partial<Asked>): void {
    this.asked.value = { ...this.asked.value, ...change };
    this.refusal.value = "";
    history.replaceState(null, "", location.pathname + location.search + linkTo(this.asked.value));
    this.#closeStream();
    this.#openStream();
  }

  /** Asks for flows of this as well. */
  only(term: Term): void {
    const { terms } = this.asked.value;
    if (!terms.some((known) => sameTerm(known, term))) this.ask({ terms: [...terms, term] });
  }

  /** Asks without this. */
  without(term: Term): void {
    const terms = this.asked.value.terms.filter((known) => !sameTerm(known, term));
    this.ask({ terms });
  }

  /** Asks the daemon for the terms in the text filter; the other words stay there. */
  askForTerms(): void {
    const { terms, rest } = termsIn(this.query.value);
    if (terms.length === 0) return;
    const known = this.asked.value.terms;
    const more = terms.filter((term) => !known.some((other) => sameTerm(other, term)));
    batch(() => {
      this.query.value = rest;
      if (more.length > 0) this.ask({ terms: [...known, ...more] });
    });
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
    const asked = this.asked.value;
    const query = queryOf(asked);
    const log = new FlowLog(CAPACITY, asked.past);
    this.log = log;
    this.frozen.value = null;
    const stream: FlowStream = new FlowStream(query, {
      opened: () => log.opened(Date.now()),
      message: (data, id) => {
        log.take(data, Date.now(), id);
        this.#changed();
      },
      state: (state) => {
        this.link.value = state;
      },
      refused: () => void this.#refused(stream, query),
    });
    this.#stream = stream;
    stream.open();
    this.#changed();
  }

  /** Finds out why the stream was refused. What means nothing to the daemon is not asked again. */
  async #refused(stream: FlowStream, query: URLSearchParams): Promise<void> {
    void this.#pollStatus();
    const refusal = await refusalOf(query);
    if (refusal === "" || stream !== this.#stream) return;
    stream.close();
    this.refusal.value = refusal;
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
