/**
 * The events of a JSON array that comes in pieces, a few at a time; never the whole of it.
 * @module
 */

import { closeBracket, comma, openBracket, Scanner } from "../parse/scanner.ts";

/** As deep as the configuration lets anything nest. */
const maxDepth = 4096;
const lineBreak = 0x0a;
const space = 0x20;
const tab = 0x09;
const decoder = new TextDecoder();

/** The events of each piece, parsed. An event that spans pieces comes with the piece that ends it. */
export async function* readEvents(
  pieces: AsyncIterable<Uint8Array>,
): AsyncGenerator<unknown[], void, undefined> {
  const cutter = new ElementCutter();
  for await (const piece of pieces) {
    // One call for all that ended: half the time of one for each.
    const ended = cutter.push(piece, comma);
    if (ended.length > 0) yield JSON.parse(`[${decoder.decode(ended)}]`);
  }
}

/** The events, one a line, as they were sent. */
export async function* eventLines(
  pieces: AsyncIterable<Uint8Array>,
): AsyncGenerator<Uint8Array, void, undefined> {
  const cutter = new ElementCutter();
  for await (const piece of pieces) {
    const ended = cutter.push(piece, lineBreak);
    if (ended.length > 0) yield withBreak(ended);
  }
}

function withBreak(bytes: Uint8Array): Uint8Array {
  const line = new Uint8Array(bytes.length + 1);
  line.set(bytes);
  line[bytes.length] = lineBreak;
  return line;
}

/** Finds the elements of an array in its pieces. */
class ElementCutter {
  readonly #scanner = new Scanner(maxDepth);
  /** What was seen of an element that has not ended. */
  #held: Uint8Array[] = [];
  #isOpen = false;
  #isOver = false;

  /**
   * Takes the next piece.
   * @returns the elements that ended, with `separator` between them; empty when none did
   */
  push(piece: Uint8Array, separator: number): Uint8Array {
    const bytes = piece.slice();
    let start = 0;
    if (!this.#isOpen) {
      start = bytes.indexOf(openBracket) + 1;
      if (start === 0) return bytes.subarray(0, 0);
      this.#isOpen = true;
      this.#scanner.enter();
    }
    this.#scanner.forget();
    let end = -1;
    for (let at = start; !this.#isOver && at < bytes.length; at++) {
      at = this.#scanner.scan(bytes, at, bytes.length);
      if (at === bytes.length) break;
      if (end >= 0) bytes[end] = separator;
      end = at;
      this.#isOver = bytes[at] === closeBracket;
    }
    if (end < 0) {
      if (!this.#isOver) this.#held.push(bytes.subarray(start));
      return bytes.subarray(0, 0);
    }
    const ended = joined([...this.#held, bytes.subarray(start, end)]);
    this.#held = this.#isOver ? [] : [bytes.subarray(end + 1)];
    return isBlank(ended) ? ended.subarray(0, 0) : ended;
  }
}

/** Stored events have spaces and tabs between tokens, and nothing else. */
function isBlank(bytes: Uint8Array): boolean {
  let at = 0;
  while (bytes[at] === space || bytes[at] === tab) at++;
  return at === bytes.length;
}

function joined(parts: readonly Uint8Array[]): Uint8Array {
  if (parts.length === 1) return parts[0];
  const all = new Uint8Array(parts.reduce((sum, part) => sum + part.length, 0));
  let at = 0;
  for (const part of parts) {
    all.set(part, at);
    at += part.length;
  }
  return all;
}
