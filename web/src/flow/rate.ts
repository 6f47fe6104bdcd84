/** Flows a second over the last few seconds. Time is an argument. */

const WINDOW_MS = 5_000;

export class Rate {
  #counts: { second: number; flows: number }[] = [];

  add(flows: number, nowMs: number): void {
    const second = Math.floor(nowMs / 1_000);
    const last = this.#counts.at(-1);
    if (last?.second === second) last.flows += flows;
    else this.#counts.push({ second, flows });
    this.#forget(nowMs);
  }

  perSecond(nowMs: number): number {
    this.#forget(nowMs);
    const flows = this.#counts.reduce((sum, entry) => sum + entry.flows, 0);
    return flows / (WINDOW_MS / 1_000);
  }

  #forget(nowMs: number): void {
    const oldest = Math.floor((nowMs - WINDOW_MS) / 1_000);
    this.#counts = this.#counts.filter((entry) => entry.second > oldest);
  }
}
