/** What decided on a flow, as `flowctl why` tells it: rules with what is written there, what almost allowed it, what would. */
import { useSignal } from "@preact/signals";
import type { ComponentChildren } from "preact";
import { useEffect } from "preact/hooks";
import { fetchWhy, type WhyAnswer } from "../api/client";
import type { NearMiss, WhyEnd, WhyPolicy, WhyRule, WhyShadow } from "../api/why";
import { placeOf, refName } from "../flow/words";
import { count, words } from "../format";
import { visible } from "../text";

// Whoever walks over the rows by keyboard asks only where they stay.
const PATIENCE_MS = 200;

/** Longest YAML shown; the daemon bounds it too. */
const LONGEST_YAML = 16_384;

/** `question` is a query, as `fetchWhy` takes it. */
export function Why({ question }: { question: string }) {
  const answer = useSignal<WhyAnswer | null>(null);
  useEffect(() => {
    const abort = new AbortController();
    answer.value = null;
    const timer = setTimeout(async () => {
      const told = await fetchWhy(question, abort.signal);
      if (!abort.signal.aborted) answer.value = told;
    }, PATIENCE_MS);
    return () => {
      clearTimeout(timer);
      abort.abort();
    };
  }, [question]);

  const told = answer.value;
  return (
    <section class="why" aria-label="What decided" aria-live="polite" aria-busy={told === null}>
      <h3>What decided</h3>
      {told === null && <p class="help">Asking the daemon…</p>}
      {told !== null && !told.ok && <p class="error">{visible(told.error)}</p>}
      {told?.ok && (
        <>
          <Lines lines={told.why.notes} />
          {(told.why.ends ?? []).map((end) => (
            <End key={`${end.direction} ${end.endpoint}`} end={end} />
          ))}
        </>
      )}
    </section>
  );
}

function End({ end }: { end: WhyEnd }) {
  const verdict = end.verdict ?? "UNKNOWN";
  return (
    <article>
      <h4>
        {visible(words(end.direction ?? ""))} of {visible(end.endpoint)}:{" "}
        <span class={verdict.toLowerCase()}>{visible(verdict)}</span>{" "}
        {visible(words(end.reason ?? ""))}
      </h4>
      <p>{visible(end.help)}</p>
      <p class="help">{basis(end)}</p>
      <Lines lines={end.notes} />
      <Rules title="Decided by" rules={end.rules} />
      <Deniers title="Denied unless allowed, because of" policies={end.default_denied_by} />
      {end.shadow && <Shadow shadow={end.shadow} />}
      <Rules title="Would be allowed, but a deny wins" rules={end.overridden} />
      <NearMisses misses={end.near_misses} />
      {end.suggestion && (
        <Part title="This policy would allow it">
          <Yaml text={end.suggestion} />
        </Part>
      )}
    </article>
  );
}

function basis(end: WhyEnd): string {
  const current = end.current_generation ?? 0;
  if (end.basis !== "FLOW") {
    return `No such flow in the log: this is what the policies in force say (generation ${current})`;
  }
  const decided = end.decided_generation ?? 0;
  const since = decided === current ? "still in force" : `now ${current || "nobody's"}`;
  return `It happened, judged by generation ${decided}, ${since}`;
}

function Part({ title, children }: { title: string; children: ComponentChildren }) {
  return (
    <>
      <h5>{title}</h5>
      {children}
    </>
  );
}

function Lines({ lines }: { lines: string[] | undefined }) {
  if (lines === undefined || lines.length === 0) return null;
  return (
    <ul class="notes">
      {lines.map((line) => (
        <li key={line}>{visible(line)}</li>
      ))}
    </ul>
  );
}

function Rules({ title, rules }: { title: string; rules: WhyRule[] | undefined }) {
  if (rules === undefined || rules.length === 0) return null;
  return (
    <Part title={title}>
      {rules.map((rule) => (
        <div key={`${placeOf(rule.rule ?? {})} ${rule.path}`} class="rule">
          <p>
            {refName(rule.rule ?? {})} <b>{visible(rule.path)}</b>{" "}
            <small>
              {placeOf(rule.rule ?? {})}
              {hits(rule.hits)}
            </small>
          </p>
          {rule.excerpt?.yaml && (
            <Yaml text={rule.excerpt.yaml} first={rule.excerpt.first_line ?? 1} />
          )}
          {rule.excerpt?.note && <p class="help">{visible(rule.excerpt.note)}</p>}
        </div>
      ))}
    </Part>
  );
}

function Deniers({ title, policies }: { title: string; policies: WhyPolicy[] | undefined }) {
  if (policies === undefined || policies.length === 0) return null;
  return (
    <Part title={title}>
      {policies.map(({ policy = {}, because, hits: times }) => (
        <div key={refName(policy)} class="rule">
          <p>
            {refName(policy)}{" "}
            <small>
              {placeOf(policy)}
              {hits(times)}
            </small>
          </p>
          <Lines lines={because} />
        </div>
      ))}
    </Part>
  );
}

function Shadow({ shadow }: { shadow: WhyShadow }) {
  const verdict = shadow.verdict ?? "UNKNOWN";
  const from = shadow.basis === "FLOW" ? "recorded with the flow" : "what they say now";
  return (
    <Part title="With the shadow policies">
      <p>
        it would be <span class={verdict.toLowerCase()}>{visible(verdict)}</span>{" "}
        {visible(words(shadow.reason ?? ""))}, {shadow.changed ? "not as enforced" : "as enforced"}{" "}
        ({from})
      </p>
      <Rules title="Would be decided by" rules={shadow.rules} />
      <Deniers
        title="Would be denied unless allowed, because of"
        policies={shadow.default_denied_by}
      />
    </Part>
  );
}

function NearMisses({ misses }: { misses: NearMiss[] | undefined }) {
  if (misses === undefined || misses.length === 0) return null;
  return (
    <Part title="Almost allowed by">
      {misses.map((miss) => (
        <div key={`${placeOf(miss.rule ?? {})} ${miss.path}`} class="rule">
          <p>
            {refName(miss.rule ?? {})} <b>{visible(miss.path)}</b>{" "}
            <small>{placeOf(miss.rule ?? {})}</small>
          </p>
          <ul class="notes">
            {(miss.missed ?? []).map(({ what, hint }) => (
              <li key={what}>
                {visible(what)}
                {hint && <b> {visible(hint)}</b>}
              </li>
            ))}
          </ul>
        </div>
      ))}
    </Part>
  );
}

function hits(times: WhyRule["hits"]): string {
  const shown = count(times);
  if (shown === "0") return "";
  return shown === "1" ? ", 1 hit" : `, ${shown} hits`;
}

/** YAML, with the lines' numbers in their file where they are known. Long lines can be scrolled to by keyboard. */
function Yaml({ text, first }: { text: string; first?: number }) {
  const lines = text.slice(0, LONGEST_YAML).trimEnd().split("\n");
  const shown = lines.map((line, index) => {
    const safe = visible(line);
    return first === undefined ? safe : `${String(first + index).padStart(4)}  ${safe}`;
  });
  return (
    // biome-ignore lint/a11y/noNoninteractiveTabindex: what scrolls must be reachable by keyboard
    <pre tabIndex={0}>{shown.join("\n")}</pre>
  );
}
