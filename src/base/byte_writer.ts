/**
 * A growing buffer that records are written into, byte by byte, without a string for the whole.
 * @module
 */

import type { BufferPool } from "./buffer_pool.ts";

const encoder = new TextEncoder();
const nothing = new Uint8Array(0);
/** Below this many characters a loop beats a call into the runtime. */
const shortText = 24;

/** Appends bytes and texts to one buffer that grows by doubling. */
export class ByteWriter {
  readonly #pool: BufferPool | undefined;
  #buffer: Uint8Array<ArrayBuffer>;
  #length: number;

  /**
   * @param capacity First size in bytes.
   * @param reserved Bytes left free at the front, for a header that is known later.
   * @param pool Where its buffers come from, and go to in the end; without one they are made and left.
   */
  constructor(capacity: number, reserved = 0, pool?: BufferPool) {
    this.#pool = pool;
    this.#buffer = this.#newBuffer(Math.max(capacity, reserved + 64));
    this.#length = reserved;
  }

  /** Bytes written so far, the reserved ones included. */
  get length(): number {
    return this.#length;
  }

  /** Size of the buffer behind it, which is what it costs in memory. */
  get capacity(): number {
    return this.#buffer.length;
  }

  /** The bytes written so far; valid until the next write. */
  view(start = 0, end = this.#length): Uint8Array<ArrayBuffer> {
    return this.#buffer.subarray(start, end);
  }

  /** Text of ASCII characters only. */
  ascii(text: string): void {
    const size = text.length;
    this.#ensure(size);
    if (size > shortText) {
      encoder.encodeInto(text, this.#buffer.subarray(this.#length));
      this.#length += size;
      return;
    }
    const buffer = this.#buffer;
    let at = this.#length;
    for (let i = 0; i < size; i++) buffer[at++] = text.charCodeAt(i);
    this.#length = at;
  }

  /** Any text, as UTF-8; a lone surrogate becomes U+FFFD. */
  text(text: string): void {
    this.#ensure(text.length * 3);
    this.#length += encoder.encodeInto(text, this.#buffer.subarray(this.#length)).written;
  }

  /** A text as a JSON string with its quotes. */
  json(text: string): void {
    this.text(JSON.stringify(text));
  }

  /** One byte. */
  byte(value: number): void {
    this.#ensure(1);
    this.#buffer[this.#length++] = value;
  }

  /** Bytes copied from elsewhere: `bytes[start, end)`. */
  raw(bytes: Uint8Array, start = 0, end = bytes.length): void {
    const size = end - start;
    this.#ensure(size);
    this.#buffer.set(start === 0 && end === bytes.length ? bytes : bytes.subarray(start, end), this.#length);
    this.#length += size;
  }

  /**
   * Room for so many more bytes, to be written into directly from {@link length} on, then told to {@link advance}:
   * for loops in which a call for each piece would cost more than the piece.
   */
  room(bytes: number): Uint8Array<ArrayBuffer> {
    this.#ensure(bytes);
    return this.#buffer;
  }

  /** Says up to where {@link room} was used. */
  advance(length: number): void {
    this.#length = length;
  }

  /** Gives the buffer back; it must not be used any more, and no view of it may be left. */
  free(): void {
    this.#pool?.give(this.#buffer);
    this.#buffer = nothing;
    this.#length = 0;
  }

  /** Takes out `[start, end)`; what follows moves up. */
  remove(start: number, end: number): void {
    this.#buffer.copyWithin(start, end, this.#length);
    this.#length -= end - start;
  }

  /** Forgets all that was written from `length` on. */
  truncate(length: number): void {
    this.#length = Math.min(this.#length, length);
  }

  #ensure(more: number): void {
    const needed = this.#length + more;
    if (needed <= this.#buffer.length) return;
    const grown = this.#newBuffer(Math.max(needed, this.#buffer.length * 2));
    grown.set(this.#buffer.subarray(0, this.#length));
    this.#pool?.give(this.#buffer);
    this.#buffer = grown;
  }

  #newBuffer(bytes: number): Uint8Array<ArrayBuffer> {
    return this.#pool?.take(bytes) ?? new Uint8Array(bytes);
  }
}
