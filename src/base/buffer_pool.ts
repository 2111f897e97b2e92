/**
 * Buffers that are used again: a fresh one costs its zeroes, its page faults and the collector's time.
 * @module
 */

/** Sizes are powers of two between these, in bytes, and multiples of the larger one. */
const smallestBits = 11;
const stepBytes = 4 * 1024 * 1024;
/** Larger ones are not kept. */
const mostKeptBytes = 8 * stepBytes;

/** Size of the buffer that {@link BufferPool.take} gives for so many bytes. */
export function pooledBytes(minBytes: number): number {
  if (minBytes > stepBytes) return Math.ceil(minBytes / stepBytes) * stepBytes;
  return 2 ** Math.max(smallestBits, 32 - Math.clz32(Math.max(0, minBytes - 1)));
}

/**
 * Keeps buffers of requests that are over for those to come. A large one that is made anew stops everybody for
 * milliseconds, and its memory for longer; but small ones are wanted more often, so where there is no room for all of
 * them, the largest goes.
 */
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
    return this.#pop(size) ?? new Uint8Array(size);
  }

  /** Gives a buffer back; nobody may look at it any more. One that does not fit in is left to the collector. */
  give(buffer: Uint8Array<ArrayBuffer>): void {
    const { length } = buffer;
    if (length === 0 || length > mostKeptBytes || length !== pooledBytes(length)) return;
    while (this.#bytes + length > this.#maxBytes) {
      const largest = this.#largest();
      if (largest <= length) return;
      this.#pop(largest);
    }
    this.#bytes += length;
    const free = this.#free.get(length);
    if (free === undefined) this.#free.set(length, [buffer]);
    else free.push(buffer);
  }

  #pop(size: number): Uint8Array<ArrayBuffer> | undefined {
    const buffer = this.#free.get(size)?.pop();
    if (buffer !== undefined) this.#bytes -= size;
    return buffer;
  }

  /** Size of the largest that is kept, 0 when none is. */
  #largest(): number {
    let largest = 0;
    for (const [size, free] of this.#free) if (free.length > 0 && size > largest) largest = size;
    return largest;
  }
}
