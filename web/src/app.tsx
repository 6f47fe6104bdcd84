/** The page: a login form, or the status line above the live flows. */
import { useSignal } from "@preact/signals";
import { useEffect } from "preact/hooks";
import type { FlowRow } from "./flow/row";
import type { Live } from "./live";
import { Details } from "./view/details";
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
  const chosen = useSignal<FlowRow | null>(null);
  useEffect(() => {
    const closeOnEscape = (event: KeyboardEvent) => {
      if (event.key === "Escape" && !(event.target instanceof HTMLInputElement))
        chosen.value = null;
    };
    document.addEventListener("keydown", closeOnEscape);
    return () => document.removeEventListener("keydown", closeOnEscape);
  }, [chosen]);
  return (
    <div class="frame">
      <StatusLine live={live} />
      <main>
        <Toolbar live={live} />
        <div class="body">
          <FlowTable live={live} chosen={chosen} />
          {chosen.value && <Details row={chosen.value} onClose={() => (chosen.value = null)} />}
        </div>
      </main>
    </div>
  );
}
