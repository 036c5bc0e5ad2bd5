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

  /** On page load, and when the access token has expired. All callers wait for the same request. */
  const refresh = () =>
    (refreshing ??= api
      .POST("/refresh")
      .then(({ data, response }) => {
        // Only 401 means signed out; a failing server does not.
        if (data || response.status === 401) accessToken = data?.access_token;
      })
      .finally(() => (refreshing = undefined)));

  return { api, refresh, useAccessToken: (token: string | undefined) => (accessToken = token) };
}
