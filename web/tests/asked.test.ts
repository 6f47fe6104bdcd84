import { describe, expect, it } from "vitest";
import { ASKED_AT_FIRST, queryOf, termsIn } from "../src/flow/asked";

describe("what the daemon is asked", () => {
  it("is no more than what was chosen", () => {
    expect(String(queryOf({ ...ASKED_AT_FIRST, events: false }))).toBe("last=200");
    const query = queryOf({
      verdict: "DROPPED",
      shadow: "changed",
      past: 1_000,
      events: true,
      terms: [
        { key: "pod", value: "shop/web" },
        { key: "port", value: "80" },
        { key: "pod", value: "shop/db" },
      ],
    });
    expect(Object.fromEntries(query)).toEqual({
      last: "1000",
      verdict: "DROPPED",
      shadow: "changed",
      events: "true",
      pod: "shop/web,shop/db",
      port: "80",
    });
  });

  it("is taken out of the text; addresses and other words stay", () => {
    expect(termsIn("tcp ns:shop  fd00::1 10.0.0.1:80 Reason:default_denied drop-reason:x")).toEqual(
      {
        terms: [
          { key: "namespace", value: "shop" },
          { key: "drop_reason", value: "default_denied" },
          { key: "drop_reason", value: "x" },
        ],
        rest: "tcp fd00::1 10.0.0.1:80",
      },
    );
    expect(termsIn("pod: :80 pod")).toEqual({ terms: [], rest: "pod: :80 pod" });
  });
});
