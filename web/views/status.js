/** What the server does, live: readiness for everybody, load and latency for those who are signed in. */

import { call } from "../api.js";
import { lineChart } from "../chart.js";
import { connection } from "../connection.js";
import { h } from "../dom.js";
import { duration, latency, megabytes, number, perSecond, percent } from "../format.js";
import { History, WINDOW_MS } from "../history.js";
import { ApiError } from "../http.js";
import { currentUser } from "../session.js";
import { messageOf } from "../ui.js";

/** @typedef {import("../api-types").Schemas} Schemas */

const EVERY_MS = 2000;

/** Outlives the view, so that coming back does not start with empty charts. */
const history = new History();

/** @param {AbortSignal} signal */
export function statusView(signal) {
  const { element: tiles, showReadiness, showSummary, showLost } = overview();
  const charts = currentUser() ? load() : null;
  const problem = h("p", { class: "message error", role: "alert", hidden: true });

  async function read() {
    showReadiness(await readiness(signal));
    if (!charts) return;
    const summary = await call("get", "/metrics", { signal });
    history.add(Date.now(), summary);
    showSummary(summary);
    charts.draw();
  }

  async function readAgain() {
    try {
      await read();
      problem.hidden = true;
    } catch (error) {
      if (signal.aborted) return;
      problem.textContent = messageOf(error);
      problem.hidden = false;
    }
    setTimeout(async () => {
      await seen(signal);
      if (!signal.aborted) readAgain();
    }, EVERY_MS);
  }

  connection.addEventListener("lost", showLost, { signal });
  readAgain();
  return h(
    "div",
    { class: "stack" },
    h("h1", { tabindex: "-1" }, "Status"),
    problem,
    tiles,
    charts
      ? charts.element
      : h("p", { class: "card" }, h("a", { href: "#/sign-in" }, "Sign in"), " to see load, latency and errors."),
  );
}

/**
 * Waits while nobody can see the page: a tab that was forgotten asks nothing, and its session ends in time.
 *
 * @param {AbortSignal} signal
 * @returns {Promise<void>}
 */
async function seen(signal) {
  if (!document.hidden) return;
  await new Promise((resolve) => document.addEventListener("visibilitychange", resolve, { once: true, signal }));
  return seen(signal);
}

/**
 * @param {AbortSignal} signal
 * @returns {Promise<Schemas["Dependencies"]>}
 */
async function readiness(signal) {
  try {
    return (await call("get", "/ready", { signal })).dependencies;
  } catch (error) {
    // This 503 is an answer, too.
    if (!(error instanceof ApiError && error.code === "not_ready")) throw error;
    const away = error.errors.map(({ dependency }) => dependency);
    /** @param {string} name */
    const state = (name) => (away.includes(name) ? "unavailable" : "ok");
    return { database: state("database"), cache: state("cache") };
  }
}

function overview() {
  const database = tile("Database");
  const cache = tile("Cache");
  const uptime = tile("Uptime");
  const memory = tile("Memory");
  const requests = tile("Requests");
  const version = tile("Version");
  const forUsers = [uptime, memory, requests, version].map(({ element }) => element);
  const element = h("dl", { class: "tiles" }, database.element, cache.element, ...(currentUser() ? forUsers : []));
  /** @param {string} state */
  const tone = (state) => (state === "ok" ? "good" : "bad");
  return {
    element,
    /** @param {Schemas["Dependencies"]} states */
    showReadiness(states) {
      database.show(states.database, tone(states.database));
      cache.show(states.cache, tone(states.cache));
    },
    /** @param {Schemas["Summary"]} summary */
    showSummary(summary) {
      uptime.show(duration(summary.uptime_seconds));
      memory.show(summary.memory_bytes === undefined ? "not told" : megabytes(summary.memory_bytes));
      requests.show(number(summary.request_count));
      version.show(summary.version);
    },
    showLost() {
      for (const { show } of [database, cache]) show("no answer", "bad");
    },
  };
}

/** @param {string} label */
function tile(label) {
  const value = h("dd", { class: "waiting" }, "…");
  return {
    element: h("div", { class: "card tile" }, h("dt", {}, label), value),
    /** @param {string} text @param {string} [tone] */
    show(text, tone = "") {
      value.textContent = text;
      value.className = tone;
    },
  };
}

function load() {
  const rate = lineChart("Requests", [{ key: "rate", label: "per second" }], perSecond, scale(1));
  const durations = ["p50", "p95", "p99"].map((key) => ({ key, label: key }));
  const latencies = lineChart("Latency", durations, latency, scale(0.001));
  const kinds = [
    { key: "clientErrors", label: "client (4xx)" },
    { key: "serverErrors", label: "server (5xx)" },
  ];
  const errors = lineChart("Errors, share of requests", kinds, percent, scale(0.01));
  const charts = [rate, latencies, errors];
  return {
    element: h(
      "section",
      { "aria-labelledby": "load" },
      h("h2", { id: "load" }, "Last five minutes"),
      h("p", { class: "muted" }, `Read every ${EVERY_MS / 1000} seconds; this page’s own requests count, too.`),
      h("div", { class: "charts" }, ...charts.map(({ element }) => element)),
    ),
    draw() {
      for (const chart of charts) chart.draw(history.points, Date.now());
    },
  };
}

/** @param {number} leastTop */
const scale = (leastTop) => ({ windowMs: WINDOW_MS, leastTop });
