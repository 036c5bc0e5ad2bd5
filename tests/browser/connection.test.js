import assert from "node:assert/strict";
import { describe, it } from "node:test";

import { PASSWORD, heading, newName, onDevice, shown, signUp, startBrowser, startServer, submit } from "./harness.js";

const browser = await startBrowser();

describe("a lost connection", () => {
  it("to a server that is restarted under the page is said, and mended without a reload", async () => {
    const { url, stop } = await startServer();
    await onDevice(browser, url, async (device) => {
      const page = await device.newPage();
      await signUp(page, newName());
      await page.getByRole("link", { name: "Status" }).click();
      await page.locator(".good").first().waitFor();
      await stop();
      await shown(page, "Connection lost.");
      await shown(page, "no answer");
      await startServer({ LISTEN: `127.0.0.1:${new URL(url).port}` });
      await page.getByText("Connection lost.").waitFor({ state: "detached" });
      await page.locator(".good").first().waitFor();
      await page.getByRole("link", { name: "Sessions" }).click();
      await shown(page, "This device");
    });
  });

  it("keeps what was typed into a form, and sends it when asked again", async () => {
    const { url, stop } = await startServer();
    await onDevice(browser, url, async (device) => {
      const page = await device.newPage();
      await page.goto("/#/sign-up");
      await heading(page, "Sign up");
      await stop();
      await submit(page, { Username: newName(), Password: PASSWORD }, "Create account");
      await shown(page, "The server does not answer.");
      await startServer({ LISTEN: `127.0.0.1:${new URL(url).port}` });
      await page.getByText("Connection lost.").waitFor({ state: "detached" });
      await page.getByRole("button", { name: "Create account" }).click();
      await heading(page, "Your account");
    });
  });

  it("when the page is opened does not look like being signed out", async () => {
    const { url } = await startServer();
    await onDevice(browser, url, async (device) => {
      const page = await device.newPage();
      await signUp(page, newName());
      await page.route("**/refresh", (route) => route.abort(), { times: 1 });
      await page.reload();
      await heading(page, "Your account");
    });
  });
});

describe("a dependency that is away", () => {
  it("is named on the status page, and nobody is signed out for it", async () => {
    const { url } = await startServer();
    await onDevice(browser, url, async (device) => {
      const page = await device.newPage();
      await signUp(page, newName());
      const json = {
        type: "about:blank",
        title: "Service Unavailable",
        status: 503,
        detail: "For people alone.",
        instance: "/ready",
        code: "not_ready",
        request_id: "",
        errors: [{ dependency: "cache", code: "unavailable", detail: "does not answer" }],
      };
      await page.route("**/ready", (route) => route.fulfill({ status: 503, json }));
      await page.getByRole("link", { name: "Status" }).click();
      await page.locator(".bad", { hasText: "unavailable" }).waitFor();
      assert.equal(await page.locator(".good", { hasText: "ok" }).count(), 1);
      await page.route(
        "**/refresh",
        (route) =>
          route.fulfill({
            status: 503,
            json: { ...json, code: "database_unavailable", detail: "The database does not answer." },
          }),
        { times: 1 },
      );
      await page.reload();
      await shown(page, "The database does not answer.");
      await page.getByRole("button", { name: "Try again" }).click();
      await heading(page, "Status");
      assert.equal(await page.getByRole("link", { name: "Account" }).count(), 1);
    });
  });
});
