import assert from "node:assert/strict";
import { mkdir } from "node:fs/promises";
import { describe, it } from "node:test";

import axe from "axe-core";

import {
  PASSWORD,
  ROOT,
  heading,
  newName,
  onDevice,
  shown,
  signIn,
  signUp,
  startBrowser,
  startServer,
  submit,
} from "./harness.js";

/** @import { Page } from "playwright-core" */

const { url } = await startServer();
const browser = await startBrowser();
const SCREENSHOTS = `${ROOT}target/screenshots`;
await mkdir(SCREENSHOTS, { recursive: true });

const READINGS = 130;

/** A view, and what leads to it. @type {Record<string, (page: Page) => Promise<void>>} */
const GUEST_VIEWS = {
  "sign-in": (page) => open(page, "Sign in"),
  "sign-up-error": async (page) => {
    await page.getByRole("link", { name: "Sign up" }).click();
    await submit(page, { Username: "a/b", Password: PASSWORD }, "Create account");
    await page.locator("input[aria-invalid]").waitFor();
  },
  "status-guest": async (page) => {
    await open(page, "Status");
    await page.locator(".good").first().waitFor();
  },
};

/** @type {Record<string, (page: Page) => Promise<void>>} */
const USER_VIEWS = {
  account: async (page) => {
    await open(page, "Account", "Your account");
    await shown(page, "Member since");
  },
  "account-error": async (page) => {
    await submit(page, { "Current password": "not the right one", "New password": PASSWORD }, "Change password");
    await shown(page, "The current password is wrong.");
  },
  sessions: async (page) => {
    await open(page, "Sessions");
    await shown(page, "This device");
  },
  "sessions-question": async (page) => {
    await page.getByRole("button", { name: "Sign out everywhere" }).click();
    await page.getByRole("dialog").waitFor();
  },
  hello: async (page) => {
    await page.keyboard.press("Escape");
    await open(page, "Hello");
    await submit(page, { Name: "Ada" }, "Say hello");
    await shown(page, "hello Ada");
  },
  status: async (page) => {
    await pretendLoad(page);
    await open(page, "Status");
    // Whatever the page asks, it is asked by the page's own clock: four minutes pass in a moment.
    for (let reading = 0; reading < READINGS; reading += 1) {
      const answered = page.waitForResponse("**/metrics");
      await page.clock.runFor(2000);
      await answered;
    }
    await page.clock.runFor(500);
  },
  "connection-lost": async (page) => {
    await page.route("**/*", (route) => route.abort());
    await page.clock.runFor(4000);
    await shown(page, "Connection lost.");
  },
};

/** @param {Page} page @param {string} link @param {string} title */
async function open(page, link, title = link) {
  await page.getByRole("navigation").getByRole("link", { name: link, exact: true }).click();
  await heading(page, title);
}

/** Totals of a server with changing load, because charts of an idle one show nothing. @param {Page} page */
async function pretendLoad(page) {
  const bounds = [0.0005, 0.001, 0.0025, 0.005, 0.01, 0.025, 0.05, 0.1, 0.25];
  const shares = [30, 240, 160, 60, 24, 9, 4, 2, 1];
  const buckets = [...bounds.map((up_to) => ({ up_to, count: 0 })), { count: 0 }];
  const totals = {
    version: "0.1.0",
    uptime_seconds: 93_784,
    request_count: 0,
    client_error_count: 0,
    server_error_count: 0,
    in_flight_requests: 3,
    memory_bytes: 14_200_000,
  };
  let reading = 0;
  await page.route("**/metrics", async (route) => {
    reading += 1;
    totals.uptime_seconds += 2;
    const load = 1 + 0.5 * Math.sin(reading / 12) + 0.2 * Math.sin(reading * 1.7);
    shares.forEach((share, i) => {
      const bucket = buckets[i];
      const count = Math.round(share * load * (i > 3 ? 1 + Math.sin(reading / 9) ** 2 : 1));
      if (bucket) bucket.count += count;
      totals.request_count += count;
    });
    totals.client_error_count += Math.round(8 * load);
    totals.server_error_count += reading % 40 > 34 ? 5 : 0;
    await route.fulfill({ json: { ...totals, latency: { buckets } } });
  });
}

/** @param {Page} page @param {string} view */
async function expectAccessible(page, view) {
  await page.evaluate(axe.source);
  const { violations } = await page.evaluate("axe.run()");
  const found = violations.map(
    (/** @type {axe.Result} */ { id, impact, nodes }) => `${impact} ${id}: ${nodes.map((node) => node.html).join(" ")}`,
  );
  assert.deepEqual(found, [], view);
}

/** @param {Page} page @param {string} view */
async function expectNoSidewaysScroll(page, view) {
  const overflow = await page.evaluate(() => document.documentElement.scrollWidth - innerWidth);
  assert.ok(overflow <= 0, `${view} is ${overflow} px too wide`);
}

for (const colorScheme of /** @type {const} */ (["light", "dark"])) {
  for (const width of [360, 1440]) {
    describe(`every view, ${width} px wide and ${colorScheme}`, () => {
      it("has no accessibility fault that axe-core finds, fits, and leaves a screenshot", async () => {
        const look = async (/** @type {Page} */ page, /** @type {string} */ view) => {
          await expectNoSidewaysScroll(page, view);
          await expectAccessible(page, view);
          await page.screenshot({ path: `${SCREENSHOTS}/${view}-${width}-${colorScheme}.png`, fullPage: true });
        };
        const viewport = { width, height: width === 360 ? 740 : 900 };
        const options = { colorScheme, viewport, reducedMotion: /** @type {const} */ ("reduce") };
        await onDevice(
          browser,
          url,
          async (device) => {
            const page = await device.newPage();
            const name = newName();
            await page.goto("/");
            await heading(page, "Sign in");
            for (const [view, reach] of Object.entries(GUEST_VIEWS)) {
              await reach(page);
              await look(page, view);
            }
            await signUp(page, name);
            const userAgent = "Mozilla/5.0 (Android 15; Mobile; rv:140.0) Gecko/140.0 Firefox/140.0";
            await onDevice(browser, url, async (other) => signIn(await other.newPage(), name), { userAgent });
            await page.clock.install();
            await page.clock.resume();
            for (const [view, reach] of Object.entries(USER_VIEWS)) {
              await reach(page);
              await look(page, view);
            }
          },
          options,
        );
      });
    });
  }
}
