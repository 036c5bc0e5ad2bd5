/** Starts the page: which view is shown, for whom, and what is said about the connection. */

import { onceConnected } from "./api.js";
import { connection, reconnectNow } from "./connection.js";
import { byId, h } from "./dom.js";
import { currentUser, onSessionChange, refresh } from "./session.js";
import { loaded, notify } from "./ui.js";
import { accountView } from "./views/account.js";
import { helloView } from "./views/hello.js";
import { sessionsView } from "./views/sessions.js";
import { signInView, signUpView } from "./views/sign-in.js";
import { statusView } from "./views/status.js";

/**
 * A view gets a signal that ends when it is left. `needs` says for whom it is.
 *
 * @typedef {{ title: string, view: (signal: AbortSignal) => Node, needs?: "user" | "guest" }} Route
 * @type {Record<string, Route | undefined>}
 */
const ROUTES = {
  "/sign-in": { title: "Sign in", view: signInView, needs: "guest" },
  "/sign-up": { title: "Sign up", view: signUpView, needs: "guest" },
  "/account": { title: "Your account", view: accountView, needs: "user" },
  "/sessions": { title: "Sessions", view: sessionsView, needs: "user" },
  "/status": { title: "Status", view: statusView },
  "/hello": { title: "Hello", view: helloView },
};

const main = byId("main");
let leaving = new AbortController();
/** Where somebody wanted to go who had to sign in first. */
let wanted = "/account";
let isOpening = true;

function show() {
  leaving.abort();
  const path = location.hash.slice(1);
  const route = ROUTES[path];
  const user = currentUser();
  if (!route || (route.needs === "guest" && user)) return go(wanted);
  if (route.needs === "user" && !user) {
    wanted = path;
    return go("/sign-in");
  }
  if (user) wanted = "/account";
  leaving = new AbortController();
  document.title = `${route.title} · Slipway`;
  showLinks(path);
  main.replaceChildren(route.view(leaving.signal));
  // A new view is read from its heading; a page that was just opened is read from its top anyway.
  if (!isOpening) {
    scrollTo(0, 0);
    main.querySelector("h1")?.focus({ preventScroll: true });
  }
  isOpening = false;
}

/** @param {string} path */
function showLinks(path) {
  const group = currentUser() ? "user" : "guest";
  for (const link of document.querySelectorAll("nav a")) {
    link.toggleAttribute("hidden", ![null, group].includes(link.getAttribute("data-for")));
    if (link.getAttribute("href") === `#${path}`) link.setAttribute("aria-current", "page");
    else link.removeAttribute("aria-current");
  }
}

/** Replaces the address, so that "back" does not lead to a view that leads here again. @param {string} path */
function go(path) {
  location.replace(`#${path}`);
}

function showConnection() {
  const place = byId("connection");
  connection.addEventListener("lost", () =>
    place.replaceChildren(
      h("p", {}, "Connection lost. Trying to reach the server again…"),
      h("button", { type: "button", onclick: reconnectNow }, "Try now"),
    ),
  );
  connection.addEventListener("restored", () => {
    // The button that may have the focus is about to go.
    if (place.contains(document.activeElement)) main.focus();
    place.replaceChildren();
    notify("Connected again.");
  });
}

function start() {
  onSessionChange((unexpected) => {
    show();
    if (unexpected) notify(currentUser() ? "Another tab signed you in." : "Your session has ended. Sign in again.");
  });
  addEventListener("hashchange", () => {
    // "#main" is where the link that skips the navigation leads; it is no view.
    if (location.hash !== "#main") show();
  });
  show();
  return document.createDocumentFragment();
}

showConnection();
// Whether somebody is signed in is known only after the first refresh: until then no view can be right.
main.replaceChildren(
  loaded(leaving.signal, "Looking whether you are signed in…", () => onceConnected(refresh, true), start),
);
