import { describe, expect, it } from "vitest";
import { ASKED_AT_FIRST, type Asked, queryOf, termsIn } from "../src/flow/asked";
import { askedBy, linkTo } from "../src/flow/link";

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

describe("a link", () => {
  it("keeps what is asked, and nothing that goes without saying", () => {
    expect(linkTo(ASKED_AT_FIRST)).toBe("");
    const asked: Asked = {
      verdict: "DROPPED",
      shadow: "any",
      past: 5_000,
      events: false,
      terms: [
        { key: "pod", value: "shop/web" },
        { key: "label", value: "app in (a, b)" },
        { key: "label", value: "x=y&z" },
      ],
    };
    expect(askedBy(linkTo(asked))).toEqual(asked);
  });

  it("made by anybody asks nothing that is not known", () => {
    expect(askedBy("#verdict=__proto__&shadow=x&past=99999999&pod=&constructor=1")).toEqual(
      ASKED_AT_FIRST,
    );
    expect(askedBy(`#${"pod=a&".repeat(10_000)}`).terms).toHaveLength(32);
  });
});
