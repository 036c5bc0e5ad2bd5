import assert from "node:assert/strict";
import { execFile } from "node:child_process";
import { describe, it } from "node:test";
import { promisify } from "node:util";

import { ROOT } from "./harness.js";

const HERE = `${ROOT}tests/browser`;
const DOCUMENT = `${ROOT}openapi.json`;

/** Neither asks its makers for anything. */
const QUIET = { ...process.env, REDOCLY_TELEMETRY: "off", REDOCLY_SUPPRESS_UPDATE_NOTICE: "true" };

/** Fails with what the linter found. @param {string} linter @param {string[]} options */
async function lint(linter, ...options) {
  const program = `${HERE}/node_modules/.bin/${linter}`;
  await promisify(execFile)(program, ["lint", ...options, DOCUMENT], { env: QUIET }).catch(({ stdout, stderr }) => {
    assert.fail(`${linter}\n${stdout}${stderr}`);
  });
}

describe("openapi.json", () => {
  it("has no finding of redocly's recommended rules", () =>
    lint("redocly", "--config", `${HERE}/redocly.yaml`, "--max-problems", "50"));

  it("has no finding of spectral's rules for OpenAPI", () =>
    lint("spectral", "--ruleset", `${HERE}/spectral.yaml`, "--fail-severity", "hint"));
});
