import assert from "node:assert/strict";
import { describe, it } from "node:test";

import {
  PASSWORD,
  heading,
  newName,
  onDevice,
  operate,
  shown,
  signIn,
  signUp,
  startBrowser,
  startServer,
  submit,
} from "./harness.js";

const { url } = await startServer();
const browser = await startBrowser();

describe("an account", () => {
  it("goes all the way: sign up, reload, change the password, sign out, sign in, be greeted", () =>
    onDevice(browser, url, async (device) => {
      const page = await device.newPage();
      const name = newName();
      await page.goto("/");
      await heading(page, "Sign in");
      await page.getByRole("link", { name: "Sign up" }).click();
      await heading(page, "Sign up");
      await submit(page, { Username: name, Password: PASSWORD }, "Create account");
      await heading(page, "Your account");
      await page.getByRole("heading", { name, level: 2 }).waitFor();

      await page.reload();
      await page.getByRole("heading", { name, level: 2 }).waitFor();

      const passwords = { "Current password": "not the right one", "New password": "a new horse battery" };
      await submit(page, passwords, "Change password");
      await shown(page, "The current password is wrong.");
      await submit(page, { ...passwords, "Current password": PASSWORD }, "Change password");
      await shown(page, "Your password is changed.");

      await page.getByRole("button", { name: "Sign out" }).click();
      await heading(page, "Sign in");
      await page.reload();
      await heading(page, "Sign in");
      await submit(page, { Username: name, Password: PASSWORD }, "Sign in");
      await page
        .getByRole("alert")
        .filter({ hasText: /wrong|not right|incorrect|unknown/i })
        .waitFor();
      await submit(page, { Password: "a new horse battery" }, "Sign in");
      await heading(page, "Your account");

      await page.getByRole("link", { name: "Hello" }).click();
      await submit(page, { Name: "Ada" }, "Say hello");
      await shown(page, "hello Ada");
    }));

  it("is told which field is wrong, at that field, in words", () =>
    onDevice(browser, url, async (device) => {
      const page = await device.newPage();
      await page.goto("/#/sign-up");
      await submit(page, { Username: newName(), Password: "short" }, "Create account");
      const password = page.getByLabel("Password", { exact: true });
      await page.locator("input[aria-invalid]").waitFor();
      assert.equal(await password.getAttribute("aria-invalid"), "true");
      assert.ok(await password.evaluate((input) => input === document.activeElement), "the field has the focus");
      const described = (await password.getAttribute("aria-describedby"))?.split(" ") ?? [];
      const texts = await Promise.all(described.map((id) => page.locator(`[id="${id}"]`).textContent()));
      assert.deepEqual(texts, ["8 to 128 characters.", "Must be 8 to 128 characters."]);
    }));

  it("is told of all wrong fields at once, and the first has the focus", () =>
    onDevice(browser, url, async (device) => {
      const page = await device.newPage();
      await page.goto("/#/sign-up");
      await submit(page, { Username: "a/b", Password: "short" }, "Create account");
      await page.locator("input[aria-invalid]").nth(1).waitFor();
      assert.equal(await page.locator(".field-error:not(:empty)").count(), 2);
      assert.equal(await page.locator(":focus").getAttribute("name"), "username");
    }));

  it("sees that it waits, and cannot send a form twice", () =>
    onDevice(browser, url, async (device) => {
      const page = await device.newPage();
      let requests = 0;
      await page.route("**/register", async (route) => {
        requests += 1;
        await new Promise((resolve) => setTimeout(resolve, 1000));
        await route.continue();
      });
      await page.goto("/#/sign-up");
      await submit(page, { Username: newName(), Password: PASSWORD }, "Create account");
      const button = page.getByRole("button", { name: "Creating your account…" });
      await button.waitFor();
      await page.getByLabel("Username").press("Enter");
      await page.getByLabel("Username").press("Enter");
      await heading(page, "Your account");
      assert.equal(requests, 1);
    }));

  it("is deleted by whoever knows its password", () =>
    onDevice(browser, url, async (device) => {
      const page = await device.newPage();
      const name = newName();
      await signUp(page, name);
      await submit(page, { "Your password": "not the right one" }, "Delete my account");
      await shown(page, "The current password is wrong.");
      await submit(page, { "Your password": PASSWORD }, "Delete my account");
      await shown(page, "Your account is deleted.");
      await heading(page, "Sign in");
      await submit(page, { Username: name, Password: PASSWORD }, "Sign in");
      await page.getByRole("alert").filter({ hasText: /wrong/i }).waitFor();
      assert.deepEqual((await device.cookies()).map(({ name }) => name), ["device"]);
    }));

  it("that got a one-time password is asked for another one", () =>
    onDevice(browser, url, async (device) => {
      const page = await device.newPage();
      const name = newName();
      await signUp(page, name);
      const { password } = await operate("set-password", name);
      await page.goto("/#/sessions");
      await page.reload();
      await heading(page, "Sign in");
      await submit(page, { Username: name, Password: password }, "Sign in");
      await shown(page, /made for one sign-in/);
      await heading(page, "Your account");
      await submit(page, { "Current password": password, "New password": "a new horse battery" }, "Change password");
      await shown(page, "Your password is changed.");
      await page.getByRole("link", { name: "Sessions" }).click();
      await heading(page, "Sessions");
    }));

  it("is told when to come back after too many attempts", async () => {
    const strict = await startServer({ RATE_LIMIT_PER_ACCOUNT: "2" });
    await onDevice(browser, strict.url, async (device) => {
      const page = await device.newPage();
      await page.goto("/#/sign-in");
      const name = newName();
      for (let attempt = 0; attempt < 3; attempt += 1) {
        const answered = page.waitForResponse("**/login");
        await submit(page, { Username: name, Password: PASSWORD }, "Sign in");
        await answered;
      }
      await shown(page, /^Too many attempts\. Try again in \d+ seconds\.$/);
    });
  });

  it("keeps its access token out of every storage and every script-readable cookie", () =>
    onDevice(browser, url, async (device) => {
      const page = await device.newPage();
      await signUp(page, newName());
      const readable = await page.evaluate(
        () => document.cookie + JSON.stringify([{ ...localStorage }, { ...sessionStorage }]),
      );
      assert.equal(readable, "[{},{}]");
      const [cookie] = await device.cookies();
      assert.equal(cookie?.httpOnly, true);
    }));

  it("can be signed in to with the keyboard alone", () =>
    onDevice(browser, url, async (device) => {
      const page = await device.newPage();
      const name = newName();
      await signUp(page, name);
      await page.getByRole("button", { name: "Sign out" }).click();
      await heading(page, "Sign in");
      assert.equal(
        await page.evaluate(() => document.activeElement?.textContent),
        "Sign in",
        "the new view has the focus",
      );
      await page.keyboard.press("Tab");
      await page.keyboard.type(name);
      await page.keyboard.press("Tab");
      await page.keyboard.type(PASSWORD);
      await page.keyboard.press("Enter");
      await heading(page, "Your account");
      assert.equal(await page.evaluate(() => document.activeElement?.textContent), "Your account");
    }));

  it("leads past the navigation to the content with the first key", () =>
    onDevice(browser, url, async (device) => {
      const page = await device.newPage();
      await page.goto("/#/hello");
      await heading(page, "Hello");
      await page.keyboard.press("Tab");
      await page.keyboard.press("Enter");
      await page.keyboard.press("Tab");
      assert.equal(await page.evaluate(() => document.activeElement?.getAttribute("name")), "name");
      await heading(page, "Hello");
    }));
});

