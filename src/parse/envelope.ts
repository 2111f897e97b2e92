/**
 * The envelope: everything of a JSON body that lies outside of its rows' array.
 * @module
 */

import { ByteWriter } from "../base/byte_writer.ts";
import { isKey } from "./member.ts";
import { invalidUtf8, malformed, tooLarge } from "./refusals.ts";
import { decodeUtf8, isUtf8 } from "./utf8.ts";

/** Collects the envelope, and knows where in it the member's key lies that is being read. */
export class Envelope {
  readonly #maxBytes: number;
  readonly #writer = new ByteWriter(256);
  /** Where the chunk's part of the envelope begins that has not been written yet. */
  #from = 0;
  /** Where a key may begin, as an offset in the envelope; -1 when a key can't come. */
  #keyAt = -1;

  /** @param maxBytes Greatest size of the envelope. */
  constructor(maxBytes: number) {
    this.#maxBytes = maxBytes;
  }

  /** All that was taken. */
  get bytes(): Uint8Array {
    return this.#writer.view();
  }

  /** May a key come, or has one come without its colon? */
  get isKeyDue(): boolean {
    return this.#keyAt >= 0;
  }

  /** The envelope goes on at `at` of the chunk. */
  resume(at: number): void {
    this.#from = at;
  }

  /**
   * Takes what the chunk holds of the envelope up to `to`.
   *
   * @throws WeirError body_too_large
   */
  take(bytes: Uint8Array, to: number): void {
    if (this.#writer.length + to - this.#from > this.#maxBytes) {
      throw tooLarge("what it holds beside rows", "max_envelope_bytes", this.#maxBytes);
    }
    this.#writer.raw(bytes, this.#from, to);
    this.#from = to;
  }

  /** From `at` of the chunk on, a key may come. */
  expectKey(at: number): void {
    this.#keyAt = this.#writer.length + at - this.#from;
  }

  /**
   * A colon has come at `at`. Gives the one of `keys` that stands before it.
   *
   * @throws WeirError malformed_json when no key was due
   */
  closeKey(bytes: Uint8Array, at: number, keys: readonly string[]): string | undefined {
    if (!this.isKeyDue) throw malformed("a colon stands where none may");
    const isInChunk = this.#keyAt >= this.#writer.length;
    if (!isInChunk) this.take(bytes, at);
    const source = isInChunk ? bytes : this.bytes;
    const start = isInChunk ? this.#from + this.#keyAt - this.#writer.length : this.#keyAt;
    const end = isInChunk ? at : source.length;
    this.#keyAt = -1;
    return keys.find((key) => isKey(source, start, end, key));
  }

  /**
   * The value of what was taken.
   *
   * @throws WeirError malformed_json or invalid_utf8
   */
  parse(): unknown {
    const { bytes } = this;
    if (!isUtf8(bytes, 0, bytes.length)) throw invalidUtf8("what it holds beside rows");
    try {
      return JSON.parse(decodeUtf8(bytes, 0, bytes.length));
    } catch {
      throw malformed("what it holds beside rows is not valid JSON");
    }
  }
}
