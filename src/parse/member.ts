/**
 * Members of an object, found in its bytes: a value can be copied as it was sent.
 * @module
 */

import type { ByteWriter } from "../base/byte_writer.ts";
import { closeBrace, closeBracket, comma, openBrace, openBracket, skipSpace, trimEnd } from "./scanner.ts";
import { decodeUtf8 } from "./utf8.ts";

const quote = 0x22;
const backslash = 0x5c;

/** A range of bytes, its end not included. */
export interface ByteRange {
  readonly start: number;
  readonly end: number;
}

/**
 * Where a member's value lies inside the object at `bytes[start, end)`: the last one of that key, as in `JSON.parse`;
 * undefined when there is none. White space around the value is left off. The bytes must be known to be JSON; when
 * they are no object, there is no member.
 */
export function findMember(
  bytes: Uint8Array,
  start: number,
  end: number,
  key: string,
): ByteRange | undefined {
  let at = skipSpace(bytes, start, end);
  if (at === end || bytes[at] !== openBrace) return undefined;
  let found: ByteRange | undefined;
  for (;;) {
    const keyFrom = skipSpace(bytes, at + 1, end);
    if (keyFrom >= end || bytes[keyFrom] !== quote) return found;
    const keyTo = stringEnd(bytes, keyFrom, end);
    // Behind the key: white space, the colon, white space, the value.
    const valueFrom = skipSpace(bytes, skipSpace(bytes, keyTo, end) + 1, end);
    at = valueEnd(bytes, valueFrom, end);
    if (isKey(bytes, keyFrom, keyTo, key)) found = { start: valueFrom, end: trimEnd(bytes, valueFrom, at) };
    if (at >= end || bytes[at] !== comma) return found;
  }
}

/**
 * Copies an object without its members of these keys; every other member stays byte for byte as it is.
 * @param range The object, as {@link findMember} finds one; its bytes must be known to be JSON.
 */
export function copyWithout(
  bytes: Uint8Array,
  range: ByteRange,
  { keys, to }: { keys: readonly string[]; to: ByteWriter },
): void {
  to.byte(openBrace);
  let isFirst = true;
  for (let at = range.start; bytes[at] !== closeBrace;) {
    const keyFrom = skipSpace(bytes, at + 1, range.end);
    if (bytes[keyFrom] !== quote) break;
    const keyTo = stringEnd(bytes, keyFrom, range.end);
    const valueFrom = skipSpace(bytes, skipSpace(bytes, keyTo, range.end) + 1, range.end);
    at = valueEnd(bytes, valueFrom, range.end);
    if (keys.some((key) => isKey(bytes, keyFrom, keyTo, key))) continue;
    if (!isFirst) to.byte(comma);
    isFirst = false;
    to.raw(bytes, keyFrom, trimEnd(bytes, valueFrom, at));
  }
  to.byte(closeBrace);
}

/** Is `bytes[start, end)` a JSON string, white space around it allowed, whose value is `key`? */
export function isKey(bytes: Uint8Array, start: number, end: number, key: string): boolean {
  const from = skipSpace(bytes, start, end);
  const to = trimEnd(bytes, from, end);
  if (to - from < 2 || bytes[from] !== quote || bytes[to - 1] !== quote) return false;
  const size = to - from - 2;
  for (let i = 0; i < size; i++) {
    const byte = bytes[from + 1 + i];
    if (byte === backslash || byte >= 0x80) return isKeyDecoded(bytes, from, to, key);
    if (byte !== key.charCodeAt(i)) return false;
  }
  return size === key.length;
}

/** As {@link isKey}, where escapes or characters beyond ASCII make bytes and characters differ. */
function isKeyDecoded(bytes: Uint8Array, start: number, end: number, key: string): boolean {
  try {
    return JSON.parse(decodeUtf8(bytes, start, end)) === key;
  } catch {
    // Two strings side by side, or a broken escape: no key, and no JSON, which the body's verdict will say.
    return false;
  }
}

/** The end of the string that begins at `from`, both quotes included. */
function stringEnd(bytes: Uint8Array, from: number, end: number): number {
  let at = from + 1;
  for (;;) {
    let byte = 0;
    while (at < end && (byte = bytes[at]) !== quote && byte !== backslash) at++;
    if (byte !== backslash || at >= end) return Math.min(at + 1, end);
    at += 2;
  }
}

/** Where the comma or bracket stands that ends the value at `from`. */
function valueEnd(bytes: Uint8Array, from: number, end: number): number {
  let at = from;
  let depth = 0;
  while (at < end) {
    const byte = bytes[at];
    if (byte === quote) {
      at = stringEnd(bytes, at, end);
      continue;
    }
    if (byte === openBrace || byte === openBracket) depth++;
    else if (byte === closeBrace || byte === closeBracket) {
      if (depth-- === 0) return at;
    } else if (byte === comma && depth === 0) return at;
    at++;
  }
  return end;
}
