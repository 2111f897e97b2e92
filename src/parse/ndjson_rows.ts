/**
 * The rows of an NDJSON body: one a line, each on its own.
 * @module
 */

import { ChunkBuffer } from "./chunk_buffer.ts";
import { tooLarge, tooManyRows } from "./refusals.ts";
import { comma, openBrace, openBracket, Scanner, skipSpace, trimEnd } from "./scanner.ts";
import { type RowLimits, type RowSource, type RowWindow, WindowBuilder } from "./window.ts";

const lineFeed = 0x0a;
const space = 0x20;

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
      const stops = takeLineFeeds(bytes, from);
      if (isEnd && this.#lineFrom < bytes.length) stops.push(bytes.length);
      this.#scanner.reset();
      for (const stop of stops) {
        this.#checkBytes(stop);
        if (window.isTooSmallFor(stop)) yield window.take(bytes);
        this.#readLine(bytes, stop);
        this.#lineFrom = stop + 1;
        if (window.isFull) yield window.take(bytes);
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

  /** Adds the line that stops at `stop`, unless it is blank. */
  #readLine(bytes: Uint8Array, stop: number): void {
    const scanner = this.#scanner;
    scanner.hasUnicodeEscape = false;
    const isWhole = scanner.scan(bytes, this.#lineFrom, bytes.length) === stop && scanner.isAtRest;
    const start = skipSpace(bytes, this.#lineFrom, stop);
    if (start >= stop) {
      if (stop < bytes.length) bytes[stop] = space;
      return;
    }
    if (this.#rows === this.#limits.maxRows) throw tooManyRows(this.#limits.maxRows);
    const end = trimEnd(bytes, start, stop);
    const reason = isWhole ? undefined : this.#findReason(bytes, start, end);
    this.#window.add(start, end, stop, scanner.hasUnicodeEscape, reason);
    this.#rows++;
    // A broken line must not cost the next one.
    if (!isWhole) scanner.reset();
  }

  /** Why a line that the scan did not pass from end to end is no JSON. */
  #findReason(bytes: Uint8Array, start: number, end: number): string {
    this.#scanner.reset();
    const at = this.#scanner.scan(bytes, start, end);
    const isOpening = at < end && (bytes[at] === openBrace || bytes[at] === openBracket);
    return isOpening ? `Nested too deeply: at most ${this.#limits.maxDepth} levels` : "Not valid JSON";
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

/**
 * Finds the line feeds from `from` on, and puts commas in their place. So the rows of a window are a list like those
 * of a JSON body: scanned ahead over many lines, and parsed in one call.
 */
function takeLineFeeds(bytes: Uint8Array, from: number): number[] {
  const places: number[] = [];
  for (let at = bytes.indexOf(lineFeed, from); at >= 0; at = bytes.indexOf(lineFeed, at + 1)) {
    bytes[at] = comma;
    places.push(at);
  }
  return places;
}
