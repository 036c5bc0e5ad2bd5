/**
 * Who is signed in. The access token lives only in this module's memory; the refresh token is a cookie that scripts
 * cannot read.
 *
 * Tabs share the cookie. Three rules keep them all signed in:
 * - one refresh at a time in a tab: everybody else waits for the one that is under way;
 * - with Web Locks also one at a time in the browser, which saves requests. Without them the server forgives a token
 *   that was just replaced;
 * - only a 401 of `POST /refresh` means signed out. A lost network or a failing server does not.
 *
 * @import { Schemas } from "./api-types"
 */

import { ApiError, send } from "./http.js";

/** @type {string | null} */
let token = null;
/** @type {Schemas["User"] | null} */
let user = null;
/** @type {Promise<void> | null} */
let refreshing = null;
/** @type {(unexpected: boolean) => void} */
let changed = () => {};

/** Other tabs look for themselves when they hear something, so a message that is lost or forged does no harm. */
const tabs = "BroadcastChannel" in globalThis ? new BroadcastChannel("slipway-session") : null;

export const accessToken = () => token;
export const currentUser = () => user;

/**
 * Calls `listener` when somebody else is signed in than before; `unexpected` when nobody in this tab asked for it.
 *
 * @param {(unexpected: boolean) => void} listener
 */
export function onSessionChange(listener) {
  changed = listener;
  // Errors are for whoever waits for an answer; here nobody does, and the next request will meet them again.
  tabs?.addEventListener("message", () => refresh().catch(() => {}));
}

/** Gets a new access token, or finds out that nobody is signed in. Fails when neither can be told. */
export function refresh() {
  refreshing ??= oneTabAtATime(renew).finally(() => (refreshing = null));
  return refreshing;
}

async function renew() {
  const before = token;
  let renewed = null;
  try {
    renewed = await send("post", "/refresh", {});
  } catch (error) {
    if (!(error instanceof ApiError && error.status === 401)) throw error;
  }
  // Somebody signed in or out in this tab meanwhile, which is newer than what was just heard. Another tab may have signed in
  // as somebody else: the cookie is now theirs.
  if (token === before) become(renewed?.access_token ?? null, renewed?.user ?? null, true);
}

/** @param {() => Promise<void>} task @returns {Promise<void>} */
async function oneTabAtATime(task) {
  // Browsers have `locks` only on HTTPS and localhost.
  return navigator.locks ? navigator.locks.request("slipway-session", task) : task();
}

/**
 * Tells whether the password has to be changed before anything else can be done.
 *
 * @param {Schemas["Credentials"]} credentials
 */
export async function signIn(credentials) {
  const answer = await send("post", "/login", { body: credentials });
  begin(answer);
  return answer.password_change_required;
}

/** @param {Schemas["Credentials"]} credentials */
export async function signUp(credentials) {
  begin(await send("post", "/register", { body: credentials }));
}

/** For whoever got a new session from another request. @param {Schemas["PasswordChanged"]} answer */
export function sessionReplaced(answer) {
  begin(answer);
}

/** Ends this session. Needs no access token, so it works even when that has expired. */
export async function signOut() {
  await send("post", "/logout", {});
  sessionEnded();
}

/** For whoever ended the session with another request. */
export function sessionEnded() {
  become(null, null, false);
  tabs?.postMessage("changed");
}

/** @param {Pick<Schemas["AccessToken"], "access_token" | "user">} answer */
function begin({ access_token, user }) {
  become(access_token, user, false);
  tabs?.postMessage("changed");
}

/**
 * @param {string | null} newToken
 * @param {Schemas["User"] | null} newUser
 * @param {boolean} unexpected
 */
function become(newToken, newUser, unexpected) {
  const isSame = user?.id === newUser?.id;
  token = newToken;
  user = newUser;
  if (!isSame) changed(unexpected);
}
