/**
 * Stretches: bytes of a rows' array in which nobody has looked for rows yet.
 * @module
 */

/** Rows of a stretch: what is done with them is done without a pause. */
export const mostStretchRows = 512;

/** What a stretch is made of. */
export interface StretchParts {
  readonly bytes: Uint8Array;
  readonly start: number;
  readonly end: number;
  readonly firstIndex: number;
  readonly maxRows: number;
}

/**
 * Bytes that begin between two rows, offered to whoever can find rows and check them in one go. What is not taken of
 * it is scanned, and comes in windows. Whoever takes a row vouches that the scan would have found the same row there,
 * that it is JSON on one line, and that its brackets are within the limit; the bytes are UTF-8, and no row of them can
 * be longer than is allowed.
 *
 * The bytes are valid until the next piece is pulled. The last row may be cut off by the end.
 */
export class RowStretch {
  readonly bytes: Uint8Array;
  /** Before the next row, or white space before it. */
  readonly start: number;
  readonly end: number;
  /** Position of the next row in the body. */
  readonly firstIndex: number;
  /** How many rows may be taken. */
  readonly maxRows: number;
  #rows = 0;
  #stop: number;
  #isLast = false;

  constructor({ bytes, start, end, firstIndex, maxRows }: StretchParts) {
    this.bytes = bytes;
    this.start = this.#stop = start;
    this.end = end;
    this.firstIndex = firstIndex;
    this.maxRows = maxRows;
  }

  /** How many rows were taken. */
  get rows(): number {
    return this.#rows;
  }

  /** Where it goes on: behind the comma behind the last row taken, or at the bracket that ends the array. */
  get stop(): number {
    return this.#stop;
  }

  /** Has the array ended behind the last row taken? */
  get isLast(): boolean {
    return this.#isLast;
  }

  /**
   * Says that rows were taken, from the first one on.
   * @param rows At least one, at most {@link maxRows}.
   * @param at.stop As {@link stop}.
   * @param at.isLast Is that the bracket that ends the array?
   */
  take(rows: number, at: { stop: number; isLast: boolean }): void {
    this.#rows = rows;
    this.#stop = at.stop;
    this.#isLast = at.isLast;
  }
}
