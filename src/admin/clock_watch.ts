/**
 * A wall clock that goes back: the daemon copes, and whoever reads its rows should know.
 * @module
 */

import type { Clock } from "../base/clock.ts";
import type { Log } from "../base/log.ts";
import type { Check } from "./health.ts";

/** A clock that is set by NTP goes back by less. */
const toleratedMs = 1_000;

/** Knows the latest time that the wall clock showed, and how far behind that it is. */
export class ClockWatch {
  readonly #clock: Clock;
  readonly #log: Log;
  #latest = -Infinity;
  #isBehind = false;

  constructor(clock: Clock, log: Log) {
    this.#clock = clock;
    this.#log = log;
    this.look();
  }

  /**
   * To be called now and then: what passes between two calls is not seen. Logs once for each time that the clock goes
   * back.
   * @returns by how many ms the clock is behind the latest time that it showed; 0 where it is about right
   */
  look(): number {
    const now = this.#clock.now();
    this.#latest = Math.max(this.#latest, now);
    const behindMs = this.#latest - now;
    const wasBehind = this.#isBehind;
    this.#isBehind = behindMs > toleratedMs;
    if (!this.#isBehind) return 0;
    if (!wasBehind) this.#log.warn("The clock went back", { duration_ms: behindMs });
    return behindMs;
  }

  /** Degraded until the clock has caught up with itself. */
  check(): Check {
    const behindMs = this.look();
    const figures = { behind_ms: behindMs };
    if (behindMs === 0) return { name: "clock", state: "ok", figures };
    return { name: "clock", state: "degraded", reason: "The wall clock went back", figures };
  }
}
