import createClient, { type Middleware } from "openapi-fetch";
import type { paths } from "../openapi";

let accessToken: string | undefined;
let refreshing: Promise<void> | undefined;

// "include" sends and stores the refresh cookie although the API is another origin.
export const api = createClient<paths>({ baseUrl: "http://localhost:8000", credentials: "include" });

export function setAccessToken(token: string | undefined) {
  accessToken = token;
}

// All callers wait for one refresh. Only a 401 means signed out: other errors pass.
export function refresh() {
  refreshing ??= api
    .POST("/refresh")
    .then(({ data, response }) => {
      if (data || response.status === 401) setAccessToken(data?.access_token);
    })
    .finally(() => (refreshing = undefined));
  return refreshing;
}

const retries = new Map<string, Request>();
const authentication: Middleware = {
  onRequest({ request, id }) {
    if (accessToken) request.headers.set("Authorization", `Bearer ${accessToken}`);
    if (accessToken) retries.set(id, request.clone());
    return request;
  },
  async onResponse({ response, id }) {
    const retry = retries.get(id);
    retries.delete(id);
    if (response.status !== 401 || !retry) return;
    await refresh();
    if (!accessToken) return;
    retry.headers.set("Authorization", `Bearer ${accessToken}`);
    return fetch(retry);
  },
};
api.use(authentication);
