import { describe, expect, it } from "vitest";
import type { TimelineEvent } from "../src/api/timeline";
import { eventRow } from "../src/flow/event";

const text = (event: TimelineEvent) => eventRow(1, event).text;

describe("an event of the timeline", () => {
  it.each([
    [{ started: { version: "1.2" } }, "flowd 1.2 started"],
    [
      {
        policy: {
          change: "ADDED",
          kind: "NetworkPolicy",
          namespace: "shop",
          name: "db",
          rules: 1,
          file: "a.yaml",
          line: 3,
          generation: 7,
        },
      },
      "policy added: NetworkPolicy/shop/db, 1 rule (a.yaml:3), from generation 7 on",
    ],
    [
      {
        endpoint: {
          change: "CHANGED",
          namespace: "shop",
          name: "db",
          changed: ["mode"],
          mode: "audit",
        },
      },
      "workload changed: shop/db: mode; mode audit",
    ],
    [
      {
        enforced: {
          namespace: "shop",
          name: "db",
          generation: 7,
          mode: "enforce",
          policies: ["a", "b"],
        },
      },
      "shop/db is judged by generation 7: 2 policies, mode enforce",
    ],
    [{ generation: { generation: 7, endpoints: 1 } }, "generation 7 is in force on 1 endpoint"],
    [{ applied: { step: "DELETED", objects: ["K/n/p"] } }, "deleted through the API: K/n/p"],
    [{ address: { address: "10.0.0.1" } }, "address 10.0.0.1 is nobody's any more"],
    [
      { address: { address: "10.0.0.1", identity: 258, namespace: "shop", name: "db" } },
      "address 10.0.0.1 is now shop/db, identity 258",
    ],
    [{ service: { change: "REMOVED", namespace: "shop", name: "db" } }, "service removed: shop/db"],
    [{ break_glass: {} }, "break-glass is over: policies for this node are in force"],
    [{}, "something happened that this page has no words for"],
  ])("%j", (event, shown) => {
    expect(text(event)).toBe(shown);
    expect(eventRow(1, event).bad).toBe(false);
  });

  it("stands out when something did not work", () => {
    for (const event of [
      { enforced: { name: "db", error: "no device" } },
      { generation: { generation: 7, error: "no room" } },
      { generation: { generation: 7, endpoints: 4, failed: 1 } },
      { applied: { step: "REVERTED", objects: ["p"] } },
      { break_glass: { on: true, since: "2026-11-25T04:00:00Z" } },
    ]) {
      expect(eventRow(1, event).bad).toBe(true);
    }
  });

  it("is found by its words and shows hostile text harmlessly", () => {
    const row = eventRow(1, { endpoint: { change: "REMOVED", name: "\u202eDB" } });
    expect(row.text).toBe("workload removed: \ufffdDB");
    expect(row.haystack).toContain("workload removed");
  });
});
