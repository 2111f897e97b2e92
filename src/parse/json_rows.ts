/**
 * The rows of a JSON body: the elements of one array in its outer object, handed over as they arrive.
 * @module
 */

import type { BufferPool } from "../base/buffer_pool.ts";
import { WeirError } from "../base/errors.ts";
import { ChunkBuffer } from "./chunk_buffer.ts";
import { Envelope } from "./envelope.ts";
import {
  cutOff,
  duplicateRowsKey,
  malformed,
  misplaced,
  tooDeep,
  tooLarge,
  tooManyRows,
} from "./refusals.ts";
import {
  blankSpace,
  closeBrace,
  closeBracket,
  colon,
  comma,
  openBrace,
  openBracket,
  Scanner,
  skipSpace,
  trimEnd,
} from "./scanner.ts";
import { mostStretchRows, RowStretch } from "./row_stretch.ts";
import { characterEnd, isUtf8 } from "./utf8.ts";
import { type RowLimits, type RowSource, RowWindow, WindowBuilder } from "./window.ts";

/** What {@link JsonRows} takes. */
export interface JsonRowsOptions {
  /** The key, or one of several, of the outer object whose array holds the rows. */
  readonly rowsKey: string | readonly string[];
  readonly limits: RowLimits;
  /** Where the buffer comes from for what spans chunks; see {@link JsonRows.free}. */
  readonly buffers?: BufferPool;
}

/**
 * Where in the body it stands:
 *
 * - `start`: before the first byte that is no white space
 * - `members`: in the outer object, but not in the rows
 * - `rows_value`: behind the colon of a key for rows
 * - `between`: in the rows' array, before a row
 * - `row`: in a row
 * - `behind`: behind the outer object, where only white space may come
 * - `no_object`: in an outer value that is no object
 * - `over`: finished or failed
 */
type State = "start" | "members" | "rows_value" | "between" | "row" | "behind" | "no_object" | "over";

/**
 * Reads a JSON body. Its verdict is the one of `JSON.parse` on the whole, wherever the chunks are cut: the scanner
 * splits the body into rows and the rest, the envelope; `JSON.parse` reads each row, and the envelope with `[]` in
 * place of the array; and the body is JSON exactly when all of these are.
 *
 * So rows may have been seen when it turns out that the body is malformed: what came of them must be undone then.
 */
export class JsonRows implements RowSource {
  readonly #keys: readonly string[];
  readonly #limits: RowLimits;
  readonly #scanner: Scanner;
  readonly #buffer: ChunkBuffer;
  readonly #window: WindowBuilder;
  readonly #outer: Envelope;
  #state: State = "start";
  /** Are stretches offered? */
  #isOffering = false;
  /** Is the next one? Not where one was left just now: the scan takes a window of rows then. */
  #isOfferDue = false;
  #isReading = false;
  #failure: unknown;
  #bytes = 0;
  #rows = 0;
  #rowFrom = 0;
  readonly #keysSeen: string[] = [];
  #rowsKey: string | undefined;
  #envelope: Record<string, unknown> | undefined;

  constructor(options: JsonRowsOptions) {
    this.#keys = typeof options.rowsKey === "string" ? [options.rowsKey] : options.rowsKey;
    this.#limits = options.limits;
    this.#buffer = new ChunkBuffer(options.buffers);
    this.#scanner = new Scanner(options.limits.maxDepth);
    this.#window = new WindowBuilder(options.limits, false);
    this.#outer = new Envelope(options.limits.maxEnvelopeBytes);
  }

  get rows(): number {
    return this.#rows;
  }

  get bytes(): number {
    return this.#bytes;
  }

  /** Size of the buffer for what spans chunks, in bytes. */
  get capacity(): number {
    return this.#buffer.capacity;
  }

  /** The key that held the array of rows, once that has been found. */
  get rowsKey(): string | undefined {
    return this.#rowsKey;
  }

