import assert from "node:assert/strict";
import { describe, it } from "node:test";

import { newName, onDevice, signUp, startBrowser, startServer } from "./harness.js";

const { url } = await startServer();
const browser = await startBrowser();

describe("the status page", () => {
  it("shows readiness, uptime, memory, rate, latency and errors as the server tells them", () =>
    onDevice(browser, url, async (device) => {
      const page = await device.newPage();
      await signUp(page, newName());
      await page.getByRole("link", { name: "Status" }).click();
      const answered = page.waitForResponse("**/metrics");
      const missing = await Promise.all(Array.from({ length: 20 }, () => fetch(`${url}/no-such-page`)));
      assert.ok(missing.every(({ status }) => status === 404));
      await answered;
      await page.getByRole("img", { name: /^Requests, last 5 minutes. Now: per second [\d.]+\/s\.$/ }).waitFor();
      await page.getByRole("img", { name: /^Latency, .* p50 [\d.]+ m?s, p95 [\d.]+ m?s, p99 [\d.]+ m?s\.$/ }).waitFor();
      await page.getByRole("img", { name: /^Errors.* client \(4xx\) [\d.]+ %, server \(5xx\) 0 %\.$/ }).waitFor();
      const tiles = await page.locator(".tile").allTextContents();
      assert.match(tiles.join("; "), /^Databaseok; Cacheok; Uptime\d+ s; Memory[\d.]+ MB; Requests\d+; Version\d/);
    }));

  it("keeps no more than five minutes, however long it is open", () =>
    onDevice(browser, url, async (device) => {
      const page = await device.newPage();
      await page.goto("/#/hello");
      const counts = await page.evaluate(async () => {
        const { History, WINDOW_MS } = await import(/** @type {string} */ ("/history.js"));
        const { lineChart } = await import(/** @type {string} */ ("/chart.js"));
        const history = new History();
        const chart = lineChart("Requests", [{ key: "rate", label: "per second" }], String, {
          windowMs: WINDOW_MS,
          leastTop: 1,
        });
        const sizes = [];
        for (let reading = 0; reading < 8 * 1800; reading += 1) {
          const buckets = [{ up_to: 0.01, count: reading * 3 }, { count: 0 }];
          history.add(reading * 2000, {
            uptime_seconds: reading * 2,
            request_count: reading * 3,
            client_error_count: 0,
            server_error_count: 0,
            latency: { buckets },
          });
          if (reading % 1800 === 1799) {
            chart.draw(history.points, reading * 2000);
            sizes.push({ points: history.points.length, elements: chart.element.querySelectorAll("*").length });
          }
        }
        return sizes;
      });
      assert.equal(counts.length, 8);
      assert.deepEqual(new Set(counts.map(({ points }) => points)), new Set([151]));
      assert.equal(new Set(counts.map(({ elements }) => elements)).size, 1);
    }));

  it("asks nothing while nobody can see it, and goes on when somebody can", () =>
    onDevice(browser, url, async (device) => {
      const page = await device.newPage();
      await page.clock.install();
      await page.goto("/#/status");
      await page.locator(".good").first().waitFor();
      const show = (/** @type {boolean} */ isShown) =>
        page.evaluate((isShown) => {
          Object.defineProperty(document, "hidden", { configurable: true, get: () => !isShown });
          document.dispatchEvent(new Event("visibilitychange"));
        }, isShown);
      await show(false);
      let requests = 0;
      page.on("request", () => (requests += 1));
      await page.clock.runFor(60_000);
      assert.equal(requests, 0);
      const asked = page.waitForRequest("**/ready");
      await show(true);
      await asked;
    }));

  it("shows a gap, and nothing below zero, where the server was restarted", () =>
    onDevice(browser, url, async (device) => {
      const page = await device.newPage();
      await page.goto("/#/hello");
      const rates = await page.evaluate(async () => {
        const { History } = await import(/** @type {string} */ ("/history.js"));
        const history = new History();
        const reading = (/** @type {number} */ uptime, /** @type {number} */ count) => ({
          uptime_seconds: uptime,
          request_count: count,
          client_error_count: 0,
          server_error_count: 0,
          latency: { buckets: [{ count }] },
        });
        [reading(100, 50), reading(102, 54), reading(1, 1), reading(3, 5)].forEach((summary, i) =>
          history.add(i * 2000, summary),
        );
        return history.points.map((/** @type {{ rate: number | null }} */ { rate }) => rate);
      });
      assert.deepEqual(rates, [2, null, 2]);
    }));
});
