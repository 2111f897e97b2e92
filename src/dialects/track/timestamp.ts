/**
 * When an event happened (contract `track`, 2.1 and Decision 4).
 * @module
 */

/** The limits of how far a client's time may lie from the daemon's, in ms. */
export interface TimeLimits {
  readonly max_event_age_ms: number;
  readonly max_future_ms: number;
}

/** What `Date` takes for a time zone: a word of its own, or an offset behind a time of day. */
const zone = /(?<![a-z])(?:z|utc?|gmt|[ecmp][sd]t)(?![a-z])|:\d{2}(?:[.,]\d+)?\s*(?:[ap]m\s*)?[+-]\d/i;
const comment = /\([^()]*\)/g;
const dateOnly = /^\d{4}(?:-\d{2}(?:-\d{2})?)?$/;
/** No time is written longer than this. */
const maxCharacters = 100;

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

/** As `Date.parse` on a machine whose own zone is UTC. */
function parseTime(text: string): number {
  const trimmed = text.trim();
  if (trimmed === "" || trimmed.length > maxCharacters) return NaN;
  const local = Date.parse(trimmed);
  if (Number.isNaN(local) || dateOnly.test(trimmed) || zone.test(trimmed.replace(comment, ""))) return local;
  const iso = Date.parse(trimmed + "Z");
  return Number.isNaN(iso) ? Date.parse(trimmed + " UTC") : iso;
}
