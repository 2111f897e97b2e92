/**
 * Windows: some consecutive rows of a body, validated and dispatched together, as bytes and, when asked, as values.
 * @module
 */

import type { WeirError } from "../base/errors.ts";
import { invalidUtf8, malformed } from "./refusals.ts";
import { rowShapes } from "./row_shapes.ts";
import { closeBracket, openBracket } from "./scanner.ts";
import { decodeUtf8, isUtf8 } from "./utf8.ts";

/** What a body may hold. Every limit is the greatest value allowed. */
export interface RowLimits {
  /** Rows in a body; Infinity for NDJSON. */
  readonly maxRows: number;
  /** Bytes of a row, counted from its first byte to the comma, bracket or line feed after it. */
  readonly maxRowBytes: number;
  /** Brackets open at once: in a JSON body from its outer object on, in NDJSON within the row. */
  readonly maxDepth: number;
  /** Bytes of a JSON body outside of its rows' array; of all of it where there is no such array. */
  readonly maxEnvelopeBytes: number;
  /** Rows in a window. */
  readonly windowRows: number;
  /** Bytes of a window with more than one row, separators included. */
  readonly windowBytes: number;
  /** Bytes of the body as a whole, decompressed. */
  readonly maxBodyBytes: number;
}

/** Takes a body in chunks and gives its rows in windows, or in pieces of other kinds beside them. */
export interface RowSource<Piece = RowWindow> {
  /**
   * Takes the next chunk and gives the windows that are full with it. The windows must all be pulled before the next
   * call. The chunk belongs to the source until the body has ended: line breaks between tokens are overwritten with
   * spaces, and windows may be views of it.
   *
   * @throws WeirError when the body as a whole is refused, here or while windows are pulled; the source is dead then
   */
  push(chunk: Uint8Array): Iterable<Piece>;
  /**
   * The body has ended. Gives what is left.
   *
   * @throws WeirError when the body as a whole is refused
   */
  finish(): Iterable<Piece>;
  /** Rows found so far. */
  readonly rows: number;
  /** Bytes taken so far. */
  readonly bytes: number;
}

/** What a window is made of; positions of rows are relative to `start`. */
export interface WindowParts {
  readonly bytes: Uint8Array;
  readonly start: number;
  readonly starts: readonly number[];
  readonly ends: readonly number[];
  readonly firstIndex: number;
  readonly hasUnicodeEscape: boolean;
  /** Does a row that is no JSON fail alone (NDJSON), or the whole body with it? */
  readonly failsAlone: boolean;
  /** By row, why it is no JSON, where the scan has seen that. */
  readonly reasons?: (string | undefined)[];
  /** The values, where they are known. */
  readonly values?: unknown[];
}

const trusted = 1;
const parsed = 2;

/**
 * Rows validated and dispatched together; its bytes are valid until the next window is pulled. They are UTF-8 except
 * in rows that are {@link malformed}, and no row that is JSON holds a line break.
 */
export class RowWindow {
  /** The rows lie in here, see {@link start}; around them may lie anything. */
  readonly bytes: Uint8Array;
  /** Position of the window's first row in the body. */
  readonly firstIndex: number;
  readonly count: number;
  /** Does some row hold an escape such as `\u00e9`? */
  readonly hasUnicodeEscape: boolean;
  readonly #start: number;
  readonly #starts: readonly number[];
  readonly #ends: readonly number[];
  readonly #failsAlone: boolean;
  #reasons: (string | undefined)[] | undefined;
  #values: unknown[] | undefined;
  /** By row, {@link trusted} or {@link parsed} or neither; undefined while all rows share one fate. */
  #marks: Uint8Array | undefined;
  /** Have all rows been parsed? */
  #isParsed: boolean;

