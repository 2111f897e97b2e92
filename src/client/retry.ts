/**
 * When to try again, and how long to wait before.
 * @module
 */

/** How often and how soon something is tried again. */
export interface RetryOptions {
  /** Tries after the first one; Infinity for ever. @default 2 */
  retries?: number;
  /** Wait before the second try; it doubles with each further one. @default 1000 */
  firstDelayMs?: number;
  /** No wait that doubling gives is longer. @default 30000 */
  maxDelayMs?: number;
  /** Share by which a wait is made shorter or longer at random, from 0 to 1. @default 0.2 */
  jitter?: number;
  /**
   * A server may ask for a longer wait with Retry-After, up to this; where it asks for more, nothing is tried
   * again and the wait is told. @default 60000
   */
  maxRetryAfterMs?: number;
}

/** {@link RetryOptions} with nothing left out. */
export type RetryPolicy = Readonly<Required<RetryOptions>>;

/** Fills in what is left out. */
export function retryPolicy(options: RetryOptions = {}): RetryPolicy {
  const { retries = 2, firstDelayMs = 1_000, maxDelayMs = 30_000, jitter = 0.2 } = options;
  const { maxRetryAfterMs = 60_000 } = options;
  return { retries, firstDelayMs, maxDelayMs, jitter, maxRetryAfterMs };
}

const retryable: ReadonlySet<number> = new Set([408, 425, 429, 500, 502, 503, 504]);

/** May the same request succeed later? Statuses that say nothing about what was sent. */
export function isRetryableStatus(status: number): boolean {
  return retryable.has(status);
}

/**
 * Wait before the next try, in ms.
 * @param tries How many there were, from 1.
 * @param random From 0 to 1, 1 excluded.
 */
export function backoffMs(tries: number, policy: RetryPolicy, random: number): number {
  const delayMs = Math.min(policy.maxDelayMs, policy.firstDelayMs * 2 ** Math.min(tries - 1, 52));
  return delayMs * (1 - policy.jitter + 2 * policy.jitter * random);
}

/**
 * The wait that a reply asks for with Retry-After (RFC 9110, section 10.2.3), in ms from now. A date is
 * compared with the reply's own Date, so that it does not matter when the two clocks differ.
 * @returns undefined when it asks for none, or in no known form
 */
export function retryAfterMs(headers: Headers, now: number): number | undefined {
  const text = headers.get("retry-after")?.trim();
  if (!text) return undefined;
  if (/^\d{1,10}$/.test(text)) return Number(text) * 1_000;
  const until = parseHttpDate(text);
  if (until === undefined) return undefined;
  return Math.max(0, until - (parseHttpDate(headers.get("date") ?? "") ?? now));
}

/** Every form of HTTP date names the month in letters; Date.parse alone would take "-5" as a year. */
function parseHttpDate(text: string): number | undefined {
  const ms = /[A-Za-z]{3}/.test(text) ? Date.parse(text) : NaN;
  return Number.isNaN(ms) ? undefined : ms;
}
