/**
 * A hash table over the rows of a slab.
 *
 * It grows by one bucket with every row (linear hashing; W. Litwin, "Linear Hashing: A New Tool for File and Table
 * Addressing", 1980), so that no single row ever pays for moving a million others.
 * @module
 */

import { none, type Slab } from "./slab.ts";

const bucketsPerPageBits = 12;
const bucketsPerPage = 1 << bucketsPerPageBits;
const bucketMask = bucketsPerPage - 1;

/** How rows stand in the table. */
export interface SlabTableOptions {
  /** The int field of a row that holds the next one of its bucket. */
  readonly next: number;
  /** Hash of a row, an int32; it must not change while the row is in the table. */
  hashOf(row: number): number;
}

/**
 * Rows by hash; of two with the same hash, the one inserted later comes first. Who removes many with the same hash
 * begins with the youngest, which is found at once.
 */
export class SlabTable {
  readonly #slab: Slab;
  readonly #options: SlabTableOptions;
  #pages = [emptyPage()];
  /** Always a full page of buckets or more; `#low` is the greatest power of two that is not greater. */
  #buckets = bucketsPerPage;
  #low = bucketsPerPage;
  #count = 0;

  constructor(slab: Slab, options: SlabTableOptions) {
    this.#slab = slab;
    this.#options = options;
  }

  /** Memory of the buckets, without those that an empty table has. */
  get bytes(): number {
    return (this.#pages.length - 1) * bucketsPerPage * 4;
  }

  /** The first row of the chain that holds all rows with this hash, and others; or {@link none}. */
  first(hash: number): number {
    return this.#head(this.#bucketOf(hash));
  }

  /** The next row of the same chain, or {@link none}. */
  after(row: number): number {
    return this.#slab.int(row, this.#options.next);
  }

  insert(row: number): void {
    this.#push(this.#bucketOf(this.#options.hashOf(row)), row);
    if (++this.#count > this.#buckets) this.#split();
  }

  /** The row must be in the table. */
  remove(row: number): void {
    const bucket = this.#bucketOf(this.#options.hashOf(row));
    let before = none;
    for (let at = this.#head(bucket); at !== row; at = this.after(at)) before = at;
    this.#link(bucket, before, this.after(row));
    if (--this.#count === 0) this.#shrink();
  }

  #push(bucket: number, row: number): void {
    this.#slab.setInt(row, this.#options.next, this.#head(bucket));
    this.#setHead(bucket, row);
  }

  /** Makes `row` follow `before`, or lead the bucket. */
  #link(bucket: number, before: number, row: number): void {
    if (before === none) this.#setHead(bucket, row);
    else this.#slab.setInt(before, this.#options.next, row);
  }

  /** Moves the rows of one bucket that now belong to a new one; both keep their order. */
  #split(): void {
    const from = this.#buckets - this.#low;
    const to = this.#buckets;
    if ((to & bucketMask) === 0) this.#pages.push(emptyPage());
    this.#buckets++;
    if (this.#buckets === this.#low * 2) this.#low = this.#buckets;
    let lastOfFrom = none;
    let lastOfTo = none;
    for (let row = this.#head(from); row !== none; row = this.after(row)) {
      if (this.#bucketOf(this.#options.hashOf(row)) === from) {
        this.#link(from, lastOfFrom, row);
        lastOfFrom = row;
      } else {
        this.#link(to, lastOfTo, row);
        lastOfTo = row;
      }
    }
    this.#link(from, lastOfFrom, none);
    this.#link(to, lastOfTo, none);
  }

  #shrink(): void {
    this.#pages = [this.#pages[0]];
    this.#buckets = this.#low = bucketsPerPage;
  }

  #bucketOf(hash: number): number {
    const bucket = hash & (this.#low * 2 - 1);
    return bucket < this.#buckets ? bucket : hash & (this.#low - 1);
  }

  #head(bucket: number): number {
    return this.#pages[bucket >>> bucketsPerPageBits][bucket & bucketMask];
  }

  #setHead(bucket: number, row: number): void {
    this.#pages[bucket >>> bucketsPerPageBits][bucket & bucketMask] = row;
  }
}

function emptyPage(): Int32Array {
  return new Int32Array(bucketsPerPage).fill(none);
}
