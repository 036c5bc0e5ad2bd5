/** Where the account is signed in, and the ways to end that. */

import { call, sessionsPage } from "../api.js";
import { h } from "../dom.js";
import { ago, dateAndTime, deviceName } from "../format.js";
import { sessionEnded, signOut } from "../session.js";
import { actionButton, confirmed, loaded, notify } from "../ui.js";

/** @typedef {import("../api-types").Schemas["Session"]} Session */
/** @typedef {Awaited<ReturnType<typeof sessionsPage>>} Page */

/** @param {AbortSignal} signal */
export function sessionsView(signal) {
  const sessions = h("div", {});
  const show = () => {
    const load = () => sessionsPage(signal);
    sessions.replaceChildren(loaded(signal, "Loading your sessions…", load, (page) => list(signal, page)));
  };
  const signOutOthers = async () => {
    await call("post", "/logout-others", {});
    show();
    notify("You are signed out on all other devices.");
  };
  show();
  return h(
    "div",
    { class: "stack" },
    h(
      "div",
      { class: "title" },
      h("h1", { tabindex: "-1" }, "Sessions"),
      h(
        "div",
        { class: "actions" },
        actionButton("Sign out all others", "Signing out…", signOutOthers),
        actionButton("Sign out everywhere", "Signing out…", signOutEverywhere, { class: "danger" }, askFirst),
      ),
    ),
    h("p", { class: "muted" }, "Every browser and program that is signed in to your account."),
    sessions,
  );
}

/**
 * A page, and a button for the next one.
 *
 * @param {AbortSignal} signal
 * @param {Page} first
 */
function list(signal, first) {
  const entries = h("ul", { class: "sessions" });
  const more = h("div", {});
  /** @param {Page} page */
  const show = ({ sessions, next }) => {
    const thisDeviceFirst = sessions.toSorted((a, b) => Number(b.current) - Number(a.current));
    const items = thisDeviceFirst.map(item);
    // The button that may have the focus is about to go.
    const isWaitedFor = more.contains(document.activeElement);
    entries.append(...items);
    more.replaceChildren(...(next ? [actionButton("Show more", "Loading…", () => showNext(next))] : []));
    if (isWaitedFor) items[0]?.querySelector("button")?.focus();
  };
  /** @param {string} cursor */
  const showNext = async (cursor) => show(await sessionsPage(signal, cursor));
  show(first);
  return h("div", { class: "stack" }, entries, more);
}

/** @param {Session} session */
function item(session) {
  const name = deviceName(session.user_agent);
  const end = async () => {
    if (session.current) {
      await signOut();
      notify("You are signed out.");
      return;
    }
    await call("delete", "/sessions/{id}", { path: { id: session.id } });
    focusAfterRemoval(element);
    element.remove();
    notify(`Signed out: ${name}.`);
  };
  const element = h(
    "li",
    { class: "card" },
    h("h2", {}, name, session.current && h("span", { class: "badge" }, "This device")),
    actionButton("Sign out", "Signing out…", end, { "aria-label": session.current ? null : `Sign out ${name}` }),
    h(
      "dl",
      {},
      fact("Last seen", session.last_seen_at),
      fact("Signed in", session.created_at),
      fact("Ends unless used", session.expires_at),
      h("div", {}, h("dt", {}, "Address"), h("dd", {}, session.ip)),
    ),
    h("p", { class: "agent", title: session.user_agent }, session.user_agent || "No user agent was sent."),
  );
  return element;
}

/** @param {string} label @param {string} iso */
function fact(label, iso) {
  const time = h("time", { datetime: iso, title: dateAndTime(iso) }, ago(iso));
  return h("div", {}, h("dt", {}, label), h("dd", {}, time));
}

/**
 * The focused button is about to go; without this the keyboard would start at the top of the page again.
 *
 * @param {Element} element
 */
function focusAfterRemoval(element) {
  const neighbour = element.nextElementSibling ?? element.previousElementSibling;
  neighbour?.querySelector("button")?.focus();
}

const askFirst = () =>
  confirmed(
    "Sign out everywhere?",
    "Every session of your account ends at once, this one included.",
    "Sign out everywhere",
  );

async function signOutEverywhere() {
  await call("post", "/logout-all", {});
  sessionEnded();
  notify("You are signed out on all devices.");
}
