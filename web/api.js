/**
 * Calls the API as whoever is signed in. An expired access token is renewed and the call repeated, unseen; a lost
 * network is waited out where repeating is safe.
 *
 * @import { Answer, MethodOf, Options, Path } from "./api-types"
 */

import { reconnected } from "./connection.js";
import { ApiError, NetworkError, send } from "./http.js";
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
  return onceConnected(() => authorized(method, path, options), method === "get");
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
 * @returns {Promise<Answer<P, M>>}
 */
async function authorized(method, path, options) {
  const token = accessToken();
  const session = currentUser()?.session_id;
  try {
    return await send(method, path, { ...options, token });
  } catch (error) {
    if (!(error instanceof ApiError) || error.status !== 401 || !token) throw error;
    // Another call may have renewed it while this one was under way.
    if (accessToken() === token) await refresh();
    // What one user asked for is not done as another.
    if (!session || currentUser()?.session_id !== session) throw new Error(sessionIsOver());
    return send(method, path, { ...options, token: accessToken() });
  }
}

const sessionIsOver = () =>
  currentUser() ? "That was not done: another tab signed in." : "Your session has ended. Sign in again.";
