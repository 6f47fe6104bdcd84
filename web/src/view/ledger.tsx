/** Every verdict accounted for: the ledger, and each place where something was not told or turned away. */
import type { ExporterStatus, LedgerRow, Status } from "../api/status";
import { whole } from "../api/status";
import { count, plural, words } from "../format";
import { visible } from "../text";
import { LONGEST } from "./bounds";

export function Ledger({ rows, balanced }: { rows: LedgerRow[]; balanced: boolean }) {
  return (
    <table class="numbers">
      <caption>
        Ledger,{" "}
        <span class={balanced ? "good" : "bad"}>{balanced ? "balanced" : "not balanced"}</span>
      </caption>
      <thead>
        <tr>
          <th scope="col">Verdict</th>
          <th scope="col">Packets</th>
          <th scope="col">Bytes</th>
          <th scope="col">Told</th>
          <th scope="col">Coalesced</th>
          <th scope="col">Deferred</th>
          <th scope="col">Recovered</th>
        </tr>
      </thead>
      <tbody>
        {rows.slice(0, LONGEST).map((row) => (
          <tr key={ledgerName(row)}>
            <th scope="row">{ledgerName(row)}</th>
            <td>{count(row.packets)}</td>
            <td>{count(row.bytes)}</td>
            <td>{count(row.told)}</td>
            <td>{count(row.coalesced)}</td>
            <td>{count(row.deferred)}</td>
            <td>{count(row.recovered)}</td>
          </tr>
        ))}
      </tbody>
    </table>
  );
}

function ledgerName(row: LedgerRow): string {
  const parts = [row.verdict, row.direction, row.reason].filter((part) => part);
  return visible(words(parts.join(" ")));
}

/** What each bounded place has shed; a place that shed nothing says so too. */
export function Losses({ status }: { status: Status }) {
  const ledger = status.ledger ?? {};
  const gone = whole(ledger.log_first_seq);
  const lines: [name: string, text: string, bad: boolean][] = [
    ["Log", `${count(ledger.log_flows)} of ${plural(whole(ledger.log_capacity), "flow")}`, false],
    ["Left the log", count(gone), false],
    ["Unreadable in the rings", count(ledger.undecodable), whole(ledger.undecodable) > 0n],
  ];
  for (const loss of ledger.losses ?? []) {
    lines.push([words(loss.source ?? "?"), count(loss.count), whole(loss.count) > 0n]);
  }
  for (const exporter of status.exporters ?? []) {
    const bad = whole(exporter.lost) > 0n || Boolean(exporter.problem);
    lines.push([`export ${exporter.name}`, exported(exporter), bad]);
  }
  for (const refused of status.refused ?? []) {
    lines.push([`refused: ${words(refused.reason ?? "?")}`, count(refused.count), false]);
  }
  return (
    <table>
      <caption>Log and losses</caption>
      <tbody>
        {lines.slice(0, LONGEST).map(([name, text, bad]) => (
          <tr key={name}>
            <th scope="row">{visible(name)}</th>
            <td class={bad ? "bad" : undefined}>{visible(text)}</td>
          </tr>
        ))}
      </tbody>
    </table>
  );
}

function exported(exporter: ExporterStatus): string {
  const parts = [`${count(exporter.exported)} told`, `${count(exporter.lag)} to go`];
  if (whole(exporter.lost) > 0n) parts.push(`${count(exporter.lost)} missed`);
  if (exporter.problem) parts.push(exporter.problem);
  return parts.join(", ");
}
