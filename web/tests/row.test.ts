import { describe, expect, it } from "vitest";
import { flowKey, flowRow, peer, policies, service } from "../src/flow/row";
import { connectionFacts, processFacts, shadowWords } from "../src/flow/words";
import { dropped } from "./samples";

describe("a flow as a row", () => {
  it("shows who, where, what and why", () => {
    expect(flowRow(7, dropped())).toMatchObject({
      id: 7,
      time: "12:34:56.789",
      source: "other/stranger",
      destination: "shop/backend",
      service: "8080/TCP",
      direction: "ingress",
      verdict: "DROPPED",
      reason: "policy denied · shop/backend-ingress",
      summary: "TCP Flags: SYN",
    });
  });

  it("says unknown where nothing is known", () => {
    expect(flowRow(1, { flow: {} })).toMatchObject({
      time: "",
      source: "unknown",
      destination: "unknown",
      service: "",
      verdict: "UNKNOWN",
      reason: "",
    });
  });

  it("is found by address and label, in lower case", () => {
    const { haystack } = flowRow(1, dropped());
    expect(haystack).toContain("10.7.0.9");
    expect(haystack).toContain("k8s:app=backend");
    expect(haystack).toContain("tcp flags: syn");
  });

  it("marks a reply and names the port of the side that serves", () => {
    const ports = { source_port: 8080, destination_port: 40001 };
    const row = flowRow(1, dropped({ is_reply: true, l4: { TCP: ports } }));
    expect(row.service).toBe("8080/TCP");
    expect(row.direction).toBe("ingress reply");
  });
});

describe("the reason", () => {
  const byDefault = {
    reason: "default_denied",
    default_denied_by: [{ name: "p", namespace: "n" }],
  };

  it("tells a default deny from a rule's, in flowd's words, and is found by Hubble's too", () => {
    const sample = dropped({ extensions: byDefault });
    delete sample.flow.ingress_denied_by;
    const row = flowRow(1, sample);
    expect(row.reason).toBe("default denied · n/p");
    expect(row.haystack).toContain("policy denied");
  });

  it("of an allowed flow is its policy, or else what let it pass", () => {
    const forwarded = { verdict: "FORWARDED", ingress_denied_by: [], drop_reason_desc: "" };
    const extensions = { reason: "not_enforced" };
    const allowed = { ingress_allowed_by: [{ name: "p", namespace: "n" }] };
    expect(flowRow(1, dropped({ ...forwarded, extensions, ...allowed })).reason).toBe("n/p");
    expect(flowRow(1, dropped({ ...forwarded, extensions })).reason).toBe("not enforced");
  });
});

describe("service", () => {
  it.each([
    [{ UDP: { destination_port: 53 } }, "53/UDP"],
    [{ SCTP: { destination_port: 132 } }, "132/SCTP"],
    [{ ICMPv4: { type: 8 } }, "ICMPv4 8/0"],
    [{ ICMPv6: { type: 1, code: 4 } }, "ICMPv6 1/4"],
    [{}, ""],
  ])("%j is %s", (l4, shown) => {
    expect(service(l4, false)).toBe(shown);
  });
});

describe("peer", () => {
  it("prefers the workload, then a name, then the address, and tells what is reserved", () => {
    const world = { labels: ["reserved:world"] };
    expect(peer({ namespace: "shop", pod_name: "a" }, "10.0.0.1", ["a.example"])).toBe("shop/a");
    expect(peer({ pod_name: "a" }, undefined, undefined)).toBe("a");
    expect(peer(world, "203.0.113.7", ["a.example"])).toBe("a.example (world)");
    expect(peer(world, "203.0.113.7", undefined)).toBe("203.0.113.7 (world)");
  });

  it("shows disguised and endless text harmlessly", () => {
    const shown = peer(
      { pod_name: `\u202egnp.exe\u0007${"x".repeat(10_000)}` },
      undefined,
      undefined,
    );
    expect(shown.startsWith("\ufffdgnp.exe\ufffdxx")).toBe(true);
    expect(shown.length).toBeLessThan(600);
  });
});

describe("policies", () => {
  it("names deniers before allowers, each once", () => {
    const one = { name: "p", namespace: "n" };
    expect(policies({ ingress_denied_by: [one], ingress_allowed_by: [{ name: "q" }] })).toEqual([
      "n/p",
    ]);
    expect(policies({ ingress_allowed_by: [one], egress_allowed_by: [one] })).toEqual(["n/p"]);
  });
});

describe("flowKey", () => {
  it("tells flows apart without a uuid", () => {
    const at = (time: string) => {
      const sample = dropped({ time });
      delete sample.flow.uuid;
      return flowKey(sample);
    };
    expect(at("2026-03-01T00:00:00Z")).toBe(at("2026-03-01T00:00:00Z"));
    expect(at("2026-03-01T00:00:00Z")).not.toBe(at("2026-03-01T00:00:01Z"));
  });
});

describe("what flowd says beyond Hubble", () => {
  const extension = {
    event: "CLOSE",
    connection_state: "RESET",
    reset_by: "REMOTE",
    duration: "1.2s",
    sent_bytes: "1500",
    received_bytes: "340",
    retransmits: 2,
    rtt_us: 340,
    process: { pid: 4711, name: "nginx", user: "www", user_id: 33 },
    attribution: "INHERITED",
    shadow: {
      verdict: "DROPPED",
      default_denied_by: [{ kind: "NetworkPolicy", namespace: "shop", name: "db" }],
    },
    shadow_changed: true,
  };

  it("is in the row: the process, how it ended, and what a shadow policy would do", () => {
    const row = flowRow(1, dropped({ verdict: "FORWARDED", extensions: extension }));
    expect(row.process).toBe("nginx[4711]");
    expect(row.summary.replaceAll("\u202f", " ")).toBe(
      "reset by the other end after 1.2 s, 1.5 kB out, 340 B in, 2 sent again",
    );
    expect(row.reason).toContain(
      "shadow: would be DROPPED by default deny of NetworkPolicy/shop/db",
    );
    expect(row.haystack).toContain("nginx[4711]");
  });

  it("leaves out what was not measured, and says what is not known", () => {
    const facts = new Map(connectionFacts({ event: "OPEN", connection_state: "NEW" }));
    expect(facts.get("Round trip")).toBe("");
    expect(facts.get("Sent again")).toBe("");
    expect(processFacts({})).toEqual([["Process", "it is not known"]]);
    expect(Object.fromEntries(processFacts(extension)).User).toBe("www (33)");
    expect(shadowWords({ ...extension, shadow_changed: false })).toContain("DROPPED too by");
    expect(shadowWords(undefined)).toBe("");
  });
});
