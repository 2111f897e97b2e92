/**
 * A set of hashes that may say "perhaps" for what it never saw, and never says "no" for what it did: a Bloom filter
 * in blocks of 32 bytes, so that a look-up touches one cache line.
 *
 * Source of the block form: F. Putze, P. Sanders, J. Singler, "Cache-, Hash- and Space-Efficient Bloom Filters"
 * (2007); one bit in each of eight words: Apache Parquet, "Split Block Bloom Filters".
 * @module
 */

const wordsPerBlock = 8;
const blockBytes = wordsPerBlock * 4;
/** One odd multiplier for each word of a block. */
const multipliers = Int32Array.of(
  0x3f8a5c1b,
  0x6d2b79f5,
  0x1e35a7bd,
  0x58c3d90f,
  0x74a1e6d3,
  0x2b9f4e67,
  0x4c6ef3a9,
  0x0d8b7c35,
);

/** The filter; it takes hashes of {@link hashText}. */
export class IdentityFilter {
  readonly #words: Int32Array;
  readonly #blockMask: number;
  #added = 0;

  /** @param bytes Memory it may take; the greatest power of two within is used, from 32 bytes to 64 MiB. */
  constructor(bytes: number) {
    const blocks = 2 ** Math.min(21, Math.max(0, Math.floor(Math.log2(bytes / blockBytes))));
    this.#words = new Int32Array(blocks * wordsPerBlock);
    this.#blockMask = blocks - 1;
  }

  /** How many hashes were added that it did not say "perhaps" for. */
  get added(): number {
    return this.#added;
  }

  /** How many hashes it holds with about 1% of wrong answers. */
  get capacity(): number {
    return Math.floor(this.bytes * 8 / 12);
  }

  /** Memory it takes. */
  get bytes(): number {
    return this.#words.byteLength;
  }

  /** False: it was never added. True: perhaps it was. */
  mayHold(hash: number): boolean {
    const words = this.#words;
    const block = this.#block(hash);
    const low = hash >>> 0;
    for (let i = 0; i < wordsPerBlock; i++) {
      if ((words[block + i] & (1 << (Math.imul(low, multipliers[i]) >>> 27))) === 0) return false;
    }
    return true;
  }

  /** Adds it; tells whether it may have been there before. */
  add(hash: number): boolean {
    const words = this.#words;
    const block = this.#block(hash);
    const low = hash >>> 0;
    let missing = 0;
    for (let i = 0; i < wordsPerBlock; i++) {
      const bit = 1 << (Math.imul(low, multipliers[i]) >>> 27);
      missing |= ~words[block + i] & bit;
      words[block + i] |= bit;
    }
    if (missing === 0) return true;
    this.#added++;
    return false;
  }

  #block(hash: number): number {
    return (Math.floor(hash / 0x1_0000_0000) & this.#blockMask) * wordsPerBlock;
  }
}
