/** Whether the server can be reached. Whoever finds that it cannot waits here; one loop asks for all of them. */

import { NetworkError, send } from "./http.js";

const FIRST_PAUSE_MS = 500;
const LONGEST_PAUSE_MS = 5000;

/** Tells `lost` and `restored`. */
export const connection = new EventTarget();

/** @type {Promise<void> | null} */
let reconnecting = null;
let tryNow = () => {};

/** Resolves as soon as the server answers again. */
export function reconnected() {
  reconnecting ??= askUntilAnswered().finally(() => {
    reconnecting = null;
    connection.dispatchEvent(new Event("restored"));
  });
  return reconnecting;
}

/** Ends the pause between two attempts. */
export function reconnectNow() {
  tryNow();
}

async function askUntilAnswered() {
  connection.dispatchEvent(new Event("lost"));
  for (let pause = FIRST_PAUSE_MS; ; pause = Math.min(pause * 2, LONGEST_PAUSE_MS)) {
    await new Promise((resolve) => {
      tryNow = () => resolve(undefined);
      setTimeout(tryNow, pause);
    });
    try {
      await send("get", "/health", {});
      return;
    } catch (error) {
      // Another error is an answer, too: a server that is draining still serves.
      if (!(error instanceof NetworkError)) return;
    }
  }
}

addEventListener("online", reconnectNow);
