import { describe, expect, it } from "vitest";
import { generations, isProtected, modes, problemsOf, whole } from "../src/api/status";
import { bytes, count, micros, plural, rate, seconds, timeOfDay, words } from "../src/format";
import { visible } from "../src/text";
import { flatten } from "../src/view/flatten";

const plain = (text: string) => text.replaceAll("\u202f", " ");

describe("numbers", () => {
  it("are exact up to the largest u64", () => {
    expect(plain(count("18446744073709551615"))).toBe("18 446 744 073 709 551 615");
    expect(plain(count(1_000))).toBe("1 000");
    expect(count("999")).toBe("999");
    expect(count(undefined)).toBe("0");
    expect(count("12 cows")).toBe("0");
    expect(whole("-1")).toBe(0n);
  });

  it("come with their noun", () => {
    expect(plural(1, "row")).toBe("1 row");
    expect(plural(0, "row")).toBe("0 rows");
    expect(plain(plural(12_345n, "flow"))).toBe("12 345 flows");
  });

  it("are rounded where they are rates", () => {
    expect(rate(0)).toBe("0");
    expect(rate(0.42)).toBe("0.4");
    expect(plain(rate(12_345.6))).toBe("12 346");
  });
});

describe("times and names", () => {
  it("are short in the table", () => {
    expect(timeOfDay("2026-03-01T01:02:03.004005006Z")).toBe("01:02:03.004");
    expect(timeOfDay("yesterday")).toBe("");
    expect(timeOfDay(undefined)).toBe("");
    expect(words("INVALID_SOURCE_IP")).toBe("invalid source ip");
  });

  it("cannot disguise themselves", () => {
    expect(visible("a\u0000b\u200bc\u2066d\nе")).toBe("a\ufffdb\ufffdc\ufffdd\ufffdе");
    expect(visible(undefined)).toBe("");
    expect(visible("x".repeat(600), 10)).toBe(`${"x".repeat(10)}…`);
  });
});

describe("status", () => {
  it("knows the lagging endpoints", () => {
    expect(generations([])).toBeNull();
    const lagging = { desired_generation: "8", enforced_generation: "6" };
    const current = { desired_generation: "7", enforced_generation: "7" };
    expect(generations([lagging, current])).toEqual({ desired: 8n, enforced: 6n, behind: 1 });
  });

  it("gathers what is wrong wherever it is said, once", () => {
    const policy = { kind: "CNP", namespace: "n", name: "p", file: "p.yaml", line: 3 };
    const found = problemsOf({
      problems: ["a", "a"],
      source_errors: [{ file: "q.yaml", line: 7, message: "unknown field" }, { file: "r.yaml" }],
      policies: [{ ...policy, problems: ["selects nothing"] }, policy],
    });
    expect(found).toEqual([
      "a",
      "q.yaml:7: unknown field",
      "r.yaml: cannot be used",
      "p.yaml:3: CNP/n/p: selects nothing",
    ]);
  });

  it("counts only a protected endpoint as protected", () => {
    expect(isProtected({ state: "protected" })).toBe(true);
    expect(isProtected({ state: "failed", detail: "interface eth9 is gone" })).toBe(false);
    expect(isProtected({})).toBe(false);
  });
});

describe("amounts at a glance", () => {
  it("have the unit that fits", () => {
    expect(["0", "999", "1500", 123_456, "2000000000"].map((size) => plain(bytes(size)))).toEqual([
      "0 B",
      "999 B",
      "1.5 kB",
      "123 kB",
      "2.0 GB",
    ]);
    expect([0, 340, 12_500, 2_000_000].map((time) => plain(micros(time)))).toEqual([
      "0 µs",
      "340 µs",
      "12.5 ms",
      "2.0 s",
    ]);
    expect(["0.0123s", "59.5s", "61s", "7322.9s", "x"].map((time) => plain(seconds(time)))).toEqual(
      ["12.3 ms", "59.5 s", "1 min 1 s", "2 h 2 min 2 s", ""],
    );
  });
});

describe("the modes of endpoints", () => {
  it("are counted, and said to be all enforced only when they are", () => {
    expect(modes([{ mode: "enforce" }, { mode: "audit" }, { mode: "enforce" }])).toEqual({
      text: "2 enforce, 1 audit",
      allEnforce: false,
    });
    expect(modes([{ mode: "enforce" }]).allEnforce).toBe(true);
  });
});

describe("flatten", () => {
  it("names nested values by their path", () => {
    expect(flatten({ a: { b: 1 }, c: [true, null] })).toEqual([
      ["a.b", "1"],
      ["c.0", "true"],
      ["c.1", ""],
    ]);
  });

  it("is bounded in depth and number", () => {
    let deep: unknown = 1;
    for (let depth = 0; depth < 5_000; depth += 1) deep = { deep };
    expect(flatten(deep)).toEqual([["deep.deep.deep.deep.deep.deep", "nested too deep to show"]]);
    expect(flatten(Array.from({ length: 5_000 }, (_, index) => index))).toHaveLength(101);
  });
});
