/**
 * Who waits for whom while a body comes in: the daemon for its client, or the client for the daemon.
 * @module
 */

import type { Clock } from "../base/clock.ts";

/** Watches the reads of one body. At most one waits at a time. */
export class Inflow {
  /** Was the body's length known before it was sent? */
  readonly isAnnounced: boolean;
  readonly #clock: Clock;
  #reads = 0;
  /** Since when the last read waits; Infinity while none does. */
  #since = Infinity;
  #waitedMs = 0;

  constructor(clock: Clock, isAnnounced: boolean) {
    this.#clock = clock;
    this.isAnnounced = isAnnounced;
  }

  /** A read begins. */
  wait(): void {
    this.#reads++;
    this.#since = this.#clock.monotonic();
  }

  /** It is over, whatever came of it. */
  rest(): void {
    this.#waitedMs = this.waitedMs;
    this.#since = Infinity;
  }

  /** The running number of the read that waits; 0 while none does. */
  get pendingRead(): number {
    return this.#since === Infinity ? 0 : this.#reads;
  }

  /** How long it has waited; 0 while none does. */
  get silentMs(): number {
    return Math.max(0, this.#clock.monotonic() - this.#since);
  }

  /** How long all reads have waited, with the one that does. */
  get waitedMs(): number {
    return this.#waitedMs + this.silentMs;
  }
}
