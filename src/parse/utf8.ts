/**
 * Bytes to text, strictly: what is no UTF-8 is an error, and a byte order mark stays in the text.
 * @module
 */

import { isUtf8 as isUtf8Bytes } from "node:buffer";

// A decoder with `fatal` is six times slower than checking first and decoding loosely.
const decoder = new TextDecoder("utf-8", { ignoreBOM: true });

/** Are these bytes UTF-8? About 40 GB/s. */
export function isUtf8(bytes: Uint8Array, start: number, end: number): boolean {
  return isUtf8Bytes(bytes.subarray(start, end));
}

/** The text of bytes that {@link isUtf8} is true for; in others, U+FFFD stands for what cannot be read. */
export function decodeUtf8(bytes: Uint8Array, start: number, end: number): string {
  return decoder.decode(bytes.subarray(start, end));
}

/** The end of the last character that is whole in `bytes[start, end)`, where they are UTF-8. */
export function characterEnd(bytes: Uint8Array, start: number, end: number): number {
  let at = end;
  while (at > start && end - at < 3 && (bytes[at - 1] & 0xc0) === 0x80) at--;
  return at > start && bytes[at - 1] >= 0xc0 ? at - 1 : end;
}
