import { describe, expect, it } from "vitest";
import { PASTS } from "../src/flow/asked";
import { FlowLog } from "../src/flow/log";
import type { Row } from "../src/flow/row";
import { message, run } from "./samples";

function uuids(log: FlowLog): string[] {
  const name = (row: Row) => {
    if (row.kind === "event") return row.text;
    return row.kind === "flow" ? (row.response.flow.uuid ?? "") : "gap";
  };
  return [...log.rows.newestFirst()].map(name);
}

describe("the flow log", () => {
  it("keeps the newest rows and counts those that fell off", () => {
    const log = new FlowLog(10);
    log.opened(0);
    for (let first = 0; first < 30; first += 3) log.take(message(run(first, 3)), 0);
    expect(uuids(log)).toEqual([
      "u29",
      "u28",
      "u27",
      "u26",
      "u25",
      "u24",
      "u23",
      "u22",
      "u21",
      "u20",
    ]);
    expect(log.rows.fellOff).toBe(20);
    expect(log.taken).toBe(30);
  });

  it("counts what one oversized message could not bring in", () => {
    const log = new FlowLog(10);
    log.opened(0);
    log.take(message(run(0, 25)), 0);
    expect(log.rows.length).toBe(10);
    expect(log.rows.fellOff).toBe(15);
    expect(uuids(log)[0]).toBe("u24");
  });

  it("says where the daemon lost flows, exactly", () => {
    const log = new FlowLog();
    log.opened(0);
    log.take(message(run(0, 1)), 0);
    log.take(message(run(1, 1), "18446744073709551615"), 0);
    expect(uuids(log)).toEqual(["u1", "gap", "u0"]);
    expect(log.lost).toBe(18_446_744_073_709_551_615n);
  });

  it("counts what it cannot read and goes on", () => {
    const log = new FlowLog();
    log.opened(0);
    for (const data of [
      "",
      "{",
      "null",
      "7",
      '{"flows":[{"flow":{"l4":{"TCP":{}},"source":{"labels":5}}}]}',
    ]) {
      log.take(data, 0);
    }
    log.take('{"flows":{"not":"a list"}}', 0);
    log.take('{"flows":[null,{"node_status":{}}]}', 0);
    log.take(message(run(0, 1)), 0);
    expect(log.unreadable).toBe(5);
    expect(uuids(log)).toEqual(["u0"]);
  });
});

describe("a stream that was opened again", () => {
  it("does not show repeated flows twice", () => {
    const log = new FlowLog();
    log.opened(0);
    log.take(message(run(0, 50)), 0);
    log.opened(5_000);
    log.take(message(run(0, 53)), 5_000);
    expect(log.rows.length).toBe(53);
    expect(uuids(log).slice(0, 4)).toEqual(["u52", "u51", "u50", "u49"]);
  });

  it("marks a gap when nothing it repeats is known", () => {
    const log = new FlowLog();
    log.opened(0);
    log.take(message(run(0, 2)), 0);
    log.opened(5_000);
    log.take(message(run(500, 2)), 5_000);
    expect(uuids(log)).toEqual(["u501", "u500", "gap", "u1", "u0"]);
  });

  it("stops looking for repeats once the past is through", () => {
    const log = new FlowLog();
    log.opened(0);
    log.take(message(run(0, PASTS[0])), 0);
    log.opened(5_000);
    log.take(message(run(0, PASTS[0])), 5_000);
    log.take(message(run(0, 1)), 5_000);
    expect(log.rows.length).toBe(PASTS[0] + 1);
  });

  it("knows that nothing is missing when the daemon goes on where it was", () => {
    const log = new FlowLog();
    log.opened(0);
    log.take(message(run(0, 2)), 0, "17.3");
    log.opened(5_000);
    log.take(
      JSON.stringify({ ...JSON.parse(message(run(2, 1))), start: { from_seq: "18" } }),
      5_000,
    );
    expect(uuids(log)).toEqual(["u2", "u1", "u0"]);
  });

  it("says how much may be missing when the daemon begins later", () => {
    const log = new FlowLog();
    log.opened(0);
    log.take(message(run(0, 1)), 0, "17");
    log.opened(5_000);
    log.take(
      JSON.stringify({ ...JSON.parse(message(run(9, 1))), start: { from_seq: "21" } }),
      5_000,
    );
    const rows = [...log.rows.newestFirst()];
    expect(uuids(log)).toEqual(["u9", "gap", "u0"]);
    expect(rows[1]).toMatchObject({ text: expect.stringContaining("up to 3 flows") });
  });

  it("leaves the repeated past out of the rate", () => {
    const log = new FlowLog();
    log.opened(10_000);
    log.take(message(run(0, 100)), 10_100);
    expect(log.rate.perSecond(10_200)).toBe(0);
    log.take(message(run(100, 50)), 12_000);
    expect(log.rate.perSecond(12_000)).toBe(10);
    expect(log.rate.perSecond(20_000)).toBe(0);
  });
});

describe("the timeline", () => {
  const started = (number: number, time: string) => ({
    event: { number: String(number), time, started: { version: `v${number}` } },
  });
  const batch = (flows: unknown[], events: unknown[]) =>
    JSON.stringify({ flows, lost: "0", events });

  it("stands among the flows, each event before the flow it came before", () => {
    const log = new FlowLog();
    log.opened(0);
    const events = [
      { at: 1, ...started(0, "2026-03-01T00:00:00Z") },
      { at: 2, ...started(1, "2026-03-01T00:00:01Z") },
      { ...started(2, "2026-03-01T00:00:02Z"), at: 2 },
    ];
    log.take(batch(run(0, 2), events), 0);
    expect(uuids(log)).toEqual([
      "flowd v2 started",
      "flowd v1 started",
      "u1",
      "flowd v0 started",
      "u0",
    ]);
  });

  it("is not repeated by a reopened stream, and begins anew with the daemon", () => {
    const log = new FlowLog();
    const events = [started(0, "2026-03-01T00:00:00Z"), started(1, "2026-03-01T00:00:01Z")];
    log.take(batch([], events), 0);
    log.take(batch([], events), 0);
    expect(log.rows.length).toBe(2);
    log.take(batch([], [started(0, "2026-03-01T01:00:00Z")]), 0);
    expect(log.rows.length).toBe(3);
  });

  it("says when events were gone", () => {
    const log = new FlowLog();
    log.take(JSON.stringify({ flows: [], events_lost: "7" }), 0);
    expect(log.eventsLost).toBe(7n);
    expect(uuids(log)).toEqual(["gap"]);
  });
});
