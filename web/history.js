/**
 * Readings of `GET /metrics` are totals since the server started; what happened lately is the difference of two.
 *
 * @import { Schemas } from "./api-types"
 */

/**
 * What happened between two readings; nothing is known of the time in which the server was restarted.
 *
 * @typedef {{ at: number, rate: number | null, p50: number | null, p95: number | null, p99: number | null,
 *   clientErrors: number | null, serverErrors: number | null }} Point
 */

/** As long as the charts, and never longer: the page may stay open for days. */
export const WINDOW_MS = 5 * 60_000;

export class History {
  /** @type {Point[]} */
  points = [];
  /** @type {{ at: number, summary: Schemas["Summary"] } | null} */
  #last = null;

  /**
   * @param {number} at
   * @param {Schemas["Summary"]} summary
   */
  add(at, summary) {
    const last = this.#last;
    this.#last = { at, summary };
    if (!last) return;
    const isSameProcess = summary.uptime_seconds > last.summary.uptime_seconds;
    this.points.push(isSameProcess ? between(last.summary, summary, at) : unknown(at));
    const oldest = this.points.findIndex((point) => point.at >= at - WINDOW_MS);
    this.points.splice(0, oldest);
  }
}

/**
 * @param {Schemas["Summary"]} before
 * @param {Schemas["Summary"]} after
 * @param {number} at
 * @returns {Point}
 */
function between(before, after, at) {
  // The server's clock measures the time between, so a slow network does not look like a slow server.
  const seconds = after.uptime_seconds - before.uptime_seconds;
  const requests = after.request_count - before.request_count;
  const counts = after.latency.buckets.map((bucket, i) => ({
    upTo: bucket.up_to,
    count: bucket.count - (before.latency.buckets[i]?.count ?? 0),
  }));
  return {
    at,
    rate: requests / seconds,
    p50: quantile(counts, 0.5),
    p95: quantile(counts, 0.95),
    p99: quantile(counts, 0.99),
    clientErrors: requests ? (after.client_error_count - before.client_error_count) / requests : 0,
    serverErrors: requests ? (after.server_error_count - before.server_error_count) / requests : 0,
  };
}

/** @param {number} at @returns {Point} */
function unknown(at) {
  return { at, rate: null, p50: null, p95: null, p99: null, clientErrors: null, serverErrors: null };
}

/**
 * The duration that this share of the requests stayed under, taken as evenly spread within a bucket.
 *
 * @param {{ upTo?: number | undefined, count: number }[]} buckets
 * @param {number} share
 */
export function quantile(buckets, share) {
  const total = buckets.reduce((sum, { count }) => sum + count, 0);
  if (total === 0) return null;
  let missing = share * total;
  let lower = 0;
  for (const { upTo, count } of buckets) {
    // The last bucket has no bound; all that is known is that it took longer than this.
    if (upTo === undefined) return lower;
    if (count > 0 && missing <= count) return lower + (upTo - lower) * (missing / count);
    missing -= count;
    lower = upTo;
  }
  return lower;
}
