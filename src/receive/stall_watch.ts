/**
 * One timer that looks after all bodies in flight: a client that sends no byte for too long, or takes too long
 * as a whole, is given up. A timer for each read would cost more than the read. A daemon that stops gives up all.
 * @module
 */

import type { Clock } from "../base/clock.ts";
import { WeirError } from "../base/errors.ts";

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
  /** Why the body was given up; undefined until it is. */
  readonly refusal: WeirError | undefined;
}

/** A body in flight: stands in `bodies` until it is over, or given up. */
class WatchedBody implements Watch {
  readonly since: number;
  readonly giveUp: (refusal: WeirError) => void;
  readonly patience: number;
  /** Since when the next byte is waited for; Infinity while none is. */
  waitingSince: number;
  refusal: WeirError | undefined;
  readonly #bodies: WatchedBody[];
  readonly #clock: Clock;
  /** Where it stands; -1 once it does not. */
  #at: number;

  constructor(
    giveUp: (refusal: WeirError) => void,
    of: { patience: number; bodies: WatchedBody[]; clock: Clock },
  ) {
    const { bodies, clock } = of;
    this.giveUp = giveUp;
    this.patience = of.patience;
    this.#bodies = bodies;
    this.#clock = clock;
    this.since = this.waitingSince = clock.monotonic();
    this.#at = bodies.push(this) - 1;
  }

  wait(): void {
    this.waitingSince = this.#clock.monotonic();
  }

  rest(): void {
    this.waitingSince = Infinity;
  }

  [Symbol.dispose](): void {
    this.leave();
  }

  /** Takes it out; the last one takes its place. @returns whether it stood there */
  leave(): boolean {
    const at = this.#at;
    if (at < 0) return false;
    const last = this.#bodies.pop()!;
    if (last !== this) {
      this.#bodies[at] = last;
      last.#at = at;
    }
    this.#at = -1;
    return true;
  }
}

/** Watches bodies; looks at them every half second while there are any. */
export class StallWatch {
  readonly #clock: Clock;
  readonly #limits: () => StallLimits;
  readonly #bodies: WatchedBody[] = [];
  /** Once set, every body is given up with it. */
  #end: WeirError | undefined;
  #timer: ReturnType<typeof setInterval> | undefined;

  constructor(limits: () => StallLimits, clock: Clock) {
    this.#limits = limits;
    this.#clock = clock;
  }

  /**
   * Begins to watch; `giveUp` is called once, with the reason, when the body is late; never during this call.
   * @param patience How many times as long as others it may be waited for: a body of which nothing is seen before it
   * is whole takes longer than the next byte of one that is read in chunks.
   */
  watch(giveUp: (refusal: WeirError) => void, patience = 1): Watch {
    const body = new WatchedBody(giveUp, { patience, bodies: this.#bodies, clock: this.#clock });
    const end = this.#end;
    if (end !== undefined) queueMicrotask(() => this.#giveUp(body, end));
    if (this.#timer === undefined) {
      this.#timer = setInterval(() => this.#tick(), 500);
      Deno.unrefTimer(this.#timer);
    }
    return body;
  }

  /** Gives up the bodies that are late now. */
  check(): void {
    const now = this.#clock.monotonic();
    const { stall_timeout_ms: stallMs, body_timeout_ms: totalMs } = this.#limits();
    for (const body of [...this.#bodies]) {
      const waitMs = stallMs * body.patience;
      if (now - body.waitingSince >= waitMs) {
        this.#giveUp(body, new WeirError("stalled", `No byte of the body came for ${waitMs} ms`));
      } else if (now - body.since >= totalMs) {
        this.#giveUp(body, new WeirError("stalled", `The body took longer than ${totalMs} ms`));
      }
    }
  }

  /** Gives up every body that is being read, and those that are begun later. */
  giveUpAll(refusal: WeirError): void {
    this.#end = refusal;
    for (const body of [...this.#bodies]) this.#giveUp(body, refusal);
  }

  /** Stops the timer; bodies that are still watched are not looked at any more. */
  stop(): void {
    clearInterval(this.#timer);
    this.#timer = undefined;
  }

  /** The timer outlives the body that started it, since the next one is not far; an idle tick ends it. */
  #tick(): void {
    if (this.#bodies.length === 0) this.stop();
    else this.check();
  }

  #giveUp(body: WatchedBody, refusal: WeirError): void {
    if (!body.leave()) return;
    body.refusal = refusal;
    body.giveUp(refusal);
  }
}
