/** Numbers, times and user agents as people read them. */

const relative = new Intl.RelativeTimeFormat("en", { numeric: "auto" });
const absolute = new Intl.DateTimeFormat("en", { dateStyle: "medium", timeStyle: "short" });
const UNITS = /** @type {const} */ ([
  ["day", 86_400],
  ["hour", 3600],
  ["minute", 60],
]);

/**
 * "2 hours ago", "in 14 days".
 *
 * @param {string} iso
 */
export function ago(iso) {
  const seconds = (Date.parse(iso) - Date.now()) / 1000;
  const [unit, length] = UNITS.find(([, length]) => Math.abs(seconds) >= length) ?? [];
  return unit ? relative.format(Math.round(seconds / length), unit) : "just now";
}

/** @param {string} iso */
export const dateAndTime = (iso) => absolute.format(new Date(iso));

/**
 * "3 d 4 h", "12 min 5 s": the two largest units are enough.
 *
 * @param {number} seconds
 */
export function duration(seconds) {
  const whole = Math.floor(seconds);
  const parts = [
    [Math.floor(whole / 86_400), "d"],
    [Math.floor(whole / 3600) % 24, "h"],
    [Math.floor(whole / 60) % 60, "min"],
    [whole % 60, "s"],
  ];
  const first = parts.findIndex(([count]) => count !== 0);
  const shown = first < 0 ? parts.slice(-1) : parts.slice(first, first + 2);
  return shown.map(([count, unit]) => `${count} ${unit}`).join(" ");
}

/**
 * Three digits, however large or small.
 *
 * @param {number} value
 */
export const number = (value) => value.toLocaleString("en", { maximumSignificantDigits: 3 });

/** @param {number} bytes */
export const megabytes = (bytes) => `${number(bytes / 1e6)} MB`;

/** @param {number} value */
export const perSecond = (value) => `${number(value)}/s`;

/** @param {number} share of 1 */
export const percent = (share) => `${number(share * 100)} %`;

/** @param {number} seconds */
export const latency = (seconds) => (seconds >= 1 ? `${number(seconds)} s` : `${number(seconds * 1000)} ms`);

/** The order matters: nearly every browser also claims to be the ones further down. */
const BROWSERS = /** @type {const} */ ([
  [/Edg\w*\//, "Edge"],
  [/OPR\//, "Opera"],
  [/SamsungBrowser\//, "Samsung Internet"],
  [/(Firefox|FxiOS)\//, "Firefox"],
  [/(Chrome|Chromium|CriOS)\//, "Chrome"],
  [/Version\/.*Safari\//, "Safari"],
  [/^curl\//, "curl"],
]);
const SYSTEMS = /** @type {const} */ ([
  [/iPhone/, "iPhone"],
  [/iPad/, "iPad"],
  [/Android/, "Android"],
  [/Windows/, "Windows"],
  [/Mac OS X|Macintosh/, "macOS"],
  [/CrOS/, "ChromeOS"],
  [/Linux|X11/, "Linux"],
]);

const LONGEST_NAME = 40;

/**
 * "Firefox on Linux"; a program that is not a browser is called by its own name, as far as that is short.
 *
 * @param {string} userAgent
 */
export function deviceName(userAgent) {
  const browser = BROWSERS.find(([pattern]) => pattern.test(userAgent))?.[1];
  const system = SYSTEMS.find(([pattern]) => pattern.test(userAgent))?.[1];
  const name = userAgent.split(/[\s/]/)[0] || "Unknown device";
  const fallback = name.length > LONGEST_NAME ? `${name.slice(0, LONGEST_NAME)}…` : name;
  return system ? `${browser ?? "Browser"} on ${system}` : (browser ?? fallback);
}
