/**
 * Calls the API as whoever is signed in. An expired access token is renewed and the call repeated, unseen; a lost
 * network is waited out where repeating is safe.
 *
 * @import { Answer, MethodOf, Options, Path } from "./api-types"
 */

import { reconnected } from "./connection.js";
import { ApiError, NetworkError, exchange } from "./http.js";
import { accessToken, currentUser, refresh } from "./session.js";

/**
 * @template {Path} P
 * @template {MethodOf<P>} M
 * @param {M} method
 * @param {P} path
 * @param {Options<P, M>} options
 * @returns {Promise<Answer<P, M>>}
 */
export async function call(method, path, options) {
  return (await onceConnected(() => authorized(method, path, options), method === "get")).body;
}

/**
 * One page of where the account is signed in, and the cursor of the next one if there is any.
 *
 * @param {AbortSignal} signal
 * @param {string} [cursor]
 */
export async function sessionsPage(signal, cursor) {
  const query = cursor ? { cursor } : {};
  const { body, headers } = await onceConnected(() => authorized("get", "/sessions", { query, signal }), true);
  const [, next] = /[?&]cursor=([^&>]+)[^>]*>; rel="next"/.exec(headers.get("Link") ?? "") ?? [];
  return { sessions: body, next };
}

/**
 * Does `task`, and again after the network was lost. What changes something is not repeated unless the caller knows
 * that twice is as good as once: the first attempt may have arrived.
 *
 * @template T
 * @param {() => Promise<T>} task
 * @param {boolean} isRepeatable
 * @returns {Promise<T>}
 */
export async function onceConnected(task, isRepeatable) {
  for (;;) {
    try {
      return await task();
    } catch (error) {
      if (!(error instanceof NetworkError)) throw error;
      const connected = reconnected();
      if (!isRepeatable) throw error;
      await connected;
    }
  }
}

/**
 * @template {Path} P
 * @template {MethodOf<P>} M
 * @param {M} method
 * @param {P} path
 * @param {Options<P, M>} options
 * @returns {Promise<{ body: Answer<P, M>, headers: Headers }>}
 */
async function authorized(method, path, options) {
  const token = accessToken();
  const user = currentUser()?.id;
  try {
    return await exchange(method, path, { ...options, token });
  } catch (error) {
    if (!(error instanceof ApiError) || error.status !== 401 || !token) throw error;
    // Another call may have renewed it while this one was under way.
    if (accessToken() === token) await refresh();
    // What one user asked for is not done as another.
    if (!user || currentUser()?.id !== user) throw new Error(sessionIsOver());
    return exchange(method, path, { ...options, token: accessToken() });
  }
}

const sessionIsOver = () =>
  currentUser() ? "That was not done: another tab signed in." : "Your session has ended. Sign in again.";
