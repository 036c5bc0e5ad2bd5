import assert from "node:assert/strict";
import { describe, it } from "node:test";

import {
  PASSWORD,
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

const { url } = await startServer();
const browser = await startBrowser();

/** @import { BrowserContext, Page } from "playwright-core" */

/**
 * Answers the next request of this path as if the access token had just expired.
 *
 * @param {Page} page
 * @param {string} path
 */
async function expireTokenOf(page, path) {
  const body = {
    type: "about:blank",
    title: "Unauthorized",
    status: 401,
    detail: "expired",
    instance: path,
    code: "access_token_expired",
    request_id: "",
  };
  await page.route(`**${path}`, (route) => route.fulfill({ status: 401, json: body }), { times: 1 });
}

/** @param {BrowserContext} device @param {string} path */
function countRequests(device, path) {
  const counter = { count: 0 };
  device.on("request", (request) => (counter.count += Number(new URL(request.url()).pathname === path)));
  return counter;
}

/** What browsers lack on plain HTTP, and older ones everywhere. @param {BrowserContext} device */
async function withoutCourtesies(device) {
  await device.addInitScript(() => {
    Object.defineProperty(navigator, "locks", { value: undefined });
    Reflect.deleteProperty(globalThis, "BroadcastChannel");
  });
}

describe("an expired access token", () => {
  it("is renewed unseen, and what was asked for is shown", () =>
    onDevice(browser, url, async (device) => {
      const page = await device.newPage();
      await signUp(page, newName());
      const refreshes = countRequests(device, "/refresh");
      await expireTokenOf(page, "/sessions");
      await page.getByRole("link", { name: "Sessions" }).click();
      await shown(page, "This device");
      assert.equal(refreshes.count, 1);
    }));

  it("is renewed once, however many requests meet it at the same moment", () =>
    onDevice(browser, url, async (device) => {
      const page = await device.newPage();
      await signUp(page, newName());
      const refreshes = countRequests(device, "/refresh");
      await page.evaluate(async () => {
        const { refresh } = await import(/** @type {string} */ ("/session.js"));
        await Promise.all([refresh(), refresh(), refresh()]);
      });
      assert.equal(refreshes.count, 1);
    }));
});

// Without turns, some tabs send a cookie that others have replaced, once or more; the server forgives that for a while.
for (const [how, tabCount, prepare] of /** @type {const} */ ([
  ["with Web Locks and BroadcastChannel", 4, async () => {}],
  ["without Web Locks and BroadcastChannel", 4, withoutCourtesies],
])) {
  describe(`${tabCount} tabs, ${how}`, () => {
    it("that refresh at the same moment all stay signed in", () =>
      onDevice(browser, url, async (device) => {
        await prepare(device);
        const first = await device.newPage();
        const name = newName();
        await signUp(first, name);
        const tabs = [first];
        while (tabs.length < tabCount) tabs.push(await device.newPage());
        const refreshes = countRequests(device, "/refresh");
        for (let round = 1; round <= 3; round += 1) {
          await Promise.all(tabs.map((tab) => tab.goto(`/?${round}#/account`)));
          await Promise.all(tabs.map((tab) => tab.getByRole("heading", { name, level: 2 }).waitFor()));
        }
        assert.equal(refreshes.count, 3 * tabCount, "every tab asked by itself");
      }));

    it("notice that one of them signed out everywhere", () =>
      onDevice(browser, url, async (device) => {
        await prepare(device);
        const [first, second] = [await device.newPage(), await device.newPage()];
        await signUp(first, newName());
        await second.goto("/#/account");
        await heading(second, "Your account");
        await first.bringToFront();
        await first.getByRole("link", { name: "Sessions" }).click();
        await first.getByRole("button", { name: "Sign out everywhere" }).click();
        await first.getByRole("dialog").getByRole("button", { name: "Sign out everywhere" }).click();
        await heading(first, "Sign in");
        await second.bringToFront();
        // With a channel the other tab follows by itself; without one its next request finds out.
        if (prepare === withoutCourtesies) await second.getByRole("link", { name: "Sessions" }).click();
        await shown(second, "Your session has ended.");
        await heading(second, "Sign in");
      }));

    it("stay signed in when one of them changes the password", () =>
      onDevice(browser, url, async (device) => {
        await prepare(device);
        const [first, second] = [await device.newPage(), await device.newPage()];
        const name = newName();
        await signUp(first, name);
        await second.goto("/#/sessions");
        await shown(second, "This device");
        await first.bringToFront();
        const passwords = { "Current password": PASSWORD, "New password": "a new horse battery" };
        await submit(first, passwords, "Change password");
        await shown(first, "Your password is changed.");
        await second.bringToFront();
        await second.getByRole("link", { name: "Account" }).click();
        await second.getByRole("heading", { name, level: 2 }).waitFor();
        assert.equal(await second.getByText(/another tab/i).count(), 0);
        await first.reload();
        await first.getByRole("heading", { name, level: 2 }).waitFor();
      }));

    it("never do as one user what another asked for", () =>
      onDevice(browser, url, async (device) => {
        await prepare(device);
        const [first, second] = [await device.newPage(), await device.newPage()];
        const [ada, grace] = [newName(), newName()];
        await signUp(first, ada);
        await second.goto("/#/sessions");
        await shown(second, "This device");
        await first.bringToFront();
        await first.getByRole("button", { name: "Sign out" }).click();
        await heading(first, "Sign in");
        await signUp(first, grace);
        await second.bringToFront();
        if (prepare === withoutCourtesies) {
          // This tab still believes to be Ada's; only the answer to its next request tells.
          await second.getByRole("button", { name: "Sign out everywhere" }).click();
          await second.getByRole("dialog").getByRole("button", { name: "Sign out everywhere" }).click();
        }
        await shown(second, /another tab/i);
        await second.getByRole("link", { name: "Account" }).click();
        await second.getByRole("heading", { name: grace, level: 2 }).waitFor();
        await first.reload();
        await first.getByRole("heading", { name: grace, level: 2 }).waitFor();
      }));
  });
}

describe("signing out everywhere", () => {
  it("ends the other devices", () =>
    onDevice(browser, url, async (device) => {
      const page = await device.newPage();
      const name = newName();
      await signUp(page, name);
      await onDevice(browser, url, async (other) => {
        const otherPage = await other.newPage();
        await signIn(otherPage, name);
        await page.getByRole("link", { name: "Sessions" }).click();
        await page.getByRole("button", { name: "Sign out everywhere" }).click();
        await page.getByRole("dialog").getByRole("button", { name: "Sign out everywhere" }).click();
        await heading(page, "Sign in");
        await otherPage.reload();
        await heading(otherPage, "Sign in");
      });
    }));
});
