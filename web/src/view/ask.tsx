/** Asks what would become of a connection, whether it has happened or not: `flowctl why` as a form. */
import { useSignal } from "@preact/signals";
import { useEffect, useRef } from "preact/hooks";
import type { EndpointStatus } from "../api/status";
import { visible } from "../text";
import { LONGEST } from "./bounds";
import { Why } from "./why";

const PROTOCOLS = ["TCP", "UDP", "SCTP", "ICMP", "ICMPv6"];

interface Props {
  endpoints: EndpointStatus[];
  onClose: () => void;
}

export function Ask({ endpoints, onClose }: Props) {
  const question = useSignal("");
  const first = useRef<HTMLInputElement>(null);
  useEffect(() => first.current?.focus(), []);

  const submit = (event: SubmitEvent) => {
    event.preventDefault();
    const query = new URLSearchParams();
    for (const [name, value] of new FormData(event.currentTarget as HTMLFormElement)) {
      if (value !== "") query.set(name, String(value).trim());
    }
    question.value = String(query);
  };

  return (
    <aside class="details" aria-label="Ask why">
      <div class="details-head">
        <h2>Would it pass, and why?</h2>
        <button type="button" onClick={onClose}>
          Close
        </button>
      </div>
      <form class="ask" onSubmit={submit}>
        <label for="ask-source">From</label>
        <input
          id="ask-source"
          ref={first}
          name="source"
          list="workloads"
          required
          placeholder="shop/web, or an address"
        />
        <label for="ask-destination">To</label>
        <input
          id="ask-destination"
          name="destination"
          list="workloads"
          required
          placeholder="shop/db, or an address"
        />
        <label for="ask-protocol">By</label>
        <span>
          <select id="ask-protocol" name="protocol" aria-label="Protocol">
            {PROTOCOLS.map((protocol) => (
              <option key={protocol}>{protocol}</option>
            ))}
          </select>{" "}
          <input
            name="port"
            type="number"
            min="0"
            max="65535"
            aria-label="Port, or type of ICMP"
            placeholder="port, or type"
          />{" "}
          <button type="submit">Ask</button>
        </span>
        <datalist id="workloads">
          {endpoints.slice(0, LONGEST).map((endpoint) => (
            <option
              key={String(endpoint.id)}
              value={visible(`${endpoint.namespace ?? ""}/${endpoint.name ?? ""}`)}
            />
          ))}
        </datalist>
      </form>
      {question.value !== "" && <Why question={question.value} />}
    </aside>
  );
}
