/**
 * Brings the events of a run into the order in which they were sent, while they are read in that of arrival.
 * @module
 */

/** What decides where an event stands. */
export interface SentBy {
  /** Which sender; senders are not compared with each other. */
  readonly sender: string;
  /** The sender's own counter; undefined where it has none. */
  readonly seq: number | undefined;
}

/**
 * For each event, by arrival, the position that it has in order of sending: the events of one sender share the
 * positions in which they arrived, in the order of their counter. Undefined when all arrived as they were sent.
 */
export class SendOrder {
  readonly #seqs: number[] = [];
  readonly #senders: number[] = [];
  readonly #ids = new Map<string, number>();
  readonly #last: number[] = [];
  #isSorted = true;

  /** Takes the next event, by arrival. */
  add({ sender, seq }: SentBy): void {
    let id = this.#ids.get(sender);
    if (id === undefined) this.#ids.set(sender, id = this.#ids.size);
    // Without a counter an event stays behind the one that came before it.
    const number = seq ?? this.#last[id] ?? 0;
    if (number < (this.#last[id] ?? -Infinity)) this.#isSorted = false;
    this.#last[id] = number;
    this.#senders.push(id);
    this.#seqs.push(number);
  }

  /** Position of each event. */
  positions(): Uint32Array | undefined {
    if (this.#isSorted) return undefined;
    const positions = new Uint32Array(this.#seqs.length);
    const bySender: number[][] = Array.from(this.#ids, () => []);
    this.#senders.forEach((sender, n) => bySender[sender].push(n));
    for (const slots of bySender) {
      const sorted = slots.toSorted((a, b) => this.#seqs[a] - this.#seqs[b] || a - b);
      sorted.forEach((n, i) => positions[n] = slots[i]);
    }
    return positions;
  }
}

/** Past so many bytes that wait for an earlier event, the earliest of them go first. */
const maxWaitingBytes = 32 * 1024 * 1024;

/** Hands events on in order of sending; only those that are ahead of their turn are held. */
export class Reorder<T> {
  readonly #positions: Uint32Array | undefined;
  readonly #maxBytes: number;
  readonly #waiting = new Map<number, { item: T; bytes: number }>();
  #bytes = 0;
  #arrived = 0;
  #next = 0;

  /** @param positions From {@link SendOrder.positions}. */
  constructor(positions: Uint32Array | undefined, maxBytes = maxWaitingBytes) {
    this.#positions = positions;
    this.#maxBytes = maxBytes;
  }

  /** Takes the next event by arrival; gives those whose turn it is. */
  *push(item: T, bytes: number): Generator<T, void, undefined> {
    if (this.#positions === undefined) return yield item;
    // What came after the order was made follows at the end.
    const position = this.#positions[this.#arrived] ?? this.#arrived;
    this.#arrived++;
    // Those that came later than it have gone already, for want of room.
    if (position < this.#next) return yield item;
    this.#waiting.set(position, { item, bytes });
    this.#bytes += bytes;
    yield* this.#ready();
    while (this.#bytes > this.#maxBytes) {
      this.#next = [...this.#waiting.keys()].reduce((least, key) => Math.min(least, key));
      yield* this.#ready();
    }
  }

  /** What is left when some events were not there. */
  *finish(): Generator<T, void, undefined> {
    for (const [, { item }] of [...this.#waiting].sort(([a], [b]) => a - b)) yield item;
    this.#waiting.clear();
  }

  *#ready(): Generator<T, void, undefined> {
    for (let ready = this.#waiting.get(this.#next); ready; ready = this.#waiting.get(this.#next)) {
      this.#waiting.delete(this.#next++);
      this.#bytes -= ready.bytes;
      yield ready.item;
    }
  }
}
