/** The page's start. */
import { render } from "preact";
import { App } from "./app";
import "./app.css";
import "./view/flows.css";
import { Live } from "./live";

const TOKEN_MARK = "#token=";

async function start(page: HTMLElement): Promise<void> {
  const token = tokenFromAddress();
  const live = new Live();
  render(<App live={live} />, page);
  const refused = token === "" ? "" : await live.login(token);
  if (token === "" || refused !== "") live.start();
}

/** A link printed by the daemon may carry the token behind `#`, which browsers send to nobody. It is taken out of the address bar at once. */
function tokenFromAddress(): string {
  if (!location.hash.startsWith(TOKEN_MARK)) return "";
  const token = location.hash.slice(TOKEN_MARK.length);
  history.replaceState(null, "", location.pathname + location.search);
  return token;
}

const page = document.getElementById("page");
if (page !== null) void start(page);
