import createClient from "openapi-fetch";
import type { paths } from "../openapi";

/** A client of the API at `baseUrl`, which may be another origin of the same site. */
export function connect(baseUrl: string) {
  let accessToken: string | undefined;
  let refreshing: Promise<void> | undefined;

  const send = (request: Request) => {
    const copy = request.clone(); // A body can be read only once, and this request may be sent twice.
    if (accessToken) copy.headers.set("Authorization", `Bearer ${accessToken}`);
    return fetch(copy);
  };

  const api = createClient<paths>({
    baseUrl,
    credentials: "include", // Sends and stores the refresh cookie, although the API is another origin.
    async fetch(request) {
      const response = await send(request);
      if (response.status !== 401 || !accessToken || request.url.endsWith("/refresh")) return response;
      await refresh();
      return accessToken ? send(request) : response;
    },
  });

  const renew = async (): Promise<void> => {
    const { data, response } = await api.POST("/refresh");
    // Only 401 means signed out; a failing server does not.
    if (data || response.status === 401) accessToken = data?.access_token;
  };
  // Tabs share the cookie, so they take turns; browsers have locks on HTTPS and localhost.
  const inTurn = async (task: () => Promise<void>): Promise<void> => {
    await (navigator.locks?.request("refresh", task) ?? task());
  };
  /** On page load, and when the access token has expired. All callers in this tab wait for the same request. */
  const refresh = (): Promise<void> => (refreshing ??= inTurn(renew).finally(() => (refreshing = undefined)));

  return { api, refresh, useAccessToken: (token: string | undefined) => (accessToken = token) };
}
