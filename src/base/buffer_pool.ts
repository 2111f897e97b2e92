/**
 * Buffers that are used again: a fresh one costs its zeroes, its page faults and the collector's time.
 * @module
 */

/** Sizes are powers of two between these, in bytes. */
const smallestBits = 11;
const largestBits = 22;

/** Keeps buffers of requests that are over for those to come. */
export class BufferPool {
  readonly #maxBytes: number;
  readonly #free: Uint8Array<ArrayBuffer>[][] = Array.from({ length: largestBits + 1 }, () => []);
  #bytes = 0;

  /** @param maxBytes How much it keeps at most. */
  constructor(maxBytes: number) {
    this.#maxBytes = maxBytes;
  }

  /** Bytes of the buffers that wait here. */
  get bytes(): number {
    return this.#bytes;
  }

  /** A buffer of at least so many bytes; what is in it is left over from before. */
  take(minBytes: number): Uint8Array<ArrayBuffer> {
    const bits = Math.max(smallestBits, 32 - Math.clz32(minBytes - 1));
    if (bits > largestBits) return new Uint8Array(minBytes);
    const buffer = this.#free[bits].pop();
    if (buffer === undefined) return new Uint8Array(2 ** bits);
    this.#bytes -= buffer.length;
    return buffer;
  }

  /** Gives a buffer back; nobody may look at it any more. One that does not fit in is left to the collector. */
  give(buffer: Uint8Array<ArrayBuffer>): void {
    const bits = 31 - Math.clz32(buffer.length);
    const fits = buffer.length === 2 ** bits && bits >= smallestBits && bits <= largestBits;
    if (!fits || this.#bytes + buffer.length > this.#maxBytes) return;
    this.#bytes += buffer.length;
    this.#free[bits].push(buffer);
  }
}
