/** An event of the timeline as a line of the table. */
import type {
  AddressEvent,
  AppliedEvent,
  BreakGlassEvent,
  EndpointEvent,
  EnforcedEvent,
  GenerationEvent,
  PolicyEvent,
  TimelineEvent,
} from "../api/timeline";
import { plural, timeOfDay } from "../format";
import { visible } from "../text";
import { placeOf, refName } from "./words";

export interface EventRow {
  kind: "event";
  id: number;
  time: string;
  text: string;
  /** Whether it tells that something did not work. */
  bad: boolean;
  haystack: string;
  event: TimelineEvent;
}

interface Told {
  text: string;
  bad?: boolean;
}

export function eventRow(id: number, event: TimelineEvent): EventRow {
  const { text, bad } = told(event);
  const time = timeOfDay(event.time);
  const shown = visible(text);
  return {
    kind: "event",
    id,
    time,
    text: shown,
    bad: bad === true,
    haystack: `${time} ${shown}`.toLowerCase(),
    event,
  };
}

function told(event: TimelineEvent): Told {
  if (event.started) return { text: `flowd ${event.started.version ?? ""} started` };
  if (event.policy) return policy(event.policy);
  if (event.endpoint) return endpoint(event.endpoint);
  if (event.enforced) return enforced(event.enforced);
  if (event.generation) return generation(event.generation);
  if (event.applied) return applied(event.applied);
  if (event.address) return address(event.address);
  if (event.service) {
    return { text: `service ${change(event.service.change)}: ${nameOf(event.service)}` };
  }
  if (event.break_glass) return breakGlass(event.break_glass);
  return { text: "something happened that this page has no words for" };
}

const CHANGES: Record<string, string> = { ADDED: "added", CHANGED: "changed", REMOVED: "removed" };

function change(kind: string | undefined): string {
  return CHANGES[kind ?? ""] ?? "of some change";
}

function nameOf(named: { namespace?: string; name?: string }): string {
  return [named.namespace, named.name].filter((part) => part).join("/") || "?";
}

function policy(event: PolicyEvent): Told {
  const place = placeOf(event);
  const rules = event.change === "REMOVED" ? "" : `, ${plural(event.rules ?? 0, "rule")}`;
  const where = place === "" ? "" : ` (${place})`;
  const text = `policy ${change(event.change)}: ${refName(event)}${rules}${where}`;
  return { text: `${text}, from generation ${event.generation ?? 0} on` };
}

function endpoint(event: EndpointEvent): Told {
  const text = `workload ${change(event.change)}: ${nameOf(event)}`;
  if (event.change === "REMOVED") return { text };
  const changed = (event.changed ?? []).join(", ");
  if (changed !== "") return { text: `${text}: ${changed}; mode ${event.mode ?? "?"}` };
  const addresses = (event.addresses ?? []).join(", ");
  return { text: `${text}, identity ${event.identity ?? 0}, ${addresses}, mode ${event.mode}` };
}

function enforced(event: EnforcedEvent): Told {
  if (event.error) return { text: `${nameOf(event)} is not guarded: ${event.error}`, bad: true };
  const policies = plural((event.policies ?? []).length, "policy", "policies");
  const by = `generation ${event.generation ?? 0}: ${policies}, mode ${event.mode ?? "?"}`;
  return { text: `${nameOf(event)} is judged by ${by}` };
}

function generation(event: GenerationEvent): Told {
  const name = `generation ${event.generation ?? 0}`;
  if (event.error) return { text: `${name} is not in force: ${event.error}`, bad: true };
  const failed = event.failed ?? 0;
  const text = `${name} is in force on ${plural(event.endpoints ?? 0, "endpoint")}`;
  return failed === 0 ? { text } : { text: `${text}, ${failed} could not be guarded`, bad: true };
}

function applied(event: AppliedEvent): Told {
  const objects = (event.objects ?? []).join(", ");
  switch (event.step) {
    case "CONFIRMED":
      return { text: `change confirmed: ${objects}` };
    case "REVERTED":
      return { text: `change undone, nobody confirmed it: ${objects}`, bad: true };
    case "DELETED":
      return { text: `deleted through the API: ${objects}` };
    default: {
      const waits = event.undone_at ? `, undone at ${event.undone_at} unless confirmed` : "";
      return { text: `applied through the API: ${objects}${waits}` };
    }
  }
}

function address(event: AddressEvent): Told {
  const { address, identity } = event;
  if (identity === undefined) return { text: `address ${address} is nobody's any more` };
  return { text: `address ${address} is now ${nameOf(event)}, identity ${identity}` };
}

function breakGlass(event: BreakGlassEvent): Told {
  if (!event.on) return { text: "break-glass is over: policies for this node are in force" };
  const since = event.since ? ` since ${event.since}` : "";
  return { text: `BREAK-GLASS is on${since}: policies for this node judge nothing`, bad: true };
}
