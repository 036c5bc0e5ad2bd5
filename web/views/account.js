/** Who is signed in, a new password, and the way out. */

import { call } from "../api.js";
import { h } from "../dom.js";
import { ago, dateAndTime } from "../format.js";
import { sessionEnded, sessionReplaced, signOut } from "../session.js";
import { actionButton, field, form, loaded, notify } from "../ui.js";

/** @param {AbortSignal} signal */
export function accountView(signal) {
  return h(
    "div",
    { class: "stack" },
    h("h1", { tabindex: "-1" }, "Your account"),
    loaded(signal, "Loading your account…", () => call("get", "/me", { signal }), profile),
    h("section", { class: "card" }, h("h2", {}, "Change password"), passwordForm()),
    h("section", { class: "card" }, h("h2", {}, "Delete the account"), deletionForm()),
  );
}

/** @param {import("../api-types").Schemas["User"]} user */
function profile(user) {
  const leave = async () => {
    await signOut();
    notify("You are signed out.");
  };
  return h(
    "section",
    { class: "card profile" },
    h("span", { class: "avatar", "aria-hidden": "true" }, user.username.charAt(0).toUpperCase()),
    h(
      "div",
      {},
      h("h2", {}, user.username),
      h(
        "p",
        { class: "muted" },
        "Member since ",
        h("time", { datetime: user.created_at }, dateAndTime(user.created_at)),
        ` (${ago(user.created_at)})`,
      ),
      h("p", { class: "muted" }, "Account ", h("code", {}, user.id)),
    ),
    actionButton("Sign out", "Signing out…", leave),
  );
}

function passwordForm() {
  return form(
    [
      field("current_password", "Current password", { type: "password", autocomplete: "current-password" }),
      field("new_password", "New password", { type: "password", autocomplete: "new-password" }, "8 to 128 characters."),
    ],
    "Change password",
    "Changing the password…",
    async ({ current_password = "", new_password = "" }, form) => {
      sessionReplaced(await call("post", "/password", { body: { current_password, new_password } }));
      form.reset();
      notify("Your password is changed. All other devices were signed out.");
    },
  );
}

function deletionForm() {
  return form(
    [
      field(
        "password",
        "Your password",
        { type: "password", autocomplete: "current-password" },
        "The account and its sessions are gone for good, and its name is free for others.",
      ),
    ],
    "Delete my account",
    "Deleting the account…",
    async ({ password = "" }) => {
      await call("delete", "/me", { body: { password } });
      sessionEnded();
      notify("Your account is deleted.");
    },
  );
}
