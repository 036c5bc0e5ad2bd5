/** Sign in and sign up: the same form with other words. */

import { h } from "../dom.js";
import { signIn, signUp } from "../session.js";
import { field, form, notify } from "../ui.js";

/** @param {Record<string, string>} values */
const credentials = ({ username = "", password = "" }) => ({ username, password });

export function signInView() {
  return page(
    "Sign in",
    form(
      [
        field("username", "Username", usernameInput({ autocomplete: "username" })),
        field("password", "Password", { type: "password", autocomplete: "current-password" }),
      ],
      "Sign in",
      "Signing in…",
      async (values) => {
        if (await signIn(credentials(values))) {
          location.hash = "#/account";
          notify("This password was made for one sign-in. Choose one of your own.");
        }
      },
    ),
    h("p", { class: "aside" }, "No account yet? ", h("a", { href: "#/sign-up" }, "Sign up")),
  );
}

export function signUpView() {
  return page(
    "Sign up",
    form(
      [
        field(
          "username",
          "Username",
          usernameInput({ autocomplete: "username" }),
          "1 to 64 letters, digits, “.”, “_”, “-”, “+” or “@”.",
        ),
        field("password", "Password", { type: "password", autocomplete: "new-password" }, "8 to 128 characters."),
      ],
      "Create account",
      "Creating your account…",
      (values) => signUp(credentials(values)),
    ),
    h("p", { class: "aside" }, "Have an account? ", h("a", { href: "#/sign-in" }, "Sign in")),
  );
}

/** @param {Record<string, unknown>} attributes */
const usernameInput = (attributes) => ({ autocapitalize: "none", spellcheck: "false", ...attributes });

/**
 * @param {string} title
 * @param {...Node} content
 */
function page(title, ...content) {
  return h(
    "div",
    { class: "entrance" },
    h(
      "section",
      { class: "pitch" },
      h("p", { class: "slogan" }, "Accounts and sessions, ready to launch."),
      h(
        "ul",
        {},
        h("li", {}, "The access token stays in this page’s memory for ten minutes."),
        h("li", {}, "The refresh cookie is out of reach of every script."),
        h("li", {}, "Open as many tabs as you like: they all stay signed in."),
      ),
    ),
    h("section", { class: "card" }, h("h1", { tabindex: "-1" }, title), ...content),
  );
}
