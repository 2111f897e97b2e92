/**
 * The rows of an NDJSON body: one a line, each on its own.
 * @module
 */

import { ChunkBuffer } from "./chunk_buffer.ts";
import { tooLarge, tooManyRows } from "./refusals.ts";
import { comma, openBrace, openBracket, Scanner, skipSpace, trimEnd } from "./scanner.ts";
import { type RowLimits, type RowSource, type RowWindow, WindowBuilder } from "./window.ts";

const lineFeed = 0x0a;

/**
 * Reads an NDJSON body. Lines end with `\n` or `\r\n`, the last one also without; lines of white space are no rows.
 * A line that is no JSON is a malformed row, and costs no other. Only a body, a row or a number of rows beyond the
 * limits is an error, and ends the stream.
 */
export class NdjsonRows implements RowSource {
  readonly #limits: RowLimits;
  readonly #scanner: Scanner;
  readonly #buffer = new ChunkBuffer();
  readonly #window: WindowBuilder;
  #isReading = false;
  #isOver = false;
  #failure: unknown;
  #bytes = 0;
  #rows = 0;
  /** Where the line begins whose end has not come yet. */
  #lineFrom = 0;

  constructor(options: { readonly limits: RowLimits }) {
    this.#limits = options.limits;
    this.#scanner = new Scanner(options.limits.maxDepth);
    this.#window = new WindowBuilder(options.limits, true);
  }

  get rows(): number {
    return this.#rows;
  }

  get bytes(): number {
    return this.#bytes;
  }

  /** Size of the buffer for lines that span chunks, in bytes. */
  get capacity(): number {
    return this.#buffer.capacity;
  }

  /** As in {@link RowSource}; gives every row that is complete with this chunk. */
  push(chunk: Uint8Array): Iterable<RowWindow> {
    this.#assertReady();
    this.#bytes += chunk.length;
    const { maxBodyBytes } = this.#limits;
    if (this.#bytes > maxBodyBytes) throw this.#fail(tooLarge("it", "max_body_bytes", maxBodyBytes));
    const length = this.#buffer.bytes.length;
    const from = this.#buffer.append(chunk, this.#lineFrom, length);
    this.#lineFrom -= length - from;
    this.#isReading = true;
    return this.#read(this.#buffer.bytes, from, false);
  }

  finish(): Iterable<RowWindow> {
    this.#assertReady();
    this.#isReading = true;
    return this.#read(this.#buffer.bytes, this.#buffer.bytes.length, true);
  }

  /** Reads the lines that end behind `from`. */
  *#read(bytes: Uint8Array, from: number, isEnd: boolean): Generator<RowWindow> {
    const window = this.#window;
    let isDone = false;
    try {
      let stop = bytes.indexOf(lineFeed, from);
      while (stop >= 0 || (isEnd && this.#lineFrom < bytes.length)) {
        if (stop < 0) stop = bytes.length;
        this.#checkBytes(stop);
        const start = skipSpace(bytes, this.#lineFrom, stop);
        if (start < stop) {
          if (window.isTooSmallFor(stop)) yield window.take(bytes);
          this.#addRow(bytes, start, stop);
          if (window.isFull) yield window.take(bytes);
        }
        this.#lineFrom = stop + 1;
        stop = bytes.indexOf(lineFeed, stop + 1);
      }
      this.#checkBytes(bytes.length);
      if (window.count > 0) yield window.take(bytes);
      isDone = true;
    } catch (error) {
      throw this.#fail(error);
    } finally {
      this.#isReading = false;
      if (!isDone || isEnd) this.#isOver = true;
    }
  }

  /** Adds the line that begins at `start` and stops at `stop`. */
  #addRow(bytes: Uint8Array, start: number, stop: number): void {
    if (this.#rows === this.#limits.maxRows) throw tooManyRows(this.#limits.maxRows);
    const end = trimEnd(bytes, start, stop);
    const scanner = this.#scanner;
    scanner.reset();
    const at = scanner.scan(bytes, start, end);
    let reason: string | undefined;
    if (at < end) {
      const isOpening = bytes[at] === openBrace || bytes[at] === openBracket;
      reason = isOpening ? `Nested too deeply: at most ${this.#limits.maxDepth} levels` : "Not valid JSON";
    } else if (scanner.depth > 0 || scanner.isInString) reason = "Not valid JSON";
    this.#window.add(start, end, stop, scanner.hasUnicodeEscape, reason);
    // So the rows of a window are a list with commas, and are parsed in one call like those of a JSON body.
    if (stop < bytes.length) bytes[stop] = comma;
    this.#rows++;
  }

  #checkBytes(stop: number): void {
    const { maxRowBytes } = this.#limits;
    if (stop - this.#lineFrom > maxRowBytes) {
      throw tooLarge(`row ${this.#rows}`, "max_row_bytes", maxRowBytes);
    }
  }

  #assertReady(): void {
    if (this.#failure !== undefined) throw this.#failure;
    if (this.#isReading) throw new Error("Cannot go on with the body: the last windows were not all pulled");
    if (this.#isOver) throw new Error("Cannot go on with the body: it is finished");
  }

  #fail(error: unknown): unknown {
    this.#isOver = true;
    this.#failure = error;
    return error;
  }
}
