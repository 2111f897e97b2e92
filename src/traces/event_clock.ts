/**
 * A time line for viewers that sort by time: every event gets a moment of its own, in the order in which they were
 * sent, as near to its own time as that allows.
 * @module
 */

const nsPerMs = 1_000_000;

/** Gives moments in ns since the first event; each is later than the one before. */
export class EventClock {
  #base: number | undefined;
  #last = -1;

  /** Time of the first event that had one, ms as it was sent; 0 where none did. */
  get base(): number {
    return this.#base ?? 0;
  }

  /** The last moment given; 0 before the first. */
  get last(): number {
    return Math.max(this.#last, 0);
  }

  /** The moment of the next event. @param t Its time in ms, if it has one. */
  next(t: number | undefined): number {
    if (t !== undefined) this.#base ??= t;
    const own = t === undefined || this.#base === undefined ? 0 : Math.round((t - this.#base) * nsPerMs);
    // A time that no double can count in ns is a mistake of the client.
    this.#last = Math.max(this.#last + 1, own <= Number.MAX_SAFE_INTEGER / 2 ? own : 0);
    return this.#last;
  }
}