describe("the sessions list", () => {
  it("tells this device from the others and signs one of them out", () =>
    onDevice(browser, url, async (device) => {
      const page = await device.newPage();
      const name = newName();
      await signUp(page, name);
      const phone =
        "Mozilla/5.0 (iPhone; CPU iPhone OS 18_0 like Mac OS X) AppleWebKit/605.1.15 Version/18.0 Safari/604.1";
      const other = async (/** @type {import("playwright-core").BrowserContext} */ second) => {
        const otherPage = await second.newPage();
        await signIn(otherPage, name);
        await page.getByRole("link", { name: "Sessions" }).click();
        const [first, last] = [page.getByRole("listitem").nth(0), page.getByRole("listitem").nth(1)];
        await last.waitFor();
        assert.match((await first.textContent()) ?? "", /Chrome on Linux.*This device/);
        assert.match((await last.textContent()) ?? "", /^Safari on iPhone/);
        await page.getByRole("button", { name: "Sign out Safari on iPhone" }).click();
        await shown(page, "Signed out: Safari on iPhone.");
        assert.equal(await page.getByRole("listitem").count(), 1);
        await otherPage.getByRole("link", { name: "Sessions" }).click();
        await shown(otherPage, "Your session has ended.");
        await heading(otherPage, "Sign in");
      };
      await onDevice(browser, url, other, { userAgent: phone });
    }));

  it("shows the older ones page by page, and leads the keyboard to them", async () => {
    const settings = { MAX_SESSIONS_PER_ACCOUNT: "300", ARGON2_MEMORY_KIB: "64", ARGON2_ITERATIONS: "1" };
    const generous = await startServer(settings);
    await onDevice(browser, generous.url, async (device) => {
      const page = await device.newPage();
      const name = newName();
      await signUp(page, name);
      const request = {
        method: "POST",
        headers: { "Content-Type": "application/json" },
        body: JSON.stringify({ username: name, password: PASSWORD }),
      };
      for (let signedIn = 0; signedIn < 104; signedIn += 1) {
        assert.equal((await fetch(`${generous.url}/login`, request)).status, 200);
      }
      await page.getByRole("link", { name: "Sessions" }).click();
      const more = page.getByRole("button", { name: "Show more" });
      await more.waitFor();
      assert.equal(await page.getByRole("listitem").count(), 100);
      await more.press("Enter");
      await shown(page, "This device");
      assert.equal(await page.getByRole("listitem").count(), 105);
      assert.equal(await more.count(), 0);
      const next = page.getByRole("listitem").nth(100).getByRole("button");
      assert.ok(await next.evaluate((button) => button === document.activeElement), "the first new one has the focus");
    });
  });

  it("signs out all others at once and stays signed in", () =>
    onDevice(browser, url, async (device) => {
      const page = await device.newPage();
      const name = newName();
      await signUp(page, name);
      await onDevice(browser, url, async (second) => {
        const otherPage = await second.newPage();
        await signIn(otherPage, name);
        await page.getByRole("link", { name: "Sessions" }).click();
        await page.getByRole("listitem").nth(1).waitFor();
        await page.getByRole("button", { name: "Sign out all others" }).click();
        await shown(page, "You are signed out on all other devices.");
        await page.getByRole("listitem").nth(1).waitFor({ state: "detached" });
        assert.equal(await page.getByRole("listitem").count(), 1);
        await otherPage.getByRole("link", { name: "Sessions" }).click();
        await heading(otherPage, "Sign in");
      });
    }));

  it("asks before it signs out everywhere, and Escape means no", () =>
    onDevice(browser, url, async (device) => {
      const page = await device.newPage();
      await signUp(page, newName());
      await page.getByRole("link", { name: "Sessions" }).click();
      await page.getByRole("button", { name: "Sign out everywhere" }).click();
      await page.getByRole("dialog").waitFor();
      await page.keyboard.press("Escape");
      await page.getByRole("dialog").waitFor({ state: "detached" });
      await heading(page, "Sessions");
      await page.getByRole("button", { name: "Sign out everywhere" }).click();
      await page.getByRole("dialog").getByRole("button", { name: "Sign out everywhere" }).click();
      await shown(page, "You are signed out on all devices.");
      await heading(page, "Sign in");
    }));
});
