/** Serves `dist` and canned answers of the daemon on loopback, for work on the page. The token is `demo`. `node dev/server.mjs [port] [flows per second]` */
import { readFile } from "node:fs/promises";
import { createServer } from "node:http";
import { event, response, status, why } from "./canned.mjs";

const PORT = Number(process.argv[2] ?? 4300);
const PER_SECOND = Number(process.argv[3] ?? 8);
const TICK_MS = 250;
const EVENT_TICKS = 8;
const LONGEST_BODY = 4_096;
const COOKIE = "flowd_session=demo";

const FILES = {
  "/": ["index.html", "text/html; charset=utf-8"],
  "/index.html": ["index.html", "text/html; charset=utf-8"],
  "/app.js": ["app.js", "text/javascript; charset=utf-8"],
  "/app.css": ["app.css", "text/css; charset=utf-8"],
  "/favicon.svg": ["favicon.svg", "image/svg+xml"],
};

const server = createServer((request, answer) => {
  answer.setHeader("content-security-policy", "default-src 'self'");
  const url = new URL(request.url, "http://localhost");
  if (url.pathname === "/api/v1/login") return login(request, answer);
  if (FILES[url.pathname]) return file(FILES[url.pathname], answer);
  if (!(request.headers.cookie ?? "").includes(COOKIE)) {
    return json(answer, 401, { error: "not logged in" });
  }
  if (url.pathname === "/api/v1/status") return json(answer, 200, status());
  if (url.pathname === "/api/v1/why") return json(answer, 200, why());
  if (url.pathname === "/api/v1/flows") return json(answer, 200, []);
  if (url.pathname === "/api/v1/flows/stream") return stream(url, request, answer);
  return json(answer, 404, { error: "no such page" });
});

async function file([name, type], answer) {
  const body = await readFile(new URL(`../dist/${name}`, import.meta.url));
  answer.writeHead(200, { "content-type": type }).end(body);
}

function json(answer, code, body) {
  answer.writeHead(code, { "content-type": "application/json" }).end(JSON.stringify(body));
}

async function login(request, answer) {
  let body = "";
  for await (const part of request) {
    body += part;
    if (body.length > LONGEST_BODY) return json(answer, 413, { error: "the request is too long" });
  }
  if (!body.includes('"demo"')) return json(answer, 401, { error: "this is not the token" });
  answer.writeHead(204, { "set-cookie": `${COOKIE}; HttpOnly; SameSite=Strict; Path=/` }).end();
}

function stream(url, request, answer) {
  const verdict = url.searchParams.get("verdict");
  const last = Number(url.searchParams.get("last") ?? 0);
  let n = 0;
  const send = (flows, lost, more = {}) => {
    const kept = flows.filter(({ flow }) => verdict === null || flow.verdict === verdict);
    answer.write(`data: ${JSON.stringify({ flows: kept, lost, ...more })}\n\n`);
  };
  const next = (amount, nowMs) => {
    const flows = [];
    for (let made = 0; made < amount; made += 1) {
      flows.push(response(n, nowMs));
      n += 1;
    }
    return flows;
  };
  answer.writeHead(200, { "content-type": "text/event-stream", "cache-control": "no-store" });
  const start = { oldest_seq: "5", oldest_time: new Date().toISOString(), from_seq: "905" };
  send(next(last, Date.now() - 60_000), 0, { start });
  let ticks = 0;
  const timer = setInterval(() => {
    ticks += 1;
    const told = url.searchParams.has("events") && ticks % EVENT_TICKS === 0;
    const events = told ? [event(ticks / EVENT_TICKS, Date.now())] : [];
    send(next((PER_SECOND * TICK_MS) / 1_000, Date.now()), ticks === 3 ? 1234 : 0, { events });
  }, TICK_MS);
  request.on("close", () => clearInterval(timer));
}

server.listen(PORT, "127.0.0.1", () => {
  console.log(`http://127.0.0.1:${PORT}/#token=demo  (${PER_SECOND} flows/s)`);
});
