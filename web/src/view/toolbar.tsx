/** What to show: verdict, text, and whether the table follows. */
import { VERDICTS, type VerdictChoice } from "../flow/filter";
import { count, plural } from "../format";
import type { Live } from "../live";

const NAMES: Record<VerdictChoice, string> = {
  ALL: "All",
  FORWARDED: "Forwarded",
  DROPPED: "Dropped",
  AUDIT: "Audit",
};

export function Toolbar({ live }: { live: Live }) {
  const frozen = live.frozen.value;
  return (
    <form class="toolbar" onSubmit={(event) => event.preventDefault()}>
      <fieldset>
        <legend class="unseen">Verdict</legend>
        {VERDICTS.map((verdict) => (
          <label key={verdict} class="choice">
            <input
              type="radio"
              name="verdict"
              checked={live.verdict.value === verdict}
              onChange={() => live.choose(verdict)}
            />
            <span>{NAMES[verdict]}</span>
          </label>
        ))}
      </fieldset>
      <input
        type="search"
        aria-label="Show only rows with these words"
        placeholder="Filter: name, address, port, policy, label…"
        value={live.query.value}
        onInput={(event) => (live.query.value = event.currentTarget.value)}
      />
      <button
        type="button"
        aria-pressed={frozen !== null}
        onClick={() => (frozen === null ? live.pause() : live.resume())}
      >
        {frozen === null ? "Pause" : "Resume"}
      </button>
      <Counts live={live} />
    </form>
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
