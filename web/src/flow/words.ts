/** What flowd says of a flow beyond Hubble, in words: how the connection went, whose it is, what shadow policies would do. */
import type { FlowExtension, PolicyRef, Process, RuleRef } from "../api/flow";
import { bytes, count, micros, seconds, words } from "../format";
import { visible } from "../text";

const STATES: Record<string, string> = {
  NEW: "opening",
  ESTABLISHED: "established",
  CLOSING: "closing",
  CLOSED: "closed",
  RESET: "reset",
  TIMED_OUT: "timed out",
};

const SIDES: Record<string, string> = { LOCAL: " by the workload", REMOTE: " by the other end" };

const KNOWN_BY: Record<string, string> = {
  EXACT: "it connected, accepted or sent itself",
  INHERITED: "it opened the socket, and may have handed it on",
  KERNEL: "the kernel itself answered",
};

/** Where a connection is in its life, and how it ended if it did. */
export function stateWords(extension: FlowExtension): string {
  const state = extension.connection_state ?? "";
  const by = state === "RESET" ? (SIDES[extension.reset_by ?? ""] ?? "") : "";
  return (STATES[state] ?? visible(words(state))) + by;
}

/** The end of a connection in a few words; nothing for a flow that does not tell an end. */
export function closing(extension: FlowExtension | undefined): string {
  if (extension?.event !== "CLOSE") return "";
  const sent = bytes(extension.sent_bytes);
  const received = bytes(extension.received_bytes);
  const after = extension.duration === undefined ? "" : ` after ${seconds(extension.duration)}`;
  const again = extension.retransmits ? `, ${count(extension.retransmits)} sent again` : "";
  return `${stateWords(extension)}${after}, ${sent} out, ${received} in${again}`;
}

/** The numbers of a connection, each with its name. What was not measured has an empty text. */
export function connectionFacts(extension: FlowExtension): [string, string][] {
  const { handshake_rtt_us, rtt_us, retransmits } = extension;
  const traffic = (packets: unknown, size: unknown) =>
    `${bytes(size)} in ${count(packets)} packets`;
  return [
    ["State", stateWords(extension)],
    ["Began", visible(extension.created)],
    ["Lasted", extension.duration === undefined ? "" : seconds(extension.duration)],
    ["Sent", traffic(extension.sent_packets, extension.sent_bytes)],
    ["Received", traffic(extension.received_packets, extension.received_bytes)],
    ["Handshake", handshake_rtt_us ? micros(handshake_rtt_us) : ""],
    ["Round trip", rtt_us ? micros(rtt_us) : ""],
    ["Sent again", retransmits === undefined ? "" : `${count(retransmits)} segments`],
    ["Speaks for", packetsTold(extension)],
    ["Generation", visible(extension.policy_generation)],
    ["CIDR", visible(extension.cidr)],
    ["Told late", extension.deferred ? "the ring was full when it happened" : ""],
    ["Seeded", extension.seeded ? "it was open before flowd came" : ""],
  ];
}

function packetsTold(extension: FlowExtension): string {
  const told = count(extension.packets_told);
  return told === "0" || told === "1" ? "" : `${told} packets`;
}

/** `nginx[4711]`; nothing when it is not known. */
export function processName(process: Process | undefined): string {
  if (process === undefined) return "";
  return visible(`${process.name ?? "?"}[${process.pid ?? "?"}]`);
}

/** What is known of a process, each with its name. */
export function processFacts(extension: FlowExtension): [string, string][] {
  const { process } = extension;
  const known = KNOWN_BY[extension.attribution ?? ""] ?? "it is not known";
  if (process === undefined) return [["Process", known]];
  const user = process.user
    ? `${process.user} (${process.user_id ?? 0})`
    : String(process.user_id ?? 0);
  return [
    ["Process", processName(process)],
    ["Known because", known],
    ["Program", visible(process.executable)],
    ["User", visible(user)],
    ["Unit", visible(process.unit)],
    ["Container", visible(process.container)],
    ["Started", visible(process.started)],
  ];
}

/** What shadow policies would have done, such as `would be DROPPED by … (shadow)`; nothing where none says anything. */
export function shadowWords(extension: FlowExtension | undefined): string {
  const shadow = extension?.shadow;
  if (shadow === undefined) return "";
  const too = extension?.shadow_changed ? "" : " too";
  const rules = (shadow.rules ?? []).map(ruleName);
  const causes = (shadow.default_denied_by ?? []).map(refName);
  const by = rules.length > 0 ? rules : causes.map((cause) => `default deny of ${cause}`);
  const named = by.length > 0 ? ` by ${by.join(", ")}` : "";
  return `shadow: would be ${visible(shadow.verdict ?? "UNKNOWN")}${too}${named}`;
}

/** `CiliumNetworkPolicy/shop/backend`. */
export function refName(policy: PolicyRef): string {
  const parts = [policy.kind, policy.namespace, policy.name].filter((part) => part);
  return visible(parts.join("/") || "unknown");
}

/** A policy, or a rule of one, and where it is written. */
export function ruleName(rule: RuleRef): string {
  const place = placeOf(rule);
  return place === "" ? refName(rule) : `${refName(rule)} (${place})`;
}

/** `file:line`. */
export function placeOf(written: PolicyRef): string {
  if (!written.file) return "";
  return visible(written.line ? `${written.file}:${written.line}` : written.file);
}
