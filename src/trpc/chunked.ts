/**
 * The chunked transfer coding (RFC 9112, section 7.1), read piece by piece.
 * @module
 */

import { ReplyFormatError } from "./reply_head.ts";

/** Longest line of the coding, or of its trailers, in bytes. */
const maxLineBytes = 4_096;
const lineFeed = 0x0a;

/**
 * Finds data between the lines of the coding; resumable at every byte.
 *
 * - `#left` data bytes of the current chunk are still to come.
 * - Otherwise a line is being read: a size, the end of a chunk, or a trailer.
 */
export class ChunkedReader {
  #state: "size" | "data" | "dataEnd" | "trailer" | "done" = "size";
  #left = 0;
  #line = "";

  /** Has the last chunk come, with its trailers? */
  get isDone(): boolean {
    return this.#state === "done";
  }

  /**
   * Takes the bytes that came next.
   * @returns the data in them; `used` is less than their length only after the end
   * @throws ReplyFormatError
   */
  take(bytes: Uint8Array): { data: Uint8Array[]; used: number } {
    const data: Uint8Array[] = [];
    let at = 0;
    while (at < bytes.length && this.#state !== "done") {
      if (this.#state === "data") {
        const end = Math.min(bytes.length, at + this.#left);
        data.push(bytes.subarray(at, end));
        this.#left -= end - at;
        at = end;
        if (this.#left === 0) this.#state = "dataEnd";
        continue;
      }
      const feed = bytes.indexOf(lineFeed, at);
      const end = feed < 0 ? bytes.length : feed;
      if (this.#line.length + end - at > maxLineBytes) {
        throw new ReplyFormatError("A line of a chunk is too long");
      }
      this.#line += String.fromCharCode(...bytes.subarray(at, end));
      at = end + 1;
      if (feed >= 0) this.#endLine();
    }
    return { data, used: Math.min(at, bytes.length) };
  }

  #endLine(): void {
    const line = this.#line.endsWith("\r") ? this.#line.slice(0, -1) : this.#line;
    this.#line = "";
    if (this.#state === "size") {
      const match = /^([0-9a-fA-F]{1,12})[ \t]*(?:;.*)?$/.exec(line);
      if (match === null) throw new ReplyFormatError("A chunk of the reply has no size");
      this.#left = parseInt(match[1], 16);
      this.#state = this.#left === 0 ? "trailer" : "data";
    } else if (this.#state === "dataEnd") {
      if (line !== "") throw new ReplyFormatError("A chunk of the reply is longer than its size");
      this.#state = "size";
    } else if (line === "") this.#state = "done";
  }
}
