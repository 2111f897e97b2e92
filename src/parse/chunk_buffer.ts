/**
 * Chunks of a body, laid end to end where something spans them. A chunk that nothing spans is used where it lies.
 * @module
 */

import type { BufferPool } from "../base/buffer_pool.ts";

const nothing = new Uint8Array(0);

/**
 * One stretch of bytes: what was kept of the chunks before, and the last chunk.
 *
 * - The buffer is at most twice as large as the most that was kept, the chunk behind it and one byte; three times where
 *   it comes from a pool.
 * - Each byte is moved a constant number of times, however small the chunks are.
 */
export class ChunkBuffer {
  /** Everything at hand; a view that the next {@link append} replaces. */
  bytes: Uint8Array = nothing;
  readonly #pool: BufferPool | undefined;
  #own: Uint8Array<ArrayBuffer> = nothing;

  /** @param pool Where its buffer comes from, and goes to in the end; without one it is made and left. */
  constructor(pool?: BufferPool) {
    this.#pool = pool;
  }

  /** Size of the buffer for what spans chunks, in bytes. */
  get capacity(): number {
    return this.#own.length;
  }

  /**
   * Keeps `bytes[from, to)` and lays the chunk behind it. Returns where the chunk now starts: what was kept moved
   * towards the front by `to` minus that.
   */
  append(chunk: Uint8Array, from: number, to: number): number {
    if (from >= to) {
      this.bytes = chunk;
      return 0;
    }
    const isOwn = this.bytes.buffer === this.#own.buffer;
    const at = isOwn && to + chunk.length <= this.#own.length ? to : this.#makeRoom(from, to, chunk.length);
    this.#own.set(chunk, at);
    this.bytes = this.#own.subarray(0, at + chunk.length);
    return at;
  }

  /** Gives the buffer back; no view of it may be left. */
  free(): void {
    this.#give();
    this.bytes = this.#own = nothing;
  }

  #give(): void {
    if (this.#own.length > 0) this.#pool?.give(this.#own);
  }

  /**
   * Brings `bytes[from, to)` to the front of a buffer that has room behind it. One byte stays free before it, where a
   * window puts its bracket.
   */
  #makeRoom(from: number, to: number, more: number): number {
    const kept = this.bytes.subarray(from, to);
    const needed = 1 + kept.length + more;
    // A third of the buffer is free after each move, so that many small chunks do not move the same bytes each time.
    const own = needed * 1.5 > this.#own.length ? this.#newBuffer(needed) : this.#own;
    own.set(kept, 1);
    if (own !== this.#own) this.#give();
    this.#own = own;
    return 1 + kept.length;
  }

  #newBuffer(needed: number): Uint8Array<ArrayBuffer> {
    return this.#pool?.take(needed * 1.5) ?? new Uint8Array(needed * 2);
  }
}