  /**
   * The outer object, `[]` in place of the rows.
   *
   * @throws Error before {@link finish}
   */
  get envelope(): Record<string, unknown> {
    if (!this.#envelope) throw new Error("Cannot give the envelope: the body is not finished");
    return this.#envelope;
  }

  /**
   * The same source, which offers stretches of the array beside windows: what is taken of a stretch when the next piece
   * is pulled comes in no window. To be called before the first chunk.
   */
  offering(): RowSource<RowWindow | RowStretch> {
    this.#isOffering = true;
    return this;
  }

  push(chunk: Uint8Array): Iterable<RowWindow> {
    this.#assertReady();
    this.#bytes += chunk.length;
    const { maxBodyBytes } = this.#limits;
    if (this.#bytes > maxBodyBytes) throw this.#fail(tooLarge("it", "max_body_bytes", maxBodyBytes));
    const from = this.#append(chunk);
    this.#isReading = true;
    this.#isOfferDue = this.#isOffering;
    // Only who has asked for them gets stretches.
    return this.#read(this.#buffer.bytes, this.#resume(from, chunk.length)) as Iterable<RowWindow>;
  }

  finish(): Iterable<RowWindow> {
    this.#assertReady();
    try {
      if (this.#state !== "behind" && this.#state !== "no_object") throw cutOff(this.#bytes);
      const outer = this.#outer.parse();
      if (this.#state === "no_object") {
        throw new WeirError("invalid_body", "Cannot take the body: it must be an object");
      }
      const last = this.#window.count > 0 ? [this.#window.take(this.#buffer.bytes)] : [];
      this.#envelope = outer as Record<string, unknown>;
      this.#state = "over";
      return last;
    } catch (error) {
      throw this.#fail(error);
    }
  }

  /** Gives the buffer back to its pool. To be called when the body is finished and no window is in use any more. */
  free(): void {
    this.#buffer.free();
  }

  /**
   * The whole body as a window of one row.
   *
   * @throws Error before {@link finish}, or when there was an array of rows
   */
  single(): RowWindow {
    const values = [this.envelope];
    if (this.#rowsKey !== undefined) throw new Error("Cannot give the body as one row: it holds rows");
    const { bytes } = this.#outer;
    const start = skipSpace(bytes, 0, bytes.length);
    return new RowWindow({
      bytes,
      start,
      starts: [0],
      ends: [trimEnd(bytes, start, bytes.length) - start],
      firstIndex: 0,
      hasUnicodeEscape: this.#scanner.hasUnicodeEscape,
      failsAlone: false,
      values,
    });
  }

  /** Lays the chunk behind what is still needed of the bytes before; returns where it starts. */
  #append(chunk: Uint8Array): number {
    const length = this.#buffer.bytes.length;
    let from = this.#state === "row" ? this.#rowFrom : length;
    let to = length;
    if (this.#window.count > 0) {
      from = this.#window.start;
      if (!this.#isInRows) to = this.#window.stop;
    }
    const at = this.#buffer.append(chunk, from, to);
    this.#window.move(to - at);
    this.#rowFrom -= to - at;
    return at;
  }

  /**
   * Where to go on when a chunk was laid at `from`. A row that was cut off is offered from its start again, unless what
   * is there of it is longer than the chunk: no byte is read often, however small the chunks are.
   */
  #resume(from: number, length: number): number {
    const mayOffer = this.#isOffering && this.#state === "row" && this.#window.count === 0;
    if (!mayOffer || from - this.#rowFrom > length) return from;
    this.#scanner.restart();
    this.#state = "between";
    return this.#rowFrom;
  }

  *#read(bytes: Uint8Array, from: number): Generator<RowWindow | RowStretch> {
    const window = this.#window;
    let at = from;
    let isDone = false;
    this.#outer.resume(from);
    this.#scanner.forget();
    try {
      while (at < bytes.length) {
        if (this.#state === "row") {
          at = this.#scanner.scan(bytes, at, bytes.length);
          if (at === bytes.length) break;
          this.#checkRow(bytes[at], at);
          if (window.isTooSmallFor(at)) yield this.#takeWindow(bytes);
          const end = trimEnd(bytes, this.#rowFrom, at);
          window.add(this.#rowFrom, end, at, this.#scanner.hasUnicodeEscape);
          this.#rows++;
          this.#state = "between";
          if (window.isFull) yield this.#takeWindow(bytes);
          if (bytes[at] === comma) at++;
          else this.#leaveRows(at++);
        } else if (this.#state === "between") {
          const stretch = this.#stretchAt(bytes, at);
          if (stretch === undefined) at = this.#readBetween(bytes, at);
          else {
            yield stretch;
            at = this.#pass(stretch);
          }
        } else {
          at = this.#readOuter(bytes, at);
        }
      }
      if (!this.#isInRows) this.#outer.take(bytes, bytes.length);
      else if (window.isTooSmallFor(bytes.length)) yield this.#takeWindow(bytes);
      if (this.#state === "row") this.#checkRowBytes(bytes.length);
      isDone = true;
    } catch (error) {
      throw this.#fail(error);
    } finally {
      this.#isReading = false;
      if (!isDone) this.#state = "over";
    }
  }

  get #isInRows(): boolean {
    return this.#state === "row" || this.#state === "between";
  }

  #takeWindow(bytes: Uint8Array): RowWindow {
    this.#isOfferDue = this.#isOffering;
    return this.#window.take(bytes);
  }

  /** What may be offered from `at` on, before a row. */
  #stretchAt(bytes: Uint8Array, at: number): RowStretch | undefined {
    if (!this.#isOfferDue || this.#window.count > 0) return undefined;
    this.#isOfferDue = false;
    const { maxRows, maxRowBytes, windowBytes } = this.#limits;
    const end = characterEnd(bytes, at, Math.min(bytes.length, at + windowBytes));
    const most = Math.min(maxRows - this.#rows, mostStretchRows);
    if (most === 0 || end - at > maxRowBytes || !isUtf8(bytes, at, end)) return undefined;
    return new RowStretch({ bytes, start: at, end, firstIndex: this.#rows, maxRows: most });
  }

  /** Goes on behind what was taken of a stretch. */
  #pass({ rows, stop, maxRows, isLast }: RowStretch): number {
    if (rows === 0) return stop;
    this.#rows += rows;
    this.#window.skip(rows);
    this.#scanner.restart();
    this.#isOfferDue = rows === maxRows;
    if (!isLast) return stop;
    this.#leaveRows(stop);
    return stop + 1;
  }

  /** White space before a row, and then its first byte, or the end of the array. */
  #readBetween(bytes: Uint8Array, from: number): number {
    const at = skipSpace(bytes, from, bytes.length);
    if (at === bytes.length) return at;
    if (bytes[at] === comma) throw malformed(`a comma stands in place of row ${this.#rows}`);
    if (bytes[at] === closeBracket) {
      if (this.#rows > 0) throw malformed("a comma stands behind the last row");
      this.#leaveRows(at);
      return at + 1;
    }
    if (this.#rows === this.#limits.maxRows) throw tooManyRows(this.#limits.maxRows);
    this.#rowFrom = at;
    this.#scanner.hasUnicodeEscape = false;
    this.#state = "row";
    return at;
  }

  /** Takes the byte behind a row. */
  #checkRow(byte: number, at: number): void {
    if (byte === openBrace || byte === openBracket) throw tooDeep(this.#limits.maxDepth);
    if (byte !== comma && byte !== closeBracket) throw malformed(`row ${this.#rows} is not valid JSON`);
    this.#checkRowBytes(at);
  }

  #checkRowBytes(stop: number): void {
    const { maxRowBytes } = this.#limits;
    if (stop - this.#rowFrom > maxRowBytes) throw tooLarge(`row ${this.#rows}`, "max_row_bytes", maxRowBytes);
  }

  /** The array of rows ends at `at`. */
  #leaveRows(at: number): void {
    this.#scanner.leave();
    this.#outer.resume(at);
    this.#state = "members";
  }

  /** Goes one step on outside of the rows. */
  #readOuter(bytes: Uint8Array, from: number): number {
    switch (this.#state) {
      case "members":
        return this.#readMembers(bytes, from);
      case "no_object": {
        const at = this.#scanner.scan(bytes, from, bytes.length);
        if (at < bytes.length) throw misplaced(bytes[at], this.#limits.maxDepth);
        return at;
      }
      default:
        return this.#readAround(bytes, from);
    }
  }

  /** White space before the outer value, behind it, or before the value of a key for rows, and then one byte. */
  #readAround(bytes: Uint8Array, from: number): number {
    const at = blankSpace(bytes, from, bytes.length);
    if (at === bytes.length) return at;
    const byte = bytes[at];
    if (this.#state === "behind") throw malformed("something stands behind its end");
    if (this.#state === "start") {
      this.#state = byte === openBrace ? "members" : "no_object";
      if (byte !== openBrace) return at;
      this.#enter();
      this.#outer.expectKey(at + 1);
      return at + 1;
    }
    this.#state = "members";
    if (byte !== openBracket) return at;
    if (this.#rowsKey !== undefined) throw duplicateRowsKey(this.#keysSeen.at(-1)!);
    this.#rowsKey = this.#keysSeen.at(-1);
    this.#enter();
    this.#outer.take(bytes, at + 1);
    this.#state = "between";
    return at + 1;
  }

  /** Up to the next colon, comma or end of the outer object. */
  #readMembers(bytes: Uint8Array, from: number): number {
    const at = this.#scanner.scan(bytes, from, bytes.length);
    if (at === bytes.length) return at;
    const byte = bytes[at];
    if (byte === colon) {
      const key = this.#outer.closeKey(bytes, at, this.#keys);
      if (key === undefined) return at + 1;
      if (this.#keysSeen.includes(key)) throw duplicateRowsKey(key);
      this.#keysSeen.push(key);
      this.#state = "rows_value";
    } else if (byte === comma) {
      if (this.#outer.isKeyDue) throw malformed("a comma stands where a member should be");
      this.#outer.expectKey(at + 1);
    } else if (byte === closeBrace) {
      this.#scanner.leave();
      this.#state = "behind";
    } else throw misplaced(byte, this.#limits.maxDepth);
    return at + 1;
  }

  #enter(): void {
    if (this.#scanner.depth === this.#limits.maxDepth) throw tooDeep(this.#limits.maxDepth);
    this.#scanner.enter();
  }

  #assertReady(): void {
    if (this.#failure !== undefined) throw this.#failure;
    if (this.#isReading) throw new Error("Cannot go on with the body: the last windows were not all pulled");
    if (this.#state === "over") throw new Error("Cannot go on with the body: it is finished");
  }

  #fail(error: unknown): unknown {
    this.#state = "over";
    this.#failure = error;
    return error;
  }
}
