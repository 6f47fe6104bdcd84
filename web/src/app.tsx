/** The page: a login form, or the status line above the live flows. */
import { useSignal, useSignalEffect } from "@preact/signals";
import { useEffect } from "preact/hooks";
import type { Choice } from "./flow/row";
import type { Live } from "./live";
import { Ask } from "./view/ask";
import { Details } from "./view/details";
import { EventDetails } from "./view/event-details";
import { FlowTable } from "./view/flow-table";
import { Login } from "./view/login";
import { StatusLine } from "./view/status-line";
import { Toolbar } from "./view/toolbar";

export function App({ live }: { live: Live }) {
  const session = live.session.value;
  if (session === "starting") return <p class="starting">Asking the daemon…</p>;
  if (session === "login") return <Login live={live} />;
  return <Flows live={live} />;
}

function Flows({ live }: { live: Live }) {
  const chosen = useSignal<Choice | null>(null);
  const asking = useSignal(false);
  const close = () => {
    chosen.value = null;
    asking.value = false;
    document.getElementById("flows")?.focus();
  };
  useEffect(() => {
    const onKey = (event: KeyboardEvent) => {
      if (event.target instanceof HTMLInputElement || event.ctrlKey || event.metaKey) return;
      if (event.key === "Escape" && (chosen.value !== null || asking.value)) close();
      if (event.key === "/") {
        event.preventDefault();
        document.getElementById("search")?.focus();
      }
    };
    document.addEventListener("keydown", onKey);
    return () => document.removeEventListener("keydown", onKey);
  }, [chosen]);
  // Whoever chooses a row wants to see that.
  useSignalEffect(() => {
    if (chosen.value !== null) asking.value = false;
  });
  const choice = asking.value ? null : chosen.value;
  return (
    <div class="frame">
      <StatusLine live={live} />
      <main>
        <Toolbar live={live} onAsk={() => (asking.value = true)} />
        <div class="body">
          <FlowTable live={live} chosen={chosen} />
          {asking.value && <Ask endpoints={live.status.value?.endpoints ?? []} onClose={close} />}
          {choice?.kind === "flow" && (
            <Details row={choice} onClose={close} onOnly={(term) => live.only(term)} />
          )}
          {choice?.kind === "event" && <EventDetails row={choice} onClose={close} />}
        </div>
      </main>
    </div>
  );
}
