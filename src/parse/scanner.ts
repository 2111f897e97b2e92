/**
 * The scanner: it knows strings, escapes and nesting, and nothing else of JSON. It finds where a value ends, in
 * bytes that come in pieces; whether the value is JSON is for `JSON.parse` to say.
 *
 * That is enough to be exact. On text that is valid so far, the scanner is in a string exactly when `JSON.parse` is,
 * and as deep; so on a valid body it cuts at the right commas, and a body that it cuts wrongly has a piece that
 * `JSON.parse` refuses.
 *
 * This is the hottest loop of the daemon. Long stretches are scanned ahead in blocks, by vector instructions. Short
 * ones byte by byte: most bytes lie in strings, where comparing twice beats a look-up in a table; outside of them one
 * look-up tells the handful of bytes that matter from the rest.
 * @module
 */

import {
  type Block,
  canScanBlocks,
  lineBreakNote,
  mostBlockBytes,
  scanBlock,
  unicodeNote,
} from "./block_scan.ts";

const lineFeed = 0x0a;
const carriageReturn = 0x0d;
const space = 0x20;
const tab = 0x09;
const quote = 0x22;
const backslash = 0x5c;
const letterU = 0x75;

/** Bytes at which {@link Scanner.scan} stops, for its callers to tell apart. */
export const comma = 0x2c;
export const colon = 0x3a;
export const openBrace = 0x7b;
export const closeBrace = 0x7d;
export const openBracket = 0x5b;
export const closeBracket = 0x5d;

const plainClass = 0;
const quoteClass = 1;
const openClass = 2;
const closeClass = 3;
const lineBreakClass = 4;
const separatorClass = 5;

/** Deeper than the floor, a comma or colon means nothing. */
const nestedClasses = new Uint8Array(256);
nestedClasses[quote] = quoteClass;
nestedClasses[openBrace] = nestedClasses[openBracket] = openClass;
nestedClasses[closeBrace] = nestedClasses[closeBracket] = closeClass;
nestedClasses[lineFeed] = nestedClasses[carriageReturn] = lineBreakClass;

const floorClasses = nestedClasses.slice();
floorClasses[comma] = floorClasses[colon] = separatorClass;

const outside = 0;
const inString = 1;
const afterBackslash = 2;

/**
 * Below this many bytes, calling the kernel costs more than it saves. Blocks grow from here on, because what was
 * scanned ahead is lost when the floor moves.
 */
const leastBlockBytes = 4096;

/** Follows strings and brackets through bytes that come in pieces. */
export class Scanner {
  /** Brackets that are open. */
  depth = 0;
  /** At this depth commas, colons and closing brackets stop the scan; deeper they are passed over. */
  floor = 0;
  /** Has a `\uXXXX` escape come by? Its owner puts it back to false. */
  hasUnicodeEscape = false;
  #state = outside;
  readonly #maxDepth: number;
  /** What has been scanned ahead; depth and state are those of the last stop, or of its beginning. */
  #block: Block | undefined;
  #blockBytes = leastBlockBytes;

  /** @param maxDepth How many brackets may be open. */
  constructor(maxDepth: number) {
    this.#maxDepth = maxDepth;
  }

  /** Is a string open? */
  get isInString(): boolean {
    return this.#state !== outside;
  }

  /** Is neither a string open nor a bracket? */
  get isAtRest(): boolean {
    return this.depth === 0 && this.#state === outside;
  }

  /** Begins anew, with no bracket open and none to stop below. */
  reset(): void {
    this.depth = this.floor = 0;
    this.#state = outside;
    this.hasUnicodeEscape = false;
    this.#startAhead();
  }

  /** An opening bracket was taken by the owner; the floor is inside of it. */
  enter(): void {
    this.floor = ++this.depth;
    this.#startAhead();
  }

  /** The closing bracket at which the scan stopped was taken by the owner; no scan may go on before that. */
  leave(): void {
    this.floor = --this.depth;
    this.#startAhead();
  }

  /** What comes next lies in other bytes, or in the same ones with other content. */
  forget(): void {
    this.#block = undefined;
  }

  /** What comes next lies on the floor, outside of a string, wherever the last scan has stopped. */
  restart(): void {
    this.depth = this.floor;
    this.#state = outside;
    this.hasUnicodeEscape = false;
    this.#startAhead();
  }

