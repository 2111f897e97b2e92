/**
 * When an event happened (contract `track`, 2.1 and Decision 4).
 * @module
 */

/** The limits of how far a client's time may lie from the daemon's, in ms. */
export interface TimeLimits {
  readonly max_event_age_ms: number;
  readonly max_future_ms: number;
}

const zone = /(?:z|[+-]\d{2}:?\d{2}|gmt|utc)$/i;
const dateOnly = /^\d{4}(?:-\d{2}(?:-\d{2})?)?$/;

/**
 * The time of an event, ms since the epoch: the client's where it can be believed, else the time of arrival.
 * @param sent Value of `__timestamp`: a text that `Date` reads (without a zone it is UTC), or epoch ms.
 * @returns undefined when the event is older than the limit; as old as the limit is accepted
 */
export function eventTime(sent: unknown, arrivedAt: number, limits: TimeLimits): number | undefined {
  const time = typeof sent === "string" ? parseTime(sent) : typeof sent === "number" ? Math.trunc(sent) : NaN;
  if (!(Math.abs(time) <= 8.64e15)) return arrivedAt;
  if (time - arrivedAt > limits.max_future_ms) return arrivedAt;
  return arrivedAt - time > limits.max_event_age_ms ? undefined : time;
}

function parseTime(text: string): number {
  const trimmed = text.trim();
  if (trimmed === "") return NaN;
  if (zone.test(trimmed) || dateOnly.test(trimmed)) return Date.parse(trimmed);
  const iso = Date.parse(trimmed + "Z");
  return Number.isNaN(iso) ? Date.parse(trimmed + " UTC") : iso;
}
