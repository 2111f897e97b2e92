/**
 * Time, passed in so that tests own it.
 * @module
 */

/** Where the daemon reads the time. */
export interface Clock {
  /** Wall clock, milliseconds since the epoch, UTC. May go backwards. */
  now(): number;
  /** Milliseconds from an arbitrary start. Never goes backwards. */
  monotonic(): number;
}

/** The machine's own clock. */
export const systemClock: Clock = {
  now: () => Date.now(),
  monotonic: () => performance.now(),
};
