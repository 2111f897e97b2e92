/**
 * Calls to the disk that block the thread: a third of the cost of asynchronous ones where little is written, but
 * everybody waits meanwhile. So there is only so much of it between two turns of the event loop, and none for a
 * while once the disk has shown that it is slow.
 * @module
 */

import { setImmediate } from "node:timers";

/** How long all requests together may block the thread in one turn of the event loop, in ms. */
const turnMs = 2;
/** One piece that takes longer, in ms, was held up by the disk. */
const heldUpMs = 20;
/** How long nobody blocks the thread after that, in ms. */
const pauseMs = 5_000;

/** How {@link BriefWork} is made; tests have a time of their own. */
export interface BriefWorkOptions {
  /** Ms from an arbitrary start. @default performance.now */
  readonly monotonic?: () => number;
}

/** Who blocks the thread, and for how long. */
export class BriefWork {
  readonly #monotonic: () => number;
  #spentMs = 0;
  #nextTurn: Promise<void> | undefined;
  #pausedUntil = -Infinity;

  constructor({ monotonic = () => performance.now() }: BriefWorkOptions = {}) {
    this.#monotonic = monotonic;
  }

  /**
   * Does one piece in a turn that has time left for it, at once where this one has.
   * @param brief Blocks the thread.
   * @param slow Does the same and does not; taken while the disk is slow.
   */
  async run<T>(brief: () => T, slow: () => Promise<T>): Promise<T> {
    while (this.#nextTurn !== undefined && this.#spentMs >= turnMs) await this.#nextTurn;
    if (this.#monotonic() < this.#pausedUntil) return await slow();
    return this.#timed(brief);
  }

  #timed<T>(piece: () => T): T {
    const start = this.#monotonic();
    try {
      return piece();
    } finally {
      const end = this.#monotonic();
      this.#spentMs += end - start;
      if (end - start > heldUpMs) this.#pausedUntil = end + pauseMs;
      this.#nextTurn ??= new Promise((resolve) =>
        setImmediate(() => {
          this.#spentMs = 0;
          this.#nextTurn = undefined;
          resolve();
        })
      );
    }
  }
}
