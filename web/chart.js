/** A line chart of the last minutes, in SVG. It redraws a fixed number of elements, so it can run for days. */

import { h, svg } from "./dom.js";

const HEIGHT = 180;
const MARGIN = { top: 8, right: 8, bottom: 24, left: 60 };
/** Below this width every second minute is named. */
const NARROW = 420;

/** @typedef {{ at: number } & { [key: string]: number | null }} ChartPoint */
/** @typedef {{ key: string, label: string }} Series told apart by colour and by dashes, and named in the legend */

/**
 * @param {string} title
 * @param {Series[]} series
 * @param {(value: number) => string} format
 * @param {{ windowMs: number, leastTop: number }} scale `leastTop` keeps noise around zero from filling the chart
 */
export function lineChart(title, series, format, { windowMs, leastTop }) {
  const grid = svg("g", { class: "grid" });
  const lines = series.map((_, i) => svg("path", { class: `line line-${i + 1}` }));
  const cursor = svg("line", { class: "cursor", y1: MARGIN.top, y2: HEIGHT - MARGIN.bottom, visibility: "hidden" });
  const picture = svg("svg", { role: "img", height: HEIGHT }, grid, ...lines, cursor);
  const values = series.map(() => h("output", { "aria-live": "off" }, "–"));
  const legend = series.map(({ label }, i) => h("li", { class: `key-${i + 1}` }, `${label} `, values[i]));
  const moment = h("span", { class: "moment" }, "now");
  const frame = h("div", {}, picture);
  const element = h(
    "figure",
    { class: "chart" },
    h("figcaption", {}, h("h3", {}, title), moment, h("ul", {}, ...legend)),
    frame,
  );

  /** @type {ChartPoint[]} */
  let points = [];
  let end = Date.now();
  /** @type {number | null} */
  let pointerX = null;
  let width = 320;

  /** @param {number} at */
  const x = (at) => MARGIN.left + (1 - (end - at) / windowMs) * (width - MARGIN.left - MARGIN.right);

  function redraw() {
    const highest = Math.max(leastTop, ...points.flatMap((point) => series.map(({ key }) => point[key] ?? 0)));
    const { top, step } = niceScale(highest);
    /** @param {number} value */
    const y = (value) => HEIGHT - MARGIN.bottom - (value / top) * (HEIGHT - MARGIN.top - MARGIN.bottom);
    picture.setAttribute("width", String(width));
    picture.setAttribute("viewBox", `0 0 ${width} ${HEIGHT}`);
    grid.replaceChildren(...horizontalGrid(top, step, y), ...minutes());
    lines.forEach((line, i) => line.setAttribute("d", pathOf(series[i]?.key ?? "", y)));
    showValues();
  }

  /** @param {number} top @param {number} step @param {(value: number) => number} y */
  function horizontalGrid(top, step, y) {
    const ticks = Array.from({ length: Math.round(top / step) + 1 }, (_, i) => i * step);
    return ticks.flatMap((tick) => [
      svg("line", { x1: MARGIN.left, x2: width - MARGIN.right, y1: y(tick), y2: y(tick) }),
      svg("text", { x: MARGIN.left - 8, y: y(tick) + 4, "text-anchor": "end" }, format(tick)),
    ]);
  }

  function minutes() {
    const every = width < NARROW ? 2 : 1;
    const count = Math.floor(windowMs / 60_000 / every);
    return Array.from({ length: count + 1 }, (_, i) => {
      const label = i === 0 ? "now" : `−${i * every} min`;
      const anchor = i === 0 ? "end" : "middle";
      return svg("text", { x: x(end - i * every * 60_000), y: HEIGHT - 6, "text-anchor": anchor }, label);
    });
  }

  /** A value that is not known interrupts the line. @param {string} key @param {(value: number) => number} y */
  function pathOf(key, y) {
    let command = "M";
    return points
      .map((point) => {
        const value = point[key];
        if (value === null || value === undefined) {
          command = "M";
          return "";
        }
        const part = `${command}${x(point.at).toFixed(1)},${y(value).toFixed(1)}`;
        command = "L";
        return part;
      })
      .join("");
  }

  /** The legend shows the latest values, or those under the pointer. */
  function showValues() {
    const at = pointerX;
    const nearest = at === null ? null : points.toSorted((a, b) => Math.abs(x(a.at) - at) - Math.abs(x(b.at) - at))[0];
    const point = nearest ?? points.at(-1);
    const texts = series.map(({ key }) => {
      const value = point?.[key];
      return value === null || value === undefined ? "–" : format(value);
    });
    texts.forEach((text, i) => (values[i] ? (values[i].value = text) : null));
    moment.textContent = nearest ? `${Math.round((end - nearest.at) / 1000)} s ago` : "now";
    cursor.setAttribute("visibility", nearest ? "visible" : "hidden");
    if (nearest) for (const end of ["x1", "x2"]) cursor.setAttribute(end, String(x(nearest.at)));
    const spoken = series.map(({ label }, i) => `${label} ${texts[i]}`).join(", ");
    picture.setAttribute("aria-label", `${title}, last ${windowMs / 60_000} minutes. Now: ${spoken}.`);
  }

  picture.addEventListener("pointermove", (event) => {
    pointerX = event.offsetX;
    showValues();
  });
  picture.addEventListener("pointerleave", () => {
    pointerX = null;
    showValues();
  });
  new ResizeObserver(() => {
    width = Math.max(200, frame.clientWidth);
    redraw();
  }).observe(frame);

  return {
    element,
    /** @param {ChartPoint[]} newPoints @param {number} now */
    draw(newPoints, now) {
      points = newPoints;
      end = now;
      redraw();
    },
  };
}

/**
 * A top, and a step that is 1, 2 or 5 times a power of ten, so that two to five steps lead there.
 *
 * @param {number} highest
 */
function niceScale(highest) {
  const rough = highest / 4;
  const magnitude = 10 ** Math.floor(Math.log10(rough));
  const step = magnitude * ([1, 2, 5, 10].find((factor) => factor * magnitude >= rough) ?? 10);
  return { top: Math.ceil(highest / step - 1e-9) * step, step };
}
