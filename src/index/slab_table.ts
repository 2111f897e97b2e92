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

/** The int fields of a row that chain it to the others of its bucket, and how to hash it. */
export interface SlabTableOptions {
  readonly next: number;
  readonly previous: number;
  /** Hash of a row, an int32; it must not change while the row is in the table. */
  hashOf(row: number): number;
}

/** Rows by hash; of two with the same hash, the one inserted later comes first. */
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

  /** Memory of the buckets. */
  get bytes(): number {
    return this.#pages.length * bucketsPerPage * 4;
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

  remove(row: number): void {
    const next = this.#slab.int(row, this.#options.next);
    const previous = this.#slab.int(row, this.#options.previous);
    if (previous === none) this.#setHead(this.#bucketOf(this.#options.hashOf(row)), next);
    else this.#slab.setInt(previous, this.#options.next, next);
    if (next !== none) this.#slab.setInt(next, this.#options.previous, previous);
    if (--this.#count === 0) this.#shrink();
  }

  #push(bucket: number, row: number): void {
    const head = this.#head(bucket);
    this.#slab.setInt(row, this.#options.next, head);
    this.#slab.setInt(row, this.#options.previous, none);
    if (head !== none) this.#slab.setInt(head, this.#options.previous, row);
    this.#setHead(bucket, row);
  }

  /** Moves the rows of one bucket that now belong to a new one. */
  #split(): void {
    const from = this.#buckets - this.#low;
    if ((this.#buckets & bucketMask) === 0) this.#pages.push(emptyPage());
    this.#buckets++;
    if (this.#buckets === this.#low * 2) this.#low = this.#buckets;
    const rows: number[] = [];
    for (let row = this.#head(from); row !== none; row = this.after(row)) rows.push(row);
    this.#setHead(from, none);
    // From the oldest to the youngest, so that the youngest comes first again.
    for (const row of rows.reverse()) this.#push(this.#bucketOf(this.#options.hashOf(row)), row);
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
