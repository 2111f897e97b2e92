/**
 * A queue that never holds more than it may, in events and in bytes.
 * @module
 */

/** What to do with an event for which there is no room. */
export type OverflowPolicy =
  /** Its sender waits until there is room. */
  | "block"
  /** Events that wait longest are dropped for it. */
  | "drop-oldest"
  /** It is dropped. */
  | "drop-newest";

/** One event that is held. */
export interface Held<T> {
  readonly event: T;
  readonly bytes: number;
  /** Position among all events that were ever held, from 0. */
  readonly number: number;
  /** Monotonic ms. */
  readonly heldAt: number;
}

/**
 * First in, first out.
 *
 * - `#items[#head..]` are held and in order; what stands before is forgotten now and then.
 * - What was taken still counts towards the bounds until {@link settle}.
 */
export class BoundedQueue<T> {
  readonly maxEvents: number;
  readonly maxBytes: number;
  #items: (Held<T> | undefined)[] = [];
  #head = 0;
  #bytes = 0;
  #takenEvents = 0;
  #takenBytes = 0;
  #next = 0;

  constructor(bounds: { maxEvents: number; maxBytes: number }) {
    this.maxEvents = bounds.maxEvents;
    this.maxBytes = bounds.maxBytes;
  }

  /** Events that wait to be taken. */
  get waiting(): number {
    return this.#items.length - this.#head;
  }

  /** Events that wait, and those that were taken and are not settled. */
  get size(): number {
    return this.waiting + this.#takenEvents;
  }

  /** Bytes of all that {@link size} counts. */
  get bytes(): number {
    return this.#bytes + this.#takenBytes;
  }

  /** The event that waits longest. */
  get first(): Held<T> | undefined {
    return this.#items[this.#head];
  }

  /** Number of the event that came last; -1 before the first. */
  get lastNumber(): number {
    return this.#next - 1;
  }

  hasRoomFor(bytes: number): boolean {
    return this.size < this.maxEvents && this.bytes + bytes <= this.maxBytes;
  }

  push(event: T, bytes: number, heldAt: number): void {
    this.#items.push({ event, bytes, number: this.#next++, heldAt });
    this.#bytes += bytes;
  }

  /** Takes the event that waits longest out for good. */
  shift(): Held<T> | undefined {
    const first = this.#items[this.#head];
    if (first === undefined) return undefined;
    this.#items[this.#head++] = undefined;
    this.#bytes -= first.bytes;
    if (this.#head >= 1_024 && this.#head * 2 > this.#items.length) {
      this.#items = this.#items.slice(this.#head);
      this.#head = 0;
    }
    return first;
  }

  /** Takes up to so many events and bytes, at least one where there is one; they count until {@link settle}. */
  take(maxEvents: number, maxBytes: number): Held<T>[] {
    const taken: Held<T>[] = [];
    let bytes = 0;
    for (let first = this.first; first !== undefined && taken.length < maxEvents; first = this.first) {
      if (taken.length > 0 && bytes + first.bytes > maxBytes) break;
      this.shift();
      taken.push(first);
      bytes += first.bytes;
    }
    this.#takenEvents += taken.length;
    this.#takenBytes += bytes;
    return taken;
  }

  /** Events that were taken are delivered or dropped. */
  settle(events: readonly Held<T>[]): void {
    this.#takenEvents -= events.length;
    for (const { bytes } of events) this.#takenBytes -= bytes;
  }

  /** The events that wait, in order. */
  *waitingEvents(): Generator<T, void, undefined> {
    for (let i = this.#head; i < this.#items.length; i++) yield this.#items[i]!.event;
  }
}
