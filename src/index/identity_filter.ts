/**
 * A set of digests that may say "perhaps" for what it never saw, and never says "no" for what it did: a Bloom filter
 * in blocks of 32 bytes, so that a look-up touches one cache line.
 *
 * Source of the block form: F. Putze, P. Sanders, J. Singler, "Cache-, Hash- and Space-Efficient Bloom Filters"
 * (2007); one bit in each of eight words: Apache Parquet, "Split Block Bloom Filters".
 * @module
 */

const wordsPerBlock = 8;
const blockBytes = wordsPerBlock * 4;
/** Digests whose blocks are read before the first of them is added: they fit the nearest memory. A power of two. */
const stretch = 64;

/** Digests one behind the other, `stride` words apart. */
export interface DigestRun {
  readonly words: Int32Array;
  readonly stride: number;
  readonly count: number;
}

/** The filter; it takes digests of `IdentityHash`: words of an array, from number `at` on. */
export class IdentityFilter {
  readonly #words: Int32Array;
  readonly #blockMask: number;
  #added = 0;
  /** Kept, so that the reading is not left out. */
  #fetched = 0;

  /** @param bytes Memory it may take; the greatest power of two within is used, from 32 bytes to 64 MiB. */
  constructor(bytes: number) {
    const blocks = 2 ** Math.min(21, Math.max(0, Math.floor(Math.log2(bytes / blockBytes))));
    this.#words = new Int32Array(blocks * wordsPerBlock);
    this.#blockMask = blocks - 1;
  }

  /** How many digests were added that it did not say "perhaps" for. */
  get added(): number {
    return this.#added;
  }

  /** How many digests it holds with about 1% of wrong answers. */
  get capacity(): number {
    return Math.floor(this.bytes * 8 / 12);
  }

  /** Memory it takes. */
  get bytes(): number {
    return this.#words.byteLength;
  }

  /** False: it was never added. True: perhaps it was. */
  mayHold(digests: Int32Array, at: number): boolean {
    const words = this.#words;
    const block = (digests[at + 2] & this.#blockMask) * wordsPerBlock;
    const low = digests[at], high = digests[at + 3];
    const missing = (~words[block] & bitOf(low)) | (~words[block + 1] & bitOf(low >>> 5)) |
      (~words[block + 2] & bitOf(low >>> 10)) | (~words[block + 3] & bitOf(low >>> 15)) |
      (~words[block + 4] & bitOf(low >>> 20)) | (~words[block + 5] & bitOf(low >>> 25)) |
      (~words[block + 6] & bitOf(high)) | (~words[block + 7] & bitOf(high >>> 5));
    return missing === 0;
  }

  /** Adds it; tells whether it may have been there before. */
  add(digests: Int32Array, at: number): boolean {
    const words = this.#words;
    const block = (digests[at + 2] & this.#blockMask) * wordsPerBlock;
    const low = digests[at], high = digests[at + 3];
    // Written out, because a loop of eight turns takes twice as long (measured).
    const w0 = words[block], b0 = bitOf(low);
    const w1 = words[block + 1], b1 = bitOf(low >>> 5);
    const w2 = words[block + 2], b2 = bitOf(low >>> 10);
    const w3 = words[block + 3], b3 = bitOf(low >>> 15);
    const w4 = words[block + 4], b4 = bitOf(low >>> 20);
    const w5 = words[block + 5], b5 = bitOf(low >>> 25);
    const w6 = words[block + 6], b6 = bitOf(high);
    const w7 = words[block + 7], b7 = bitOf(high >>> 5);
    const missing = (~w0 & b0) | (~w1 & b1) | (~w2 & b2) | (~w3 & b3) | (~w4 & b4) | (~w5 & b5) | (~w6 & b6) |
      (~w7 & b7);
    if (missing === 0) return true;
    words[block] = w0 | b0;
    words[block + 1] = w1 | b1;
    words[block + 2] = w2 | b2;
    words[block + 3] = w3 | b3;
    words[block + 4] = w4 | b4;
    words[block + 5] = w5 | b5;
    words[block + 6] = w6 | b6;
    words[block + 7] = w7 | b7;
    this.#added++;
    return false;
  }

  /**
   * Adds `count` digests, `stride` words apart, in their order.
   *
   * The blocks of a stretch are read first: the memory answers many such questions at a time, while a look-up that
   * may change a block asks one by one (100 ns each, measured).
   * @param known Takes the numbers of those that may have been there before.
   */
  addAll({ words: digests, stride, count }: DigestRun, known?: number[]): void {
    const words = this.#words;
    const mask = this.#blockMask;
    for (let from = 0; from < count; from += stretch) {
      const to = Math.min(from + stretch, count);
      let any = 0;
      for (let at = from * stride; at < to * stride; at += stride) {
        any |= words[(digests[at + 2] & mask) * wordsPerBlock];
      }
      this.#fetched = any;
      for (let i = from; i < to; i++) if (this.add(digests, i * stride)) known?.push(i);
    }
  }
}

function bitOf(number: number): number {
  return 1 << number;
}
