/**
 * What several views are made of: forms, waits, errors, questions.
 *
 * @import { Schemas } from "./api-types"
 */

import { byId, h } from "./dom.js";
import { ApiError } from "./http.js";

let fields = 0;

/**
 * Says something that a screen reader reads out, and that goes away by itself.
 *
 * @param {string} text
 */
export function notify(text) {
  const notice = byId("notice");
  const message = h("p", { class: "message" }, text);
  notice.replaceChildren(message);
  setTimeout(() => message.remove(), 8000);
}

/** @param {unknown} error */
export const messageOf = (error) => (error instanceof Error ? error.message : String(error));

/**
 * Shows that something is awaited, then `show`s it, or the error with a way to try again.
 *
 * @template T
 * @param {AbortSignal} signal ends when the view is left
 * @param {string} waiting
 * @param {() => Promise<T>} get
 * @param {(result: T) => Node} show
 */
export function loaded(signal, waiting, get, show) {
  const place = h("div", { tabindex: "-1" });
  const load = async () => {
    // The button that was pressed is about to go.
    if (place.contains(document.activeElement)) place.focus();
    place.setAttribute("aria-busy", "true");
    place.replaceChildren(h("p", { class: "loading", role: "status" }, waiting));
    try {
      place.replaceChildren(show(await get()));
    } catch (error) {
      if (signal.aborted) return;
      place.replaceChildren(
        h("p", { class: "message error", role: "alert" }, messageOf(error)),
        h("button", { type: "button", onclick: load }, "Try again"),
      );
    }
    place.setAttribute("aria-busy", "false");
  };
  load();
  return place;
}

/**
 * A button whose wait is seen, and that cannot be pressed twice.
 *
 * @param {string} label
 * @param {string} waiting
 * @param {() => Promise<void>} action
 * @param {Record<string, unknown>} [attributes]
 * @param {() => Promise<boolean>} [ask] whether to do it
 */
export function actionButton(label, waiting, action, attributes = {}, ask = async () => true) {
  const button = h("button", { type: "button", onclick: press, ...attributes }, label);
  async function press() {
    if (isBusy(button) || !(await ask())) return;
    try {
      await busy(button, waiting, action);
    } catch (error) {
      notify(messageOf(error));
    }
  }
  return button;
}

/** @param {HTMLButtonElement} button */
const isBusy = (button) => button.getAttribute("aria-disabled") === "true";

/**
 * `disabled` would throw the keyboard's focus away, so the button only says that it is.
 *
 * @param {HTMLButtonElement} button
 * @param {string} waiting
 * @param {() => Promise<void>} action
 */
async function busy(button, waiting, action) {
  const label = button.textContent;
  button.setAttribute("aria-disabled", "true");
  button.textContent = waiting;
  try {
    await action();
  } finally {
    button.removeAttribute("aria-disabled");
    button.textContent = label;
  }
}

/**
 * A labelled input. Rules are not repeated in the browser: the server says what is wrong, and the form shows it here.
 *
 * @param {string} name
 * @param {string} label
 * @param {Record<string, unknown>} attributes
 * @param {string} [hint]
 */
export function field(name, label, attributes, hint) {
  const id = `field-${++fields}`;
  const input = h("input", { id, name, "aria-describedby": `${id}-hint ${id}-error`, ...attributes });
  return h(
    "div",
    { class: "field" },
    h("label", { for: id }, label),
    attributes.type === "password" ? h("div", { class: "password" }, input, revealer(input, label)) : input,
    h("p", { id: `${id}-hint`, class: "hint" }, hint),
    h("p", { id: `${id}-error`, class: "field-error" }),
  );
}

/**
 * @param {HTMLInputElement} input
 * @param {string} label
 */
function revealer(input, label) {
  const button = h("button", { type: "button", class: "quiet", "aria-pressed": "false", onclick: toggle }, "Show");
  button.setAttribute("aria-label", `Show ${label.toLowerCase()}`);
  function toggle() {
    const isShown = input.type === "password";
    input.type = isShown ? "text" : "password";
    button.textContent = isShown ? "Hide" : "Show";
    button.setAttribute("aria-pressed", String(isShown));
  }
  return button;
}

/**
 * A form that sends its values to `submit` and shows what comes of it.
 *
 * @param {HTMLElement[]} content
 * @param {string} label
 * @param {string} waiting
 * @param {(values: Record<string, string>, form: HTMLFormElement) => Promise<void>} submit
 */
export function form(content, label, waiting, submit) {
  const button = h("button", { class: "primary" }, label);
  const error = h("p", { class: "message error", role: "alert", hidden: true });
  const element = h("form", { novalidate: true, onsubmit: onSubmit }, ...content, error, button);

  /** @param {SubmitEvent} event */
  async function onSubmit(event) {
    event.preventDefault();
    if (isBusy(button)) return;
    clearErrors(element);
    error.hidden = true;
    const entries = [...new FormData(element)].map(([name, value]) => [name, String(value)]);
    try {
      await busy(button, waiting, () => submit(Object.fromEntries(entries), element));
    } catch (failure) {
      if (failure instanceof ApiError && showAtFields(element, failure.errors)) return;
      error.textContent = messageOf(failure);
      error.hidden = false;
    }
  }
  return element;
}

/** @param {HTMLFormElement} form */
function clearErrors(form) {
  for (const input of form.querySelectorAll("input")) input.removeAttribute("aria-invalid");
  for (const error of form.querySelectorAll(".field-error")) error.textContent = "";
}

/**
 * Shows each error at the field that it names, and tells whether every one of them has a field here.
 *
 * @param {HTMLFormElement} form
 * @param {Schemas["ErrorItem"][]} errors
 */
function showAtFields(form, errors) {
  const shown = errors.filter(({ pointer, detail }) => {
    const input = pointer && form.querySelector(`input[name="${CSS.escape(pointer.replace("#/", ""))}"]`);
    const error = input && document.getElementById(`${input.id}-error`);
    if (!error) return false;
    error.textContent = detail.charAt(0).toUpperCase() + detail.slice(1);
    input.setAttribute("aria-invalid", "true");
    return true;
  });
  const first = form.querySelector('[aria-invalid="true"]');
  if (first instanceof HTMLInputElement) first.focus();
  return shown.length > 0 && shown.length === errors.length;
}

/**
 * Asks before something that cannot be undone. The browser's own dialog element keeps the focus inside, closes on
 * Escape and gives the focus back.
 *
 * @param {string} question
 * @param {string} explanation
 * @param {string} yes
 * @returns {Promise<boolean>}
 */
export function confirmed(question, explanation, yes) {
  const dialog = h(
    "dialog",
    { "aria-labelledby": "question", "aria-describedby": "explanation" },
    h("h2", { id: "question" }, question),
    h("p", { id: "explanation" }, explanation),
    h(
      "form",
      { method: "dialog", class: "actions" },
      h("button", { value: "no" }, "Cancel"),
      h("button", { value: "yes", class: "danger" }, yes),
    ),
  );
  document.body.append(dialog);
  dialog.showModal();
  return new Promise((resolve) => {
    dialog.addEventListener("close", () => {
      dialog.remove();
      resolve(dialog.returnValue === "yes");
    });
  });
}
