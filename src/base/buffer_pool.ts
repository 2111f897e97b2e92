/**
 * Buffers that are used again: a fresh one costs its zeroes, its page faults and the collector's time.
 * @module
 */

/** Sizes are powers of two between these, in bytes. */
const smallestBits = 11;
const largestBits = 22;

/** Size of the buffer that {@link BufferPool.take} gives for so many bytes. */
export function pooledBytes(minBytes: number): number {
  const bits = Math.max(smallestBits, 32 - Math.clz32(minBytes - 1));
  return bits > largestBits ? minBytes : 2 ** bits;
}

/** Keeps buffers of requests that are over for those to come. */
export class BufferPool {
  readonly #maxBytes: number;
  /** By size. */
  readonly #free = new Map<number, Uint8Array<ArrayBuffer>[]>();
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
    const size = pooledBytes(minBytes);
    const buffer = this.#free.get(size)?.pop();
    if (buffer === undefined) return new Uint8Array(size);
    this.#bytes -= buffer.length;
    return buffer;
  }

  /** Gives a buffer back; nobody may look at it any more. One that does not fit in is left to the collector. */
  give(buffer: Uint8Array<ArrayBuffer>): void {
    const { length } = buffer;
    if (length === 0 || length > 2 ** largestBits || length !== pooledBytes(length)) return;
    if (this.#bytes + length > this.#maxBytes) return;
    this.#bytes += length;
    const free = this.#free.get(length);
    if (free === undefined) this.#free.set(length, [buffer]);
    else free.push(buffer);
  }
}
