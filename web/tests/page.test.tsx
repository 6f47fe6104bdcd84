import { render } from "preact";
import { afterEach, beforeEach, expect, it, vi } from "vitest";
import { App } from "../src/app";
import { Live } from "../src/live";
import { dropped, message, run } from "./samples";

/** Stands in for the browser's stream; a test says what arrives on it. */
class FakeStream {
  static readonly CLOSED = 2;
  static opened: FakeStream[] = [];
  readyState = 0;
  onopen = () => {};
  onmessage: (event: { data: string; lastEventId: string }) => void = () => {};
  onerror = () => {};

  constructor(readonly url: string) {
    FakeStream.opened.push(this);
  }

  close() {
    this.readyState = FakeStream.CLOSED;
  }
}

const STATUS = {
  version: "9.9.9",
  node_name: "node-a",
  healthy: true,
  endpoints: [
    { id: "1", state: "protected", desired_generation: "7", enforced_generation: "7" },
    { id: "2", state: "attaching", desired_generation: "7", enforced_generation: "6" },
  ],
  ledger: { lost: "3", deferred_pending: "12", balanced: true },
};

let live: Live;
let page: HTMLElement;
let loggedIn: boolean;
let asked: string[];

const json = (code: number, body: unknown) => new Response(JSON.stringify(body), { status: code });

function daemon(url: string, init?: RequestInit): Response {
  if (url === "/api/v1/login") {
    loggedIn = init?.body === '{"token":"right"}';
    return loggedIn ? new Response(null, { status: 204 }) : json(401, { error: "not the token" });
  }
  if (!loggedIn) return json(401, { error: "log in first" });
  if (url.startsWith("/api/v1/why?")) {
    asked.push(url);
    return url.includes("uuid=d1") ? json(200, WHY) : json(404, { error: "it has left the log" });
  }
  if (url.startsWith("/api/v1/flows?")) {
    return url.includes("port=x") ? json(400, { error: "x is no port" }) : json(200, []);
  }
  return json(200, STATUS);
}

const WHY = {
  ends: [
    {
      direction: "INGRESS",
      endpoint: "shop/backend",
      basis: "FLOW",
      verdict: "DROPPED",
      reason: "default_denied",
      help: "No rule allows it.",
      default_denied_by: [
        {
          policy: {
            kind: "CiliumNetworkPolicy",
            namespace: "shop",
            name: "backend",
            file: "b.yaml",
            line: 2,
          },
          because: ["spec denies what its ingress rule does not allow"],
        },
      ],
      near_misses: [
        {
          rule: {
            kind: "CiliumNetworkPolicy",
            namespace: "shop",
            name: "backend",
            file: "b.yaml",
            line: 7,
          },
          path: "spec.ingress[0]",
          missed: [{ what: "the port 8081", hint: "8080?" }],
        },
      ],
      suggestion: "kind: CiliumNetworkPolicy\nspec: {}\n",
      decided_generation: 7,
      current_generation: 7,
    },
  ],
};

const find = <T extends Element>(selector: string): T => {
  const found = page.querySelector<T>(selector);
  if (found === null) throw new Error(`${selector} is not on the page: ${page.textContent}`);
  return found;
};

const stream = (): FakeStream => {
  const newest = FakeStream.opened.at(-1);
  if (newest === undefined) throw new Error("no stream was opened");
  return newest;
};

/** Waits until what it is given holds; how long that takes is not what is tested. */
const eventually = <T,>(holds: () => T) => vi.waitFor(holds, { timeout: 20_000, interval: 10 });

async function enter(token: string): Promise<void> {
  await eventually(() => find("#token"));
  const input = find<HTMLInputElement>("#token");
  input.value = token;
  input.dispatchEvent(new Event("input", { bubbles: true }));
  find("form").dispatchEvent(new Event("submit", { bubbles: true, cancelable: true }));
}

async function showFlows(data: string): Promise<void> {
  await enter("right");
  await eventually(() => find("table[role=grid]"));
  stream().onopen();
  stream().onmessage({ data, lastEventId: "" });
  await eventually(() => find("tr.flow"));
}

