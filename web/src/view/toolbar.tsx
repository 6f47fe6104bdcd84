/** What to show: what the daemon is asked for, what is searched for in the rows, and whether the table follows. */
import { PASTS, SHADOWS, type ShadowChoice, VERDICTS, type VerdictChoice } from "../flow/asked";
import { count, plural } from "../format";
import type { Live } from "../live";
import { visible } from "../text";

const VERDICT_NAMES: Record<VerdictChoice, string> = {
  ALL: "All",
  FORWARDED: "Forwarded",
  DROPPED: "Dropped",
  AUDIT: "Audit",
};

const SHADOW_NAMES: Record<ShadowChoice, string> = {
  "": "all flows",
  any: "judged",
  changed: "would differ",
};

const HINT =
  "Words search the rows here. Terms such as pod:shop/web, ns:shop, port:8080, ip:10.0.0.0/8, protocol:tcp, " +
  "label:app=web, direction:ingress, reason:default_denied or uuid:… are asked of the daemon with Enter.";

interface Props {
  live: Live;
  /** Opens the form that asks what would become of a connection. */
  onAsk: () => void;
}

export function Toolbar({ live, onAsk }: Props) {
  const frozen = live.frozen.value;
  const submit = (event: Event) => {
    event.preventDefault();
    live.askForTerms();
  };
  return (
    <form class="toolbar" onSubmit={submit}>
      <Verdicts live={live} />
      <Choices live={live} />
      <input
        id="search"
        type="search"
        aria-label="Search the rows, or ask the daemon for terms such as pod:shop/web"
        aria-keyshortcuts="/"
        title={HINT}
        placeholder="Search, or pod:shop/web port:8080 ⏎"
        value={live.query.value}
        onInput={(event) => (live.query.value = event.currentTarget.value)}
      />
      <button
        type="button"
        class="pause"
        aria-pressed={frozen !== null}
        onClick={() => (frozen === null ? live.pause() : live.resume())}
      >
        {frozen === null ? "Pause" : "Resume"}
      </button>
      <button type="button" class="ask-why" onClick={onAsk}>
        Ask why…
      </button>
      <Counts live={live} />
      <Terms live={live} />
    </form>
  );
}

function Verdicts({ live }: { live: Live }) {
  return (
    <fieldset>
      <legend class="unseen">Verdict</legend>
      {VERDICTS.map((verdict) => (
        <label key={verdict} class="choice">
          <input
            type="radio"
            name="verdict"
            checked={live.asked.value.verdict === verdict}
            onChange={() => live.ask({ verdict })}
          />
          <span>{VERDICT_NAMES[verdict]}</span>
        </label>
      ))}
    </fieldset>
  );
}

function Choices({ live }: { live: Live }) {
  const asked = live.asked.value;
  return (
    <>
      <label title="By what the shadow policies would do">
        Shadow{" "}
        <select
          value={asked.shadow}
          onChange={(event) => live.ask({ shadow: event.currentTarget.value as ShadowChoice })}
        >
          {SHADOWS.map((shadow) => (
            <option key={shadow} value={shadow}>
              {SHADOW_NAMES[shadow]}
            </option>
          ))}
        </select>
      </label>
      <label title="How many past flows to begin with">
        Past{" "}
        <select
          value={asked.past}
          onChange={(event) => live.ask({ past: Number(event.currentTarget.value) })}
        >
          {PASTS.map((past) => (
            <option key={past} value={past}>
              {count(past)}
            </option>
          ))}
        </select>
      </label>
      <label title="What happened to policies, workloads and flowd, among the flows">
        <input
          type="checkbox"
          checked={asked.events}
          onChange={(event) => live.ask({ events: event.currentTarget.checked })}
        />{" "}
        Timeline
      </label>
    </>
  );
}

/** What the daemon filters by, each with a button that takes it away; and what it has against that. */
function Terms({ live }: { live: Live }) {
  const { terms } = live.asked.value;
  const refusal = live.refusal.value;
  if (terms.length === 0 && refusal === "") return null;
  return (
    <div class="terms">
      {terms.map((term) => (
        <button
          key={`${term.key}:${term.value}`}
          type="button"
          class="term"
          title="Ask without this"
          onClick={() => live.without(term)}
        >
          {term.key}: {visible(term.value)} <span aria-hidden="true">×</span>
          <span class="unseen">, remove</span>
        </button>
      ))}
      {refusal !== "" && (
        <span class="error" role="alert">
          The daemon cannot be asked this: {visible(refusal)}
        </span>
      )}
    </div>
  );
}

function Counts({ live }: { live: Live }) {
  live.revision.value;
  const { rows, taken } = live.log;
  const frozen = live.frozen.value;
  return (
    <output class="counts">
      {plural(rows.length, "row")}
      {rows.fellOff > 0 && `, ${count(rows.fellOff)} older fell off`}
      {frozen !== null && `, ${count(taken - frozen.taken)} new since the pause`}
    </output>
  );
}
