/** The live flow table, newest first. Only rows in sight are in the document. */
import { type Signal, useSignal } from "@preact/signals";
import { useLayoutEffect, useRef } from "preact/hooks";
import { whole } from "../api/status";
import type { EventRow } from "../flow/event";
import { matching } from "../flow/filter";
import type { Choice, Row } from "../flow/row";
import { count, timeOfDay } from "../format";
import type { Live } from "../live";
import { scrollTo, windowOf } from "./window";

/** Pixels; the style sheet gives rows the same height. */
export const ROW_HEIGHT = 26;

const COLUMNS = [
  ["time", "Time"],
  ["source", "Source"],
  ["destination", "Destination"],
  ["service", "Port"],
  ["direction", "Direction"],
  ["verdict", "Verdict"],
  ["reason", "Reason, policy"],
  ["process", "Process"],
  ["summary", "Summary"],
] as const;

interface Props {
  live: Live;
  chosen: Signal<Choice | null>;
}

export function FlowTable({ live, chosen }: Props) {
  const rows = shownRows(live);
  const box = useRef<HTMLElement>(null);
  const sight = useSight(box, rows);
  const { first, last, before, after } = windowOf(rows.length, ROW_HEIGHT, sight.top, sight.height);

  const onKeyDown = (event: KeyboardEvent) => {
    const next = nextChoice(event.key, rows, chosen.value);
    if (next === undefined) return;
    event.preventDefault();
    chosen.value = next.row;
    const panel = box.current;
    if (panel === null) return;
    panel.scrollTop = scrollTo(next.index, ROW_HEIGHT, panel.scrollTop, bodyHeight(panel));
  };

  return (
    <section class="flows" ref={box} onScroll={sight.measure} aria-label="Live flows">
      <table
        id="flows"
        // biome-ignore lint/a11y/noNoninteractiveElementToInteractiveRole: a grid is a table whose rows can be chosen by keyboard
        role="grid"
        tabIndex={0}
        aria-rowcount={rows.length + 1}
        aria-activedescendant={chosen.value ? `flow-${chosen.value.id}` : undefined}
        onKeyDown={onKeyDown}
      >
        <caption class="unseen">Live flows, newest first. Arrow keys choose a flow.</caption>
        <thead>
          <tr aria-rowindex={1}>
            {COLUMNS.map(([column, title]) => (
              <th key={column} scope="col" class={column}>
                {title}
              </th>
            ))}
          </tr>
        </thead>
        <tbody>
          <Spacer height={before} />
          {rows.slice(first, last).map((row, offset) => (
            <Line key={row.id} row={row} index={first + offset + 2} chosen={chosen} />
          ))}
          <Spacer height={after} />
        </tbody>
      </table>
      {rows.length === 0 && <p class="empty">{emptyText(live)}</p>}
      <p class="begin">{beginText(live)}</p>
    </section>
  );
}

function shownRows(live: Live): Row[] {
  live.revision.value;
  return matching(live.frozen.value?.rows ?? live.log.rows.newestFirst(), live.query.value);
}

function emptyText(live: Live): string {
  if (live.query.value.trim() !== "" && live.log.rows.length > 0) {
    return "No flow here has these words.";
  }
  const { verdict, shadow, terms } = live.asked.value;
  if (verdict !== "ALL" || shadow !== "" || terms.length > 0) {
    return "No flow in the log is like this yet.";
  }
  return "No flow yet. Flows appear as guarded workloads talk.";
}

/** How far back the table goes, so that nobody takes its end for that of the log. */
function beginText(live: Live): string {
  const { begin, rows } = live.log;
  if (begin === null) return "";
  const oldest = whole(begin.oldest_seq);
  const from = whole(begin.from_seq);
  const gone = oldest > 0n ? `; ${count(oldest)} older ones have left it` : "";
  const since = begin.oldest_time ? `, which begins at ${timeOfDay(begin.oldest_time)}` : "";
  if (rows.fellOff > 0)
    return "Older rows fell off this page; ask for less, or search from flowctl.";
  if (from > oldest) {
    return `Looked back over the log as far as asked: ${count(from - oldest)} older flows are in it${since}${gone}. More under Past.`;
  }
  return `The log begins here${since.replace(", which begins", ",")}${gone}.`;
}

