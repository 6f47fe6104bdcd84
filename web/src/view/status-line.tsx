/** One line that says whether the node can be trusted now, and a panel behind it that says why. */
import type { ComponentChildren } from "preact";
import { generations, isProtected, modes, problemsOf, type Status } from "../api/status";
import type { LinkState } from "../api/stream";
import { count, plural, rate } from "../format";
import type { Live } from "../live";
import { visible } from "../text";
import { Health } from "./health";

const LINK: Record<LinkState, string> = {
  connecting: "connecting…",
  live: "live",
  reconnecting: "interrupted, reconnecting…",
};

type Tone = "good" | "warn" | "bad" | "plain";

export function StatusLine({ live }: { live: Live }) {
  live.revision.value;
  const status = live.status.value;
  const link = live.link.value;
  return (
    <header>
      <h1>
        flowd <small>{visible(status?.version)}</small>
      </h1>
      <dl
        class={live.statusError.value === "" ? "status" : "status stale"}
        aria-label="Status of this node"
      >
        <HealthFact live={live} />
        <Fact name="Node">{visible(status?.node_name) || "?"}</Fact>
        {status && <EndpointFacts status={status} />}
        <Fact name="Stream" tone={link === "live" ? "good" : "warn"}>
          {LINK[link]}
        </Fact>
        <Fact name="Flows/s here">{rate(live.log.rate.perSecond(Date.now()))}</Fact>
        <LossFacts live={live} />
      </dl>
      {status && <Health status={status} />}
    </header>
  );
}

function HealthFact({ live }: { live: Live }) {
  const error = live.statusError.value;
  const status = live.status.value;
  if (error !== "") {
    return (
      <Fact name="Health" tone="bad">
        {visible(error)}
      </Fact>
    );
  }
  const problems = status === null ? 0 : problemsOf(status).length;
  if (status?.healthy && problems === 0) {
    return (
      <Fact name="Health" tone="good">
        healthy
      </Fact>
    );
  }
  return (
    <Fact name="Health" tone={status?.healthy ? "warn" : "bad"}>
      {problems > 0 ? plural(problems, "problem") : "not healthy"}
    </Fact>
  );
}

function EndpointFacts({ status }: { status: Status }) {
  const endpoints = status.endpoints ?? [];
  const safe = endpoints.filter(isProtected).length;
  const generation = generations(endpoints);
  const mode = modes(endpoints);
  const shadows = (status.policies ?? []).filter((policy) => policy.shadow).length;
  return (
    <>
      <Fact name="Endpoints protected" tone={safe === endpoints.length ? "good" : "warn"}>
        {safe}/{endpoints.length}
      </Fact>
      {generation && (
        <Fact name="Policy generation" tone={generation.behind === 0 ? "plain" : "warn"}>
          {generation.behind === 0
            ? count(generation.desired)
            : `${count(generation.enforced)} → ${count(generation.desired)}, ${generation.behind} behind`}
        </Fact>
      )}
      {endpoints.length > 0 && (
        <Fact name="Mode" tone={mode.allEnforce ? "plain" : "warn"}>
          {visible(mode.text)}
        </Fact>
      )}
      {shadows > 0 && <Fact name="Shadow policies">{shadows}</Fact>}
    </>
  );
}

function LossFacts({ live }: { live: Live }) {
  const ledger = live.status.value?.ledger;
  const lost = count(ledger?.lost);
  const pending = count(ledger?.deferred_pending);
  const { lost: lostHere, eventsLost, unreadable } = live.log;
  return (
    <>
      <Fact name="Lost" tone={lost === "0" ? "plain" : "bad"}>
        {lost}
      </Fact>
      <Fact name="Deferred" tone={pending === "0" ? "plain" : "warn"}>
        {pending}
      </Fact>
      {lostHere > 0n && (
        <Fact name="Lost by this page" tone="warn">
          {count(lostHere)}
        </Fact>
      )}
      {eventsLost > 0n && (
        <Fact name="Events lost here" tone="warn">
          {count(eventsLost)}
        </Fact>
      )}
      {unreadable > 0 && (
        <Fact name="Unreadable" tone="warn">
          {count(unreadable)}
        </Fact>
      )}
    </>
  );
}

function Fact(props: { name: string; tone?: Tone; children: ComponentChildren }) {
  return (
    <div class={`fact ${props.tone ?? "plain"}`}>
      <dt>{props.name}</dt>
      <dd>{props.children}</dd>
    </div>
  );
}
