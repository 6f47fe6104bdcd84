/** All that is known of an event of the timeline. */
import type { EventRow } from "../flow/event";
import { Facts } from "./facts";
import { flatten } from "./flatten";

export function EventDetails({ row, onClose }: { row: EventRow; onClose: () => void }) {
  return (
    <aside class="details" aria-label="Details of the chosen event">
      <div class="details-head">
        <h2>Timeline</h2>
        <button type="button" onClick={onClose}>
          Close
        </button>
      </div>
      <p class={row.bad ? "error" : undefined}>{row.text}</p>
      <Facts facts={flatten(row.event)} />
    </aside>
  );
}
