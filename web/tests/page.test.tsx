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
  onmessage: (event: { data: string }) => void = () => {};
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

const json = (code: number, body: unknown) => new Response(JSON.stringify(body), { status: code });

function daemon(url: string, init?: RequestInit): Response {
  if (url === "/api/v1/login") {
    loggedIn = init?.body === '{"token":"right"}';
    return loggedIn ? new Response(null, { status: 204 }) : json(401, { error: "not the token" });
  }
  return loggedIn ? json(200, STATUS) : json(401, { error: "log in first" });
}

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
  stream().onmessage({ data });
  await eventually(() => find("tr.flow"));
}

beforeEach(() => {
  FakeStream.opened = [];
  loggedIn = false;
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
  const button = find<HTMLButtonElement>(".toolbar button");
  button.click();
  stream().onmessage({ data: message(run(1, 5), 2) });
  await eventually(() => expect(find(".counts").textContent).toContain("6 new since the pause"));
  expect(page.querySelectorAll("tr.flow")).toHaveLength(1);
  button.click();
  await eventually(() => expect(page.querySelectorAll("tr.flow")).toHaveLength(6));
  expect(find("tr.gap").textContent).toContain("2 flows lost here");
});

it("opens a new stream for another verdict", async () => {
  await showFlows(message(run(0, 1)));
  const before = stream();
  live.choose("DROPPED");
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
