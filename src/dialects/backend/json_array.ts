/**
 * Is a text a JSON array? Answered from its bytes, without the objects that `JSON.parse` would build of a trace only
 * to throw them away: half the time, and no garbage.
 * @module
 */

const lineFeed = 0x0a, carriageReturn = 0x0d, space = 0x20, tab = 0x09;
const quote = 0x22, backslash = 0x5c, comma = 0x2c, colon = 0x3a, minus = 0x2d, plus = 0x2b, dot = 0x2e;
const openBrace = 0x7b, closeBrace = 0x7d, openBracket = 0x5b;
const digit0 = 0x30, digit9 = 0x39, lowerE = 0x65, lowerU = 0x75;
/** From an opening bracket's byte to that of its counterpart, for both kinds. */
const toCloser = 2;

const words = ["true", "false", "null"].map((word) => new TextEncoder().encode(word));
/** Bytes that stand in a string for themselves. */
const plain = new Uint8Array(256).fill(1, space);
plain[quote] = plain[backslash] = 0;
/** What may stand behind a backslash, besides `u`. */
const shortEscapes = new Set(new TextEncoder().encode('"\\/bfnrt'));

/**
 * Are the bytes a JSON array, nested no deeper than `maxDepth`? Exactly when `JSON.parse` makes one of them. Line
 * breaks between tokens are overwritten with spaces.
 * @param bytes UTF-8.
 */
export function isJsonArray(bytes: Uint8Array, maxDepth: number): boolean {
  const closers = new Uint8Array(maxDepth);
  let depth = 0;
  let at = blankSpace(bytes, 0);
  if (bytes[at] !== openBracket) return false;
  for (;;) {
    // A value begins at `at`.
    const first = bytes[at];
    if (first === openBrace || first === openBracket) {
      if (depth === maxDepth) return false;
      closers[depth++] = first + toCloser;
      at = blankSpace(bytes, at + 1);
      if (bytes[at] !== first + toCloser) {
        if (first === openBrace) at = skipKey(bytes, at);
        if (at < 0) return false;
        continue;
      }
    } else {
      at = first === quote ? skipString(bytes, at) : skipScalar(bytes, at);
      if (at < 0) return false;
      at = blankSpace(bytes, at);
    }
    // A value has ended, or an empty one is about to, at `at`.
    while (bytes[at] === closers[depth - 1]) {
      at = blankSpace(bytes, at + 1);
      if (--depth === 0) return at === bytes.length;
    }
    if (bytes[at] !== comma) return false;
    at = blankSpace(bytes, at + 1);
    if (closers[depth - 1] === closeBrace) at = skipKey(bytes, at);
    if (at < 0) return false;
  }
}

/** The first place from `at` on that is no white space. */
function blankSpace(bytes: Uint8Array, at: number): number {
  while (at < bytes.length) {
    const byte = bytes[at];
    if (byte === lineFeed || byte === carriageReturn) bytes[at] = space;
    else if (byte !== space && byte !== tab) break;
    at++;
  }
  return at;
}

/** Where the value behind a key and its colon begins; -1 when there is no key at `at`. */
function skipKey(bytes: Uint8Array, at: number): number {
  if (bytes[at] !== quote) return -1;
  const end = skipString(bytes, at);
  if (end < 0) return -1;
  const colonAt = blankSpace(bytes, end);
  return bytes[colonAt] === colon ? blankSpace(bytes, colonAt + 1) : -1;
}

/** The end of the string whose quote is at `at`; -1 when it is none. */
function skipString(bytes: Uint8Array, at: number): number {
  const end = bytes.length;
  for (at++; at < end; at++) {
    const byte = bytes[at];
    if (plain[byte] === 1) continue;
    if (byte === quote) return at + 1;
    if (byte !== backslash) return -1;
    at++;
    if (bytes[at] === lowerU) {
      for (let i = 0; i < 4; i++) if (!isHexDigit(bytes[++at])) return -1;
    } else if (!shortEscapes.has(bytes[at])) return -1;
  }
  return -1;
}

/** The end of the number or word at `at`; -1 when it is none. */
function skipScalar(bytes: Uint8Array, at: number): number {
  if (bytes[at] === minus || isDigit(bytes[at])) return skipNumber(bytes, at);
  for (const word of words) {
    if (word.every((byte, i) => bytes[at + i] === byte)) return at + word.length;
  }
  return -1;
}

function skipNumber(bytes: Uint8Array, at: number): number {
  if (bytes[at] === minus) at++;
  // Behind a leading zero there is no further digit: one that stands there is no separator either.
  at = bytes[at] === digit0 ? at + 1 : skipDigits(bytes, at);
  if (at >= 0 && bytes[at] === dot) at = skipDigits(bytes, at + 1);
  if (at < 0 || (bytes[at] | space) !== lowerE) return at;
  at++;
  if (bytes[at] === plus || bytes[at] === minus) at++;
  return skipDigits(bytes, at);
}

/** The end of at least one digit; -1 when there is none. */
function skipDigits(bytes: Uint8Array, at: number): number {
  if (!isDigit(bytes[at])) return -1;
  do at++; while (isDigit(bytes[at]));
  return at;
}

function isDigit(byte: number): boolean {
  return byte >= digit0 && byte <= digit9;
}

function isHexDigit(byte: number): boolean {
  const letter = byte | space;
  return isDigit(byte) || (letter >= 0x61 && letter <= 0x66);
}
