import { describe, expect, it } from "vitest";
import { RowBuffer } from "../src/flow/buffer";
import { matching } from "../src/flow/filter";
import { flowRow, type Row } from "../src/flow/row";
import { nextChoice } from "../src/view/flow-table";
import { scrollTo, windowOf } from "../src/view/window";
import { dropped } from "./samples";

const stranger = flowRow(3, dropped());
const gap: Row = { kind: "gap", id: 2, text: "lost" };
const dns = flowRow(
  1,
  dropped({ l4: { UDP: { destination_port: 53 } }, source: { pod_name: "web" } }),
);
const rows: Row[] = [stranger, gap, dns];

describe("the text filter", () => {
  it("wants every word, in any case and order, and never hides a gap", () => {
    expect(matching(rows, "")).toEqual(rows);
    expect(matching(rows, "  TCP   Stranger ")).toEqual([stranger, gap]);
    expect(matching(rows, "53/udp web")).toEqual([gap, dns]);
    expect(matching(rows, "stranger 53/udp")).toEqual([gap]);
  });

  it("takes the query as text, not as a pattern", () => {
    expect(matching(rows, ".*")).toEqual([gap]);
    expect(matching(rows, "(")).toEqual([gap]);
  });
});

describe("the row buffer", () => {
  it("refuses a size that holds nothing", () => {
    expect(() => new RowBuffer(0)).toThrow(RangeError);
    expect(() => new RowBuffer(1.5)).toThrow(RangeError);
  });

  it("gives the newest first across its seam", () => {
    const buffer = new RowBuffer<number>(3);
    for (const value of [1, 2, 3, 4, 5]) buffer.push(value);
    expect([...buffer.newestFirst()]).toEqual([5, 4, 3]);
    expect(buffer.fellOff).toBe(2);
  });
});

describe("the window on the rows", () => {
  it("draws only what is in sight, and stands in for the rest", () => {
    const sight = windowOf(5_000, 26, 26_000, 520);
    expect(sight).toEqual({ first: 992, last: 1028, before: 992 * 26, after: (5_000 - 1028) * 26 });
  });

  it("stays inside the list when it is short, empty or scrolled too far", () => {
    expect(windowOf(0, 26, 0, 520)).toEqual({ first: 0, last: 0, before: 0, after: 0 });
    expect(windowOf(3, 26, 9_999, 520)).toEqual({ first: 0, last: 3, before: 0, after: 0 });
    const { last, after } = windowOf(100, 26, 1e9, 520);
    expect([last, after]).toEqual([100, 0]);
  });

  it("scrolls no further than it must", () => {
    expect(scrollTo(0, 26, 100, 520)).toBe(0);
    expect(scrollTo(10, 26, 100, 520)).toBe(100);
    expect(scrollTo(40, 26, 0, 520)).toBe(41 * 26 - 520);
  });
});

describe("choosing by keyboard", () => {
  it("walks over gaps and stops at the ends", () => {
    expect(nextChoice("ArrowDown", rows, null)).toEqual({ row: stranger, index: 0 });
    expect(nextChoice("ArrowDown", rows, stranger)).toEqual({ row: dns, index: 2 });
    expect(nextChoice("ArrowUp", rows, dns)).toEqual({ row: stranger, index: 0 });
    expect(nextChoice("ArrowUp", rows, stranger)).toBeUndefined();
    expect(nextChoice("End", rows, null)).toEqual({ row: dns, index: 2 });
    expect(nextChoice("a", rows, null)).toBeUndefined();
  });
});
