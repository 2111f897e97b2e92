/**
 * A clock for tests of the client library: waits are over at once and written down, time limits end when a
 * test says so.
 * @module
 */

import type { ClientClock } from "../../src/client/client_clock.ts";

/** Time that passes only by waits. Waits are told from time limits by whether they hold the program. */
export class SkippingClock implements ClientClock {
  /** Every wait so far, in ms. */
  readonly waits: number[] = [];
  /** Called with each wait before it is over. */
  onWait: (ms: number) => void = () => undefined;
  #now: number;
  readonly #limits = new Set<() => void>();

  constructor(now = Date.UTC(2026, 0, 1)) {
    this.#now = now;
  }

  now(): number {
    return this.#now;
  }

  monotonic(): number {
    return this.#now;
  }

  after(ms: number, then: () => void, { holdsProcess }: { holdsProcess: boolean }): () => void {
    if (!holdsProcess) {
      this.#limits.add(then);
      return () => this.#limits.delete(then);
    }
    let isOff = false;
    this.waits.push(ms);
    this.onWait(ms);
    queueMicrotask(() => {
      if (isOff) return;
      this.#now += ms;
      then();
    });
    return () => {
      isOff = true;
    };
  }

  /** Time limits that are running. */
  get running(): number {
    return this.#limits.size;
  }

  /** Every time limit that is running is over. */
  endLimits(): void {
    for (const then of [...this.#limits]) then();
  }
}