  constructor(parts: WindowParts) {
    this.bytes = parts.bytes;
    this.firstIndex = parts.firstIndex;
    this.count = parts.starts.length;
    this.hasUnicodeEscape = parts.hasUnicodeEscape;
    this.#start = parts.start;
    this.#starts = parts.starts;
    this.#ends = parts.ends;
    this.#failsAlone = parts.failsAlone;
    this.#reasons = parts.reasons;
    this.#values = parts.values;
    this.#isParsed = parts.values !== undefined;
    const from = this.start(0);
    const to = this.end(this.count - 1);
    if (!this.#isParsed && !isUtf8(this.bytes, from, to)) this.#markInvalidUtf8();
  }

  /** Where row i begins in `bytes`. */
  start(i: number): number {
    return this.#start + this.#starts[i];
  }

  /** Where row i ends in `bytes`, white space behind it left off. */
  end(i: number): number {
    return this.#start + this.#ends[i];
  }

  /**
   * The value of row i. The first call parses the whole window; where rows have been trusted before, only row i.
   * Undefined when the row is {@link malformed}.
   *
   * @throws WeirError malformed_json when a row of a JSON body is no JSON
   */
  value(i: number): unknown {
    if (!this.#isParsed) {
      if (this.#marks === undefined) this.#parseAll();
      else if (this.#marks[i] !== parsed) this.#parseOne(i);
    }
    return this.#values![i];
  }

  /**
   * In NDJSON, why row i is no JSON; undefined when it is. In a JSON body always undefined: there a malformed row
   * is the end of the body.
   */
  malformed(i: number): string | undefined {
    if (!this.#failsAlone) return undefined;
    if (this.#reasons?.[i] === undefined && this.#marks?.[i] !== trusted) this.value(i);
    return this.#reasons?.[i];
  }

  /** Has the scan seen already that row i is no JSON? Then nobody may read its bytes as if it were. */
  isFlawed(i: number): boolean {
    return this.#reasons?.[i] !== undefined;
  }

  /**
   * Says that the caller has read row i byte by byte and found it to be JSON; its UTF-8 is checked already. A row that
   * {@link isFlawed} stays malformed.
   */
  trust(i: number): void {
    if (this.#isParsed) return;
    this.#marks ??= new Uint8Array(this.count);
    if (this.#marks[i] === 0) this.#marks[i] = trusted;
  }

  /**
   * Checks every row that was neither trusted nor read, so that none escapes.
   *
   * @throws WeirError malformed_json when a row of a JSON body is no JSON
   */
  settle(): void {
    if (this.#isParsed) return;
    if (this.#marks === undefined) return this.#parseAll();
    for (let i = 0; i < this.count; i++) {
      if (this.#marks[i] === 0) this.#parseOne(i);
    }
  }

  /** The rows from row `from` on as a window of their own, whose bytes stay as they are. */
  copyFrom(from: number): RowWindow {
    const start = this.start(from);
    return new RowWindow({
      bytes: this.bytes.slice(start, this.end(this.count - 1)),
      start: 0,
      starts: this.#starts.slice(from).map((at) => at + this.#start - start),
      ends: this.#ends.slice(from).map((at) => at + this.#start - start),
      firstIndex: this.firstIndex + from,
      hasUnicodeEscape: this.hasUnicodeEscape,
      failsAlone: this.#failsAlone,
      reasons: this.#reasons?.slice(from),
      values: this.#isParsed ? this.#values?.slice(from) : undefined,
    });
  }

  /**
   * Parses all rows in one call. The bytes between two rows are one comma and white space, and no row has a comma
   * outside of its own brackets, so that the list is JSON exactly when each row is.
   */
  #parseAll(): void {
    if (this.#reasons === undefined) {
      try {
        this.#values = rowShapes.parse(this) ?? this.#parseList();
        this.#isParsed = true;
        return;
      } catch {
        // Some row is no JSON: one by one, they tell which.
      }
    }
    for (let i = 0; i < this.count; i++) this.#parseOne(i);
    this.#isParsed = true;
  }

  #parseList(): unknown[] {
    return JSON.parse(decodeList(this.bytes, this.start(0), this.end(this.count - 1))) as unknown[];
  }

  #parseOne(i: number): void {
    this.#values ??= new Array(this.count);
    if (this.#marks !== undefined) this.#marks[i] = parsed;
    if (this.#reasons?.[i] !== undefined) return;
    try {
      this.#values[i] = JSON.parse(decodeUtf8(this.bytes, this.start(i), this.end(i)));
    } catch {
      this.#refuse(i, "Not valid JSON", malformed(`row ${this.firstIndex + i} is not valid JSON`));
    }
  }

  #markInvalidUtf8(): void {
    for (let i = 0; i < this.count; i++) {
      if (isUtf8(this.bytes, this.start(i), this.end(i))) continue;
      this.#refuse(i, "Not valid UTF-8", invalidUtf8(`row ${this.firstIndex + i}`));
    }
  }

  #refuse(i: number, reason: string, error: WeirError): void {
    if (!this.#failsAlone) throw error;
    this.#reasons ??= new Array(this.count);
    this.#reasons[i] ??= reason;
  }
}

/**
 * The text of `bytes[start, end)` with brackets around it. They are written over the bytes beside it, for as long as
 * it takes, because `JSON.parse` copies a text that was joined from parts.
 */
function decodeList(bytes: Uint8Array, start: number, end: number): string {
  if (start === 0 || end === bytes.length) {
    const copy = new Uint8Array(end - start + 2);
    copy.set(bytes.subarray(start, end), 1);
    return decodeList(copy, 1, copy.length - 1);
  }
  const before = bytes[start - 1];
  const behind = bytes[end];
  bytes[start - 1] = openBracket;
  bytes[end] = closeBracket;
  const text = decodeUtf8(bytes, start - 1, end + 1);
  bytes[start - 1] = before;
  bytes[end] = behind;
  return text;
}

/** Collects rows until they make a window. Positions are absolute in the buffer that the rows lie in. */
export class WindowBuilder {
  readonly #windowRows: number;
  readonly #windowBytes: number;
  readonly #failsAlone: boolean;
  /** Rows that the next window may hold. */
  #mostRows: number;
  #start = 0;
  #stop = 0;
  #starts: number[] = [];
  #ends: number[] = [];
  #firstIndex = 0;
  #hasUnicodeEscape = false;
  #reasons: (string | undefined)[] | undefined;

  /** @param failsAlone Does a row that is no JSON fail alone, or the whole body with it? */
  constructor(limits: RowLimits, failsAlone: boolean) {
    this.#windowRows = this.#mostRows = limits.windowRows;
    this.#windowBytes = limits.windowBytes;
    this.#failsAlone = failsAlone;
  }

  /** Rows collected and not yet taken. */
  get count(): number {
    return this.#starts.length;
  }

  /** Where the first of them begins. */
  get start(): number {
    return this.#start;
  }

  /** Where the last of them stops, its separator not included. */
  get stop(): number {
    return this.#stop;
  }

  /** Must the window be taken before a row that stops at `stop`, or later, can be added? */
  isTooSmallFor(stop: number): boolean {
    return this.count > 0 && stop - this.#start > this.#windowBytes;
  }

  /** Can it take no further row? */
  get isFull(): boolean {
    return this.count >= this.#mostRows || this.#stop - this.#start >= this.#windowBytes;
  }

  /** Adds `[start, end)` as a row; `stop` is where its separator lies, behind any white space. */
  add(start: number, end: number, stop: number, hasUnicodeEscape: boolean, reason?: string): void {
    if (this.#starts.length === 0) this.#start = start;
    if (reason !== undefined) {
      this.#reasons ??= [];
      this.#reasons[this.#starts.length] = reason;
    }
    this.#starts.push(start - this.#start);
    this.#ends.push(end - this.#start);
    this.#stop = stop;
    if (hasUnicodeEscape) this.#hasUnicodeEscape = true;
  }

  /**
   * Rows were taken before they came here, while none is collected. The next window ends where it would have ended
   * with them: where a body is refused does not depend on who has read the rows before.
   */
  skip(rows: number): void {
    const before = this.#windowRows - this.#mostRows + rows;
    this.#mostRows = this.#windowRows - before % this.#windowRows;
    this.#firstIndex += rows;
  }

  /** The bytes have moved towards the front of their buffer. */
  move(by: number): void {
    this.#start -= by;
    this.#stop -= by;
  }

  /**
   * Gives what was collected, and begins anew.
   *
   * @throws WeirError invalid_utf8 when a row of a JSON body is no UTF-8
   */
  take(bytes: Uint8Array): RowWindow {
    const window = new RowWindow({
      bytes,
      start: this.#start,
      starts: this.#starts,
      ends: this.#ends,
      firstIndex: this.#firstIndex,
      hasUnicodeEscape: this.#hasUnicodeEscape,
      failsAlone: this.#failsAlone,
      reasons: this.#reasons,
    });
    this.#firstIndex += window.count;
    this.#mostRows = this.#windowRows;
    this.#starts = [];
    this.#ends = [];
    this.#hasUnicodeEscape = false;
    this.#reasons = undefined;
    return window;
  }
}