beforeEach(() => {
  FakeStream.opened = [];
  loggedIn = false;
  asked = [];
  vi.stubGlobal("EventSource", FakeStream);
  vi.stubGlobal("fetch", async (url: string, init?: RequestInit) => daemon(url, init));
  page = document.createElement("div");
  document.body.append(page);
  live = new Live();
  render(<App live={live} />, page);
  live.start();
});

afterEach(() => {
  live.stop();
  render(null, page);
  page.remove();
  vi.unstubAllGlobals();
});

it("asks for the token, says why it was refused, and opens with the right one", async () => {
  await enter("wrong");
  await eventually(() => expect(find("[role=alert]").textContent).toBe("not the token"));
  expect(FakeStream.opened).toHaveLength(0);
  await enter("right");
  await eventually(() => find("table[role=grid]"));
  const status = find(".status").textContent;
  for (const fact of ["healthy", "node-a", "1/2", "6 → 7, 1 behind", "Lost3", "Deferred12"]) {
    expect(status).toContain(fact);
  }
});

it("shows hostile text as text", async () => {
  const name = "<img src=x onerror=alert(1)>";
  await showFlows(message([dropped({ source: { pod_name: name, labels: ["<b>x</b>"] } })]));
  find<HTMLElement>("tr.flow").click();
  await eventually(() => find("aside.details"));
  expect(find("td.source").textContent).toBe(name);
  expect(find("aside.details").textContent).toContain("<b>x</b>");
  expect(page.querySelector("img, b")).toBeNull();
});

it("draws a window of a long log and tells its whole length", async () => {
  await showFlows(message(run(0, 3_000)));
  expect(page.querySelectorAll("tr.flow").length).toBeLessThan(100);
  expect(find("table[role=grid]").getAttribute("aria-rowcount")).toBe("3001");
});

it("holds still while paused and catches up after", async () => {
  await showFlows(message(run(0, 1)));
  const button = find<HTMLButtonElement>(".toolbar .pause");
  button.click();
  stream().onmessage({ data: message(run(1, 5), 2), lastEventId: "" });
  await eventually(() => expect(find(".counts").textContent).toContain("6 new since the pause"));
  expect(page.querySelectorAll("tr.flow")).toHaveLength(1);
  button.click();
  await eventually(() => expect(page.querySelectorAll("tr.flow")).toHaveLength(6));
  expect(find("tr.gap").textContent).toContain("2 flows lost here");
});

it("opens a new stream for another verdict", async () => {
  await showFlows(message(run(0, 1)));
  const before = stream();
  live.ask({ verdict: "DROPPED" });
  expect(before.readyState).toBe(FakeStream.CLOSED);
  expect(stream().url).toContain("verdict=DROPPED");
  await eventually(() => expect(page.querySelectorAll("tr.flow")).toHaveLength(0));
});

it("returns to the login when the session has ended", async () => {
  await showFlows(message(run(0, 1)));
  loggedIn = false;
  stream().readyState = FakeStream.CLOSED;
  stream().onerror();
  await eventually(() => find("#token"));
});

it("says that the stream is interrupted while the browser tries again", async () => {
  await showFlows(message(run(0, 1)));
  stream().onerror();
  await eventually(() => expect(find(".status").textContent).toContain("reconnecting"));
  stream().onopen();
  await eventually(() => expect(find(".status").textContent).toContain("Streamlive"));
});

const flow = { extensions: { event: "DROP", reason: "default_denied" } };

it("explains the chosen flow: what denied it, what almost allowed it, what would", async () => {
  await showFlows(message([dropped(flow)]));
  find<HTMLElement>("tr.flow").click();
  await eventually(() => find(".why article"));
  const why = find(".why").textContent;
  for (const words of [
    "ingress of shop/backend: DROPPED default denied",
    "judged by generation 7, still in force",
    "CiliumNetworkPolicy/shop/backend b.yaml:2",
    "spec denies what its ingress rule does not allow",
    "spec.ingress[0]",
    "the port 8081 8080?",
  ]) {
    expect(why).toContain(words);
  }
  expect(find(".why pre").textContent).toBe("kind: CiliumNetworkPolicy\nspec: {}");
  expect(asked).toHaveLength(1);
});

