/**
 * Turns for everybody: long work between two awaits lets other requests wait.
 * @module
 */

import { setImmediate } from "node:timers";

/**
 * How long one request may work before the others get a turn, in ms. A small request needs several turns, for its
 * body, its write and its sync, and waits for every large one in each of them.
 */
const turnMs = 0.5;

/** Gives the event loop a turn when this request has worked for long enough since its last one. */
export class Breath {
  #since = performance.now();

  /** @returns a promise when it is time to let others work, else nothing. */
  pause(): Promise<void> | undefined {
    if (performance.now() - this.#since < turnMs) return undefined;
    return new Promise((resolve) =>
      setImmediate(() => {
        this.#since = performance.now();
        resolve();
      })
    );
  }
}