  #startAhead(): void {
    this.#block = undefined;
    this.#blockBytes = leastBlockBytes;
  }

  /**
   * Scans `bytes[from, end)` and returns where it stopped: at a comma, a colon or a closing bracket on the floor, at
   * an opening bracket that is one too deep, or at `end`, from where it goes on with the bytes that follow.
   *
   * A line break between tokens is overwritten with a space, which means the same in JSON: what has been scanned can
   * be copied into a file of lines. From a stop it may go on further behind, when only white space lies between.
   */
  scan(bytes: Uint8Array, from: number, end: number): number {
    let at = from;
    while (at < end) {
      const block = this.#block ?? this.#scanAhead(bytes, at, end);
      if (block === undefined) return this.#scanBytes(bytes, at, end);
      if (block.used < block.stops.length) {
        const stop = block.stops[block.used++];
        return this.#pass(bytes, at, block.from + (stop >>> 2), stop & 3);
      }
      at = this.#pass(bytes, at, block.end, block.notes);
      this.depth = this.floor + block.depth;
      this.#state = block.isAfterBackslash ? afterBackslash : block.isInString ? inString : outside;
      this.#block = undefined;
    }
    return at;
  }

  #scanAhead(bytes: Uint8Array, from: number, end: number): Block | undefined {
    if (end - from < leastBlockBytes || !canScanBlocks()) return undefined;
    this.#block = scanBlock(bytes, from, Math.min(end, from + this.#blockBytes), {
      depth: this.depth - this.floor,
      maxDepth: this.#maxDepth - this.floor,
      isInString: this.#state !== outside,
      isAfterBackslash: this.#state === afterBackslash,
    });
    this.#blockBytes = Math.min(this.#blockBytes * 4, mostBlockBytes);
    return this.#block;
  }

  /** Passes over bytes of a block in which there is no stop. */
  #pass(bytes: Uint8Array, from: number, to: number, notes: number): number {
    if ((notes & unicodeNote) !== 0) this.hasUnicodeEscape = true;
    // Byte by byte only to find the line breaks, which may lie in white space that the owner has passed.
    if ((notes & lineBreakNote) !== 0 && hasLineBreak(bytes, from, to)) this.#scanBytes(bytes, from, to);
    this.depth = this.floor;
    this.#state = outside;
    return to;
  }

  #scanBytes(bytes: Uint8Array, from: number, end: number): number {
    const floor = this.floor;
    const maxDepth = this.#maxDepth;
    let at = from;
    let depth = this.depth;
    let state = this.#state;
    let classes = depth === floor ? floorClasses : nestedClasses;
    scanning:
    while (at < end) {
      if (state === outside) {
        let kind = plainClass;
        while (at < end && (kind = classes[bytes[at]]) === plainClass) at++;
        if (at >= end) break;
        if (kind === openClass) {
          if (depth === maxDepth) break;
          depth++;
          at++;
          classes = nestedClasses;
          continue;
        }
        if (kind === closeClass) {
          if (depth === floor) break;
          at++;
          if (--depth === floor) classes = floorClasses;
          continue;
        }
        if (kind === lineBreakClass) {
          bytes[at++] = space;
          continue;
        }
        if (kind === separatorClass) break;
        at++;
        state = inString;
      }
      for (;;) {
        if (state === afterBackslash) {
          if (at >= end) break scanning;
          if (bytes[at++] === letterU) this.hasUnicodeEscape = true;
          state = inString;
        }
        let byte = 0;
        while (at < end && (byte = bytes[at]) !== quote && byte !== backslash) at++;
        if (at >= end) break scanning;
        at++;
        if (byte === quote) {
          state = outside;
          break;
        }
        state = afterBackslash;
      }
    }
    this.depth = depth;
    this.#state = state;
    return at;
  }
}

function hasLineBreak(bytes: Uint8Array, from: number, to: number): boolean {
  const part = bytes.subarray(from, to);
  return part.includes(lineFeed) || part.includes(carriageReturn);
}

/** Is it one of the four bytes that JSON takes for white space? */
export function isSpace(byte: number): boolean {
  return byte === space || byte === lineFeed || byte === carriageReturn || byte === tab;
}

/** The first place in `[from, end)` that is no white space, or `end`. */
export function skipSpace(bytes: Uint8Array, from: number, end: number): number {
  let at = from;
  while (at < end && isSpace(bytes[at])) at++;
  return at;
}

/** As {@link skipSpace}; line breaks passed over become spaces, as in {@link Scanner.scan}. */
export function blankSpace(bytes: Uint8Array, from: number, end: number): number {
  let at = from;
  while (at < end && isSpace(bytes[at])) bytes[at++] = space;
  return at;
}

/** The end of what lies in `[from, end)` when white space at its end is left off. */
export function trimEnd(bytes: Uint8Array, from: number, end: number): number {
  let at = end;
  while (at > from && isSpace(bytes[at - 1])) at--;
  return at;
}
