/** The smallest endpoint: one request, one answer. The view to copy for a new one. */

import { call } from "../api.js";
import { h } from "../dom.js";
import { field, form } from "../ui.js";

export function helloView() {
  const greeting = h("output", { class: "greeting" });
  return h(
    "div",
    { class: "stack narrow" },
    h("h1", { tabindex: "-1" }, "Hello"),
    h(
      "section",
      { class: "card" },
      form(
        [field("name", "Name", { autocomplete: "given-name" }, "Leave it empty to greet the world.")],
        "Say hello",
        "Asking the server…",
        async ({ name = "" }) => {
          greeting.value = "";
          greeting.value = (await call("get", "/hello", { query: { name } })).message;
        },
      ),
      greeting,
    ),
  );
}
