/**
 * One reason for many hands: who waits for an upstream may be cut short by its client, by time, or by a stop.
 * @module
 */

/** Fires at most once; who listens late hears it at once. */
export class Cut {
  #reason: Error | undefined;
  #listener: (() => void) | undefined;

  /** Why it was cut; undefined until it is. */
  get reason(): Error | undefined {
    return this.#reason;
  }

  /** Cuts; the first reason stands. */
  fire(reason: Error): void {
    if (this.#reason !== undefined) return;
    this.#reason = reason;
    this.#listener?.();
  }

  /** Replaces the one who hears of it. */
  listen(listener: () => void): void {
    this.#listener = listener;
    if (this.#reason !== undefined) listener();
  }
}

/**
 * A limit on silence: late once nothing was told to `arm()` for so long, unless `rest()` came after it. One timer,
 * which looks again when it was armed meanwhile.
 */
export class SilenceLimit {
  readonly #ms: number;
  readonly #onLate: () => void;
  #dueAt = Infinity;
  #timer: ReturnType<typeof setTimeout> | undefined;

  constructor(ms: number, onLate: () => void) {
    this.#ms = ms;
    this.#onLate = onLate;
  }

  /** From now on somebody else has to act. */
  arm(): void {
    this.#dueAt = performance.now() + this.#ms;
    this.#timer ??= setTimeout(() => this.#look(), this.#ms);
  }

  /** Nothing is waited for. */
  rest(): void {
    this.#dueAt = Infinity;
  }

  /** Ends it. */
  stop(): void {
    clearTimeout(this.#timer);
    this.#timer = undefined;
    this.#dueAt = Infinity;
  }

  #look(): void {
    this.#timer = undefined;
    if (this.#dueAt === Infinity) return;
    const leftMs = this.#dueAt - performance.now();
    if (leftMs <= 0) return this.#onLate();
    this.#timer = setTimeout(() => this.#look(), Math.ceil(leftMs));
  }
}
