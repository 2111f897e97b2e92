/**
 * One timer that looks after all bodies in flight: a client that sends no byte for too long, or takes too long
 * as a whole, is given up. A timer for each read would cost more than the read.
 * @module
 */

import type { Clock } from "../base/clock.ts";

/** Bounds that may change while the daemon runs. */
export interface StallLimits {
  readonly stall_timeout_ms: number;
  readonly body_timeout_ms: number;
}

/** One body under watch. */
export interface Watch extends Disposable {
  /** The next byte is waited for, from now on; so it is from the start. */
  wait(): void;
  /** It came, and nobody waits: a client is not to blame for the time that is spent with what it sent. */
  rest(): void;
  /** Set once the body was given up. */
  readonly reason: string | undefined;
}

interface Watched {
  since: number;
  /** Since when the next byte is waited for; Infinity while none is. */
  waitingSince: number;
  reason: string | undefined;
  giveUp: (reason: string) => void;
}

/** Watches bodies; looks at them every half second while there are any. */
export class StallWatch {
  readonly #clock: Clock;
  readonly #limits: () => StallLimits;
  readonly #bodies = new Set<Watched>();
  #timer: ReturnType<typeof setInterval> | undefined;

  constructor(limits: () => StallLimits, clock: Clock) {
    this.#limits = limits;
    this.#clock = clock;
  }

  /** Begins to watch; `giveUp` is called once, with the reason, when the body is late. */
  watch(giveUp: (reason: string) => void): Watch {
    const now = this.#clock.monotonic();
    const body: Watched = { since: now, waitingSince: now, reason: undefined, giveUp };
    this.#bodies.add(body);
    if (this.#timer === undefined) {
      this.#timer = setInterval(() => this.#tick(), 500);
      Deno.unrefTimer(this.#timer);
    }
    return {
      wait: () => {
        body.waitingSince = this.#clock.monotonic();
      },
      rest: () => {
        body.waitingSince = Infinity;
      },
      get reason() {
        return body.reason;
      },
      [Symbol.dispose]: () => {
        this.#forget(body);
      },
    };
  }

  /** Gives up the bodies that are late now. */
  check(): void {
    const now = this.#clock.monotonic();
    const { stall_timeout_ms: stallMs, body_timeout_ms: totalMs } = this.#limits();
    for (const body of this.#bodies) {
      if (now - body.waitingSince >= stallMs) body.reason = `No byte of the body came for ${stallMs} ms`;
      else if (now - body.since >= totalMs) body.reason = `The body took longer than ${totalMs} ms`;
      else continue;
      this.#forget(body);
      body.giveUp(body.reason);
    }
  }

  /** Stops the timer; bodies that are still watched are not looked at any more. */
  stop(): void {
    clearInterval(this.#timer);
    this.#timer = undefined;
  }

  /** The timer outlives the body that started it, since the next one is not far; an idle tick ends it. */
  #tick(): void {
    if (this.#bodies.size === 0) this.stop();
    else this.check();
  }

  #forget(body: Watched): void {
    this.#bodies.delete(body);
  }
}
