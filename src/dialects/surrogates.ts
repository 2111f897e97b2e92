/**
 * Halves of surrogate pairs. Clients cut texts at a number of UTF-16 units, so that a pair may be cut in two; what
 * is left is legal in JSON, but a single one makes a whole part unreadable to DuckDB and others.
 * @module
 */

const backslash = 0x5c;
const letterU = 0x75;
const escapeBytes = 6;
const replacement = new TextEncoder().encode("fffd");

/**
 * Overwrites each escape in `bytes[start, end)` that is half of a pair without the other half, by U+FFFD, which
 * is as long. The bytes must be known to be JSON.
 */
export function mendSurrogates(bytes: Uint8Array, start: number, end: number): void {
  let at = bytes.indexOf(backslash, start);
  while (at >= 0 && at < end) {
    let size = 2;
    if (bytes[at + 1] === letterU) {
      size = escapeBytes;
      const unit = unitAt(bytes, at);
      if (isHigh(unit) && isLow(unitAt(bytes, at + escapeBytes))) size = 2 * escapeBytes;
      else if (isHigh(unit) || isLow(unit)) bytes.set(replacement, at + 2);
    }
    at = bytes.indexOf(backslash, at + size);
  }
}

/** The UTF-16 unit of the escape at `at`; NaN when there is none. */
function unitAt(bytes: Uint8Array, at: number): number {
  if (bytes[at] !== backslash || bytes[at + 1] !== letterU) return NaN;
  return parseInt(String.fromCharCode(bytes[at + 2], bytes[at + 3], bytes[at + 4], bytes[at + 5]), 16);
}

function isHigh(unit: number): boolean {
  return unit >= 0xd800 && unit <= 0xdbff;
}

function isLow(unit: number): boolean {
  return unit >= 0xdc00 && unit <= 0xdfff;
}
