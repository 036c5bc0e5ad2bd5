/**
 * What every test starts with: a real server, a real browser, and pages that are watched: no request to another host,
 * nothing that the Content-Security-Policy had to block, no uncaught error.
 *
 * @import { Browser, BrowserContext, BrowserContextOptions, Page } from "playwright-core"
 */

import assert from "node:assert/strict";
import { execFile, spawn } from "node:child_process";
import { randomUUID } from "node:crypto";
import { createInterface } from "node:readline";
import { after } from "node:test";
import { fileURLToPath } from "node:url";
import { promisify } from "node:util";

import { chromium } from "playwright-core";

export const ROOT = fileURLToPath(new URL("../..", import.meta.url));
const PROGRAM = process.env.SLIPWAY ?? `${ROOT}target/debug/slipway`;
const CHROMIUM = process.env.CHROMIUM ?? "/usr/bin/chromium";
const FLAGS = ["--no-sandbox", "--disable-gpu", "--disable-quic", "--no-first-run", "--disable-sync"];
const QUIET_FLAGS = ["--disable-background-networking", "--disable-component-update"];

/** @param {string} name */
function environment(name) {
  const value = process.env[name];
  assert.ok(value, `${name} is not set: start the tests with tests/browser/run`);
  return value;
}

/** Of the server and of commands on its database. */
const settingsOfTests = () => ({
  PATH: process.env.PATH,
  DATABASE_URL: environment("TEST_POSTGRES_URL"),
  REDIS_URL: environment("TEST_REDIS_URL"),
  JWT_SECRET: "only for the browser tests, the same after a restart",
  RUST_LOG: "warn",
});

/**
 * What an operator does: `slipway user` with these arguments. Returns what it prints about the account.
 *
 * @param {...string} words
 */
export async function operate(...words) {
  const { stdout } = await promisify(execFile)(PROGRAM, ["user", "--json", ...words], { env: settingsOfTests() });
  return JSON.parse(stdout);
}

/**
 * Starts the server on a free port, or on the one that is given, and waits until it says where it serves.
 *
 * @param {Record<string, string>} [settings]
 */
export async function startServer(settings = {}) {
  const server = spawn(PROGRAM, ["serve"], {
    stdio: ["ignore", "ignore", "pipe"],
    env: {
      ...settingsOfTests(),
      SLIPWAY_ENV: "development",
      LISTEN: "127.0.0.1:0",
      METRICS_LISTEN: "off",
      RATE_LIMIT_PER_ADDRESS: "0",
      RATE_LIMIT_PER_ACCOUNT: "0",
      DRAIN_SECONDS: "0",
      ...settings,
    },
  });
  const exited = new Promise((resolve) => server.once("exit", resolve));
  let output = "";
  let isStopping = false;
  server.once("exit", (code, signal) => {
    if (!isStopping) console.error(`the server ended by itself (${code ?? signal}):\n${output}`);
  });
  const url = await new Promise((resolve, reject) => {
    const lines = createInterface(server.stderr);
    lines.on("line", (line) => {
      output += `${line}\n`;
      const found = /Demo page\s+(http:\S+?)\/$/.exec(line);
      if (found) resolve(found[1]);
    });
    lines.on("close", () => reject(new Error(`the server did not start:\n${output}`)));
  });
  const stop = async () => {
    isStopping = true;
    server.kill("SIGKILL");
    await exited;
  };
  after(stop);
  return { url: /** @type {string} */ (url), stop };
}

export async function startBrowser() {
  const browser = await chromium.launch({ executablePath: CHROMIUM, args: [...FLAGS, ...QUIET_FLAGS] });
  after(() => browser.close());
  return browser;
}

/**
 * A device: its own cookies, in which tabs can be opened. Fails the test at its end if a page did what none may do.
 *
 * @param {Browser} browser
 * @param {string} url
 * @param {(context: BrowserContext) => Promise<void>} use
 * @param {BrowserContextOptions & { allowedHosts?: string[] }} [options]
 */
export async function onDevice(browser, url, use, { allowedHosts = [], ...options } = {}) {
  const context = await browser.newContext({ baseURL: url, ...options });
  context.setDefaultTimeout(8_000);
  const hosts = new Set([new URL(url).host, ...allowedHosts]);
  /** @type {string[]} */
  const faults = [];
  context.on("request", (request) => {
    const { protocol, host } = new URL(request.url());
    if (protocol !== "data:" && protocol !== "blob:" && !hosts.has(host)) faults.push(`request to ${request.url()}`);
  });
  context.on("weberror", (error) => faults.push(`uncaught: ${error.error()}`));
  context.on("console", (message) => {
    if (/Content[- ]Security[- ]Policy/i.test(message.text())) faults.push(message.text());
  });
  try {
    await use(context);
  } finally {
    await context.close();
  }
  assert.deepEqual(faults, []);
}

export const PASSWORD = "correct horse battery";
export const newName = () => `ada-${randomUUID().slice(0, 8)}`;

/**
 * Fills in a form that has these labels, and sends it.
 *
 * @param {Page} page
 * @param {Record<string, string>} values
 * @param {string} button
 */
export async function submit(page, values, button) {
  for (const [label, value] of Object.entries(values)) await page.getByLabel(label, { exact: true }).fill(value);
  await page.getByRole("button", { name: button, exact: true }).click();
}

/**
 * @param {Page} page
 * @param {string} name
 */
export async function signUp(page, name) {
  await page.goto("/#/sign-up");
  await submit(page, { Username: name, Password: PASSWORD }, "Create account");
  await heading(page, "Your account");
}

/**
 * @param {Page} page
 * @param {string} name
 * @param {string} [password]
 */
export async function signIn(page, name, password = PASSWORD) {
  await page.goto("/#/sign-in");
  await submit(page, { Username: name, Password: password }, "Sign in");
  await heading(page, "Your account");
}

/**
 * Waits for the view with this heading.
 *
 * @param {Page} page
 * @param {string} name
 */
export async function heading(page, name) {
  await page.getByRole("heading", { name, level: 1, exact: true }).waitFor();
}

/**
 * Waits for a text that is shown.
 *
 * @param {Page} page
 * @param {string | RegExp} text
 */
export async function shown(page, text) {
  await page.getByText(text).first().waitFor();
}
