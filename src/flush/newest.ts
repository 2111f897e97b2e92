/**
 * The newest of many rows, in bounded memory.
 * @module
 */

/** A row that may be among the newest. */
export interface Candidate {
  /** ms since the epoch. */
  readonly time: number;
  readonly id: string;
}

/** Keeps the `limit` newest rows of all that are offered. Of rows with one id, the one offered last. */
export class Newest<T extends Candidate> {
  readonly #limit: number;
  #kept: T[] = [];
  #floor = -Infinity;

  constructor(limit: number) {
    this.#limit = limit;
  }

  /** Would a row of this time be kept? */
  takes(time: number): boolean {
    return time >= this.#floor;
  }

  add(candidate: T): void {
    this.#kept.push(candidate);
    if (this.#kept.length >= 2 * this.#limit + 100) this.#prune();
  }

  /** Are there as many as are wanted? */
  get isFull(): boolean {
    if (this.#kept.length >= this.#limit) this.#prune();
    return this.#kept.length >= this.#limit;
  }

  /** The newest first; of the same time, the one with the greater id. */
  rows(): readonly T[] {
    this.#prune();
    return this.#kept;
  }

  #prune(): void {
    const byId = new Map(this.#kept.map((candidate) => [candidate.id, candidate]));
    this.#kept = [...byId.values()].sort((a, b) => b.time - a.time || (a.id < b.id ? 1 : -1));
    this.#kept.length = Math.min(this.#kept.length, this.#limit);
    if (this.#kept.length === this.#limit) this.#floor = this.#kept[this.#limit - 1].time;
  }
}
