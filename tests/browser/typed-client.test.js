import assert from "node:assert/strict";
import { execFile } from "node:child_process";
import { mkdtemp, readFile, rm } from "node:fs/promises";
import { createServer } from "node:http";
import { tmpdir } from "node:os";
import { after, describe, it } from "node:test";
import { promisify } from "node:util";

import { PASSWORD, ROOT, newName, onDevice, startBrowser, startServer } from "./harness.js";

const HERE = `${ROOT}tests/browser`;

/** Fails with what the tool printed. @param {string} tool @param {string[]} options */
async function run(tool, ...options) {
  await promisify(execFile)(`${HERE}/node_modules/.bin/${tool}`, options).catch(({ stdout, stderr }) => {
    assert.fail(`${tool} ${options.join(" ")}\n${stdout}${stderr}`);
  });
}

describe("the types", () => {
  it("of the demo client hold", () => run("tsc", "--project", `${ROOT}web`));

  it("of these tests hold", () => run("tsc", "--project", HERE));

  it("that are generated are those of openapi.json", () =>
    run("openapi-typescript", `${ROOT}openapi.json`, "--output", `${ROOT}web/openapi.d.ts`, "--check"));
});

describe("docs/API.md", () => {
  it("quotes the typed client as it is compiled here", async () => {
    const [guide, client] = await Promise.all(
      ["docs/API.md", "web/examples/typed-client.ts"].map((path) => readFile(`${ROOT}${path}`, "utf8")),
    );
    assert.ok(guide?.includes(`\`\`\`ts\n${client}\`\`\`\n`));
  });

  it("has a command that makes the types out of a running server", async () => {
    const guide = await readFile(`${ROOT}docs/API.md`, "utf8");
    const [, source = "", output] = /^npx openapi-typescript (\S+) --output (\S+)$/m.exec(guide) ?? [];
    assert.equal(output, "src/openapi.d.ts");
    const { url } = await startServer();
    const folder = await mkdtemp(`${tmpdir()}/types-`);
    await run("openapi-typescript", source.replace("http://localhost:8000", url), "--output", `${folder}/openapi.d.ts`);
    const [made, known] = await Promise.all(
      [`${folder}/openapi.d.ts`, `${ROOT}web/openapi.d.ts`].map((path) => readFile(path, "utf8")),
    );
    await rm(folder, { recursive: true });
    assert.equal(made, known);
  });
});

/** Serves the compiled client as a frontend's own origin would. */
async function startFrontend() {
  const files = new Map([
    [
      "/",
      [
        "text/html",
        `<!doctype html><script type="importmap">{"imports":{"openapi-fetch":"/openapi-fetch.js"}}</script>`,
      ],
    ],
    [
      "/openapi-fetch.js",
      ["text/javascript", await readFile(`${HERE}/node_modules/openapi-fetch/dist/index.mjs`, "utf8")],
    ],
    ["/typed-client.js", ["text/javascript", await readFile(`${HERE}/build/typed-client.js`, "utf8")]],
  ]);
  const server = createServer((request, response) => {
    const [type, content] = files.get(request.url ?? "") ?? [];
    if (type) response.writeHead(200, { "Content-Type": type }).end(content);
    else response.writeHead(404).end();
  });
  await new Promise((resolve) => server.listen(0, "127.0.0.1", () => resolve(undefined)));
  after(() => server.close());
  const address = server.address();
  assert.ok(address && typeof address === "object");
  return address.port;
}

/** @typedef {import("../../web/examples/typed-client")} TypedClient */

describe("a frontend of another origin, with openapi-fetch and the generated types", async () => {
  await run("tsc", "--project", `${HERE}/tsconfig.client.json`);
  const port = await startFrontend();
  const origins = [`http://localhost:${port}`, `http://127.0.0.1:${port}`];
  const server = await startServer({ ALLOWED_ORIGINS: origins.join(",") });
  const apiUrl = server.url;
  const browser = await startBrowser();
  const allowedHosts = [new URL(apiUrl).host];

  it("R20: compiles, registers, is told who it is, refreshes and logs out", () =>
    onDevice(
      browser,
      `http://localhost:${port}`,
      async (device) => {
        const page = await device.newPage();
        await page.goto("/");
        const username = newName();
        const outcome = await page.evaluate(
          async ([apiUrl = "", username = "", password = ""]) => {
            const { connect } = /** @type {TypedClient} */ (await import(/** @type {string} */ ("/typed-client.js")));
            const { api, refresh, useAccessToken } = connect(apiUrl);
            const registered = await api.POST("/register", { body: { username, password } });
            useAccessToken(registered.data?.access_token);
            const me = await api.GET("/me");
            await refresh();
            const afterRefresh = await api.GET("/me");
            useAccessToken("expired");
            const afterExpiry = await Promise.all([api.GET("/me"), api.GET("/sessions")]);
            const logout = await api.POST("/logout");
            const afterLogout = await api.GET("/me");
            return {
              names: [me, afterRefresh, afterExpiry[0]].map(({ data }) => data?.username),
              sessions: afterExpiry[1].data?.length,
              logout: logout.data?.message,
              code: afterLogout.error?.code,
            };
          },
          [apiUrl, username, PASSWORD],
        );
        assert.deepEqual(outcome, {
          names: [username, username, username],
          sessions: 1,
          logout: "logged out",
          code: "session_ended",
        });
      },
      { allowedHosts },
    ));

  it("stays signed in only on the API's own site: the cookie is not sent from another one", () =>
    onDevice(
      browser,
      `http://127.0.0.1:${port}`,
      async (device) => {
        const page = await device.newPage();
        await page.goto("/");
        const answers = await page.evaluate(
          async ([apiUrl = "", username = "", password = ""]) => {
            const { connect } = /** @type {TypedClient} */ (await import(/** @type {string} */ ("/typed-client.js")));
            const { api } = connect(apiUrl);
            const registered = await api.POST("/register", { body: { username, password } });
            const refreshed = await api.POST("/refresh");
            return [registered.response.status, refreshed.error?.code];
          },
          [apiUrl, newName(), PASSWORD],
        );
        assert.deepEqual(answers, [201, "refresh_cookie_missing"]);
      },
      { allowedHosts },
    ));
});