it("says why it cannot be explained", async () => {
  await showFlows(message([dropped({ ...flow, uuid: "gone" })]));
  find<HTMLElement>("tr.flow").click();
  await eventually(() => expect(find(".why .error").textContent).toBe("it has left the log"));
});

it("asks the daemon for terms, and for one thing of the chosen flow alone", async () => {
  await showFlows(message([dropped(flow)]));
  const search = find<HTMLInputElement>("#search");
  search.value = "ns:shop tcp";
  search.dispatchEvent(new Event("input", { bubbles: true }));
  find("form.toolbar").dispatchEvent(new Event("submit", { bubbles: true, cancelable: true }));
  await eventually(() => expect(stream().url).toContain("namespace=shop"));
  await eventually(() => expect(find<HTMLInputElement>("#search").value).toBe("tcp"));
  stream().onopen();
  stream().onmessage({ data: message([dropped(flow)]), lastEventId: "" });
  await eventually(() => find<HTMLElement>("tr.flow").click());
  await eventually(() => find(".only button"));
  find<HTMLButtonElement>(".only button").click();
  await eventually(() => expect(stream().url).toContain("pod=other%2Fstranger"));
  find<HTMLButtonElement>(".term").click();
  await eventually(() => expect(stream().url).not.toContain("namespace"));
});

it("says what the daemon has against a term and stops asking", async () => {
  await showFlows(message(run(0, 1)));
  live.only({ key: "port", value: "x" });
  const refused = stream();
  refused.readyState = FakeStream.CLOSED;
  refused.onerror();
  await eventually(() => expect(find("[role=alert]").textContent).toContain("x is no port"));
  expect(stream()).toBe(refused);
});

it("shows the timeline among the flows, to be chosen like them", async () => {
  await showFlows(message(run(0, 1)));
  const event = {
    number: "4",
    time: "2026-03-01T12:34:57Z",
    generation: { generation: 9, endpoints: 2 },
  };
  stream().onmessage({
    data: JSON.stringify({ flows: [], events: [{ at: 0, event }] }),
    lastEventId: "1.5",
  });
  await eventually(() =>
    expect(find("tr.event").textContent).toContain("generation 9 is in force on 2"),
  );
  const key = new KeyboardEvent("keydown", { key: "ArrowDown", bubbles: true });
  find("table[role=grid]").dispatchEvent(key);
  await eventually(() =>
    expect(find("aside.details").textContent).toContain("generation.endpoints"),
  );
  find<HTMLInputElement>("input[type=checkbox]").click();
  await eventually(() => expect(stream().url).not.toContain("events"));
});

it("says how far back the table goes", async () => {
  const start = { oldest_seq: "5", oldest_time: "2026-03-01T12:00:00Z", from_seq: "905" };
  await showFlows(JSON.stringify({ ...JSON.parse(message(run(0, 1))), start }));
  const begin = find(".begin").textContent?.replaceAll("\u202f", " ");
  expect(begin).toContain(
    "900 older flows are in it, which begins at 12:00:00.000; 5 older ones have left it",
  );
});

it("asks whether a connection would pass, whether it has happened or not", async () => {
  await showFlows(message(run(0, 1)));
  find<HTMLButtonElement>(".ask-why").click();
  await eventually(() => find("form.ask"));
  find<HTMLInputElement>("#ask-source").value = "shop/web";
  find<HTMLInputElement>("#ask-destination").value = "10.0.0.1";
  find<HTMLInputElement>("form.ask input[name=port]").value = "5432";
  find("form.ask").dispatchEvent(new Event("submit", { bubbles: true, cancelable: true }));
  await eventually(() => find(".why .error"));
  expect(asked).toEqual([
    "/api/v1/why?source=shop%2Fweb&destination=10.0.0.1&protocol=TCP&port=5432",
  ]);
  find<HTMLElement>("tr.flow").click();
  await eventually(() => expect(page.querySelector("form.ask")).toBeNull());
});