/** What part of the list is in sight. A reader who scrolled down keeps the rows in view while new ones come in above. */
function useSight(box: { current: HTMLElement | null }, rows: Row[]) {
  const top = useSignal(0);
  const height = useSignal(600);
  const newest = useRef(0);

  const measure = () => {
    if (box.current === null) return;
    top.value = box.current.scrollTop;
    height.value = bodyHeight(box.current);
  };

  useLayoutEffect(() => {
    measure();
    const observer = new ResizeObserver(measure);
    if (box.current !== null) observer.observe(box.current);
    return () => observer.disconnect();
  }, []);

  useLayoutEffect(() => {
    const panel = box.current;
    const added = rows.findIndex((row) => row.id <= newest.current);
    if (panel !== null && panel.scrollTop > 0 && added > 0) panel.scrollTop += added * ROW_HEIGHT;
    newest.current = rows[0]?.id ?? 0;
  }, [rows]);

  return { top: top.value, height: height.value, measure };
}

function bodyHeight(panel: HTMLElement): number {
  const head = panel.querySelector("thead")?.clientHeight ?? 0;
  return Math.max(0, panel.clientHeight - head);
}

function Spacer({ height }: { height: number }) {
  return (
    // biome-ignore lint/a11y/noAriaHiddenOnFocusable: nothing in this row can take focus
    <tr class="spacer" aria-hidden="true">
      <td colSpan={COLUMNS.length} style={{ height: `${height}px` }} />
    </tr>
  );
}

function Line({ row, index, chosen }: { row: Row; index: number; chosen: Props["chosen"] }) {
  if (row.kind === "gap") {
    return (
      <tr class="gap" aria-rowindex={index}>
        <td colSpan={COLUMNS.length}>{row.text}</td>
      </tr>
    );
  }
  if (row.kind === "event") return <EventLine row={row} index={index} chosen={chosen} />;
  const isChosen = chosen.value?.id === row.id;
  const differs = row.response.flow.extensions?.shadow_changed ? " shadowed" : "";
  return (
    <tr
      id={`flow-${row.id}`}
      class={`flow ${verdictClass(row.verdict)}${differs}`}
      aria-rowindex={index}
      aria-selected={isChosen}
      onClick={() => (chosen.value = isChosen ? null : row)}
    >
      {COLUMNS.map(([column]) => (
        <td key={column} class={column} title={row[column]}>
          {row[column]}
        </td>
      ))}
    </tr>
  );
}

interface EventProps {
  row: EventRow;
  index: number;
  chosen: Props["chosen"];
}

function EventLine({ row, index, chosen }: EventProps) {
  const isChosen = chosen.value?.id === row.id;
  return (
    <tr
      id={`flow-${row.id}`}
      class={row.bad ? "event failed" : "event"}
      aria-rowindex={index}
      aria-selected={isChosen}
      onClick={() => (chosen.value = isChosen ? null : row)}
    >
      <td class="time">{row.time}</td>
      <td colSpan={COLUMNS.length - 1} title={row.text}>
        {row.text}
      </td>
    </tr>
  );
}

function verdictClass(verdict: string): string {
  if (verdict === "FORWARDED" || verdict === "DROPPED" || verdict === "AUDIT") {
    return verdict.toLowerCase();
  }
  return "other";
}

/** The row a key leads to: up, down, to the ends. Keys that lead nowhere give `undefined`. */
export function nextChoice(
  key: string,
  rows: Row[],
  chosen: Choice | null,
): { row: Choice; index: number } | undefined {
  const here = rows.findIndex((row) => row.id === chosen?.id);
  const walk: Record<string, [start: number, step: 1 | -1]> = {
    ArrowDown: [here + 1, 1],
    ArrowUp: [here - 1, -1],
    Home: [0, 1],
    End: [rows.length - 1, -1],
  };
  const path = walk[key];
  if (path === undefined) return undefined;
  for (let index = path[0]; index >= 0 && index < rows.length; index += path[1]) {
    const row = rows[index];
    if (row !== undefined && row.kind !== "gap") return { row, index };
  }
  return undefined;
}
