/**
 * Time as the client library sees it: one seam, so that tests need not wait and no timer keeps a program alive.
 * @module
 */

/** Where the client library takes time and timers from. */
export interface ClientClock {
  /** Ms since the epoch. */
  now(): number;
  /** Ms that only ever grow, from any start. */
  monotonic(): number;
  /**
   * Calls `then` once, after so many ms.
   * @param options.holdsProcess Does the program stay alive until then?
   * @returns what calls it off
   */
  after(ms: number, then: () => void, options: { holdsProcess: boolean }): () => void;
}

/** Longer timers fire at once, in every runtime. */
const maxTimerMs = 2 ** 31 - 1;

/** The runtime's own time. */
export const systemClock: ClientClock = {
  now: () => Date.now(),
  monotonic: () => performance.now(),
  after(ms, then, { holdsProcess }): () => void {
    const timer: unknown = setTimeout(then, Math.min(Math.max(0, ms), maxTimerMs));
    if (!holdsProcess) letProcessEnd(timer);
    return () => clearTimeout(timer as number);
  },
};

/** Node and Bun hand out timers with a method for it, Deno a number and a function; a browser has neither. */
function letProcessEnd(timer: unknown): void {
  if (typeof timer === "object" && timer !== null) {
    (timer as { unref?: () => void }).unref?.();
    return;
  }
  const { Deno } = globalThis as { Deno?: { unrefTimer?: (id: number) => void } };
  if (typeof timer === "number") Deno?.unrefTimer?.(timer);
}
