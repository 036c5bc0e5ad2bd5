/**
 * One request and its answer. Nothing here knows about sign-in or retries.
 *
 * @import { Answer, MethodOf, Options, Path, Schemas } from "./api-types"
 */

/** Longer than the server's own deadline of ten seconds, so that a slow answer is still heard. */
const PATIENCE_MS = 15_000;

/** The server answered, and said no. The message is the problem's `detail`, which is written for people. */
export class ApiError extends Error {
  /** @param {Schemas["Problem"]} problem */
  constructor(problem) {
    super(problem.detail);
    this.status = problem.status;
    this.code = problem.code;
    this.errors = problem.errors ?? [];
    this.requestId = problem.request_id;
  }
}

/** Nobody answered: whether the server did what was asked is not known. */
export class NetworkError extends Error {
  constructor() {
    super("The server does not answer. Check your connection and try again.");
  }
}

/**
 * Sends one request. The types say which bodies, parameters and answers belong to which path.
 *
 * @template {Path} P
 * @template {MethodOf<P>} M
 * @param {M} method
 * @param {P} path
 * @param {Options<P, M>} options
 * @returns {Promise<Answer<P, M>>}
 */
export async function send(method, path, options) {
  return (await exchange(method, path, options)).body;
}

/**
 * The same, with what the answer says besides its body.
 *
 * @template {Path} P
 * @template {MethodOf<P>} M
 * @param {M} method
 * @param {P} path
 * @param {Options<P, M>} options
 * @returns {Promise<{ body: Answer<P, M>, headers: Headers }>}
 */
export async function exchange(method, path, options) {
  const { body, token, signal } = options;
  const timeout = AbortSignal.timeout(PATIENCE_MS);
  let response;
  try {
    response = await fetch(address(path, options.path, options.query), {
      method: method.toUpperCase(),
      headers: {
        Accept: "application/json",
        ...(body === undefined ? {} : { "Content-Type": "application/json" }),
        ...(token ? { Authorization: `Bearer ${token}` } : {}),
      },
      body: body === undefined ? null : JSON.stringify(body),
      signal: signal ? AbortSignal.any([signal, timeout]) : timeout,
    });
    if (response.ok) return { body: await response.json(), headers: response.headers };
  } catch {
    // A caller who gave up wants to hear that, not that the network is lost.
    signal?.throwIfAborted();
    throw new NetworkError();
  }
  throw await problemOf(response);
}

/**
 * @param {string} path
 * @param {unknown} parameters
 * @param {unknown} query
 */
function address(path, parameters, query) {
  const filled = Object.entries(parameters ?? {}).reduce(
    (filled, [name, value]) => filled.replace(`{${name}}`, encodeURIComponent(value)),
    path,
  );
  const search = new URLSearchParams(Object.entries(query ?? {})).toString();
  return search ? `${filled}?${search}` : filled;
}

/**
 * A proxy in front of the server may answer with a page of its own, and 502 is how it says that nobody is behind it.
 *
 * @param {Response} response
 */
async function problemOf(response) {
  const problem = await response.json().catch(() => null);
  if (typeof problem?.detail === "string") return new ApiError(problem);
  if (response.status === 502) return new NetworkError();
  return new ApiError({
    type: "about:blank",
    title: response.statusText,
    status: response.status,
    detail: `The server failed (${response.status}). Try again a little later.`,
    instance: "",
    code: "internal_error",
    request_id: response.headers.get("X-Request-Id") ?? "",
  });
}
