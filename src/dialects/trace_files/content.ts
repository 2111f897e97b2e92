/**
 * From `traceData` to the bytes of a file: a text as it is, every other JSON value with an indent of 2.
 * @module
 */

import { WeirError } from "../../base/errors.ts";
import { textHoldsLoneSurrogate } from "../well_formed.ts";

const encoder = new TextEncoder();

/** What is known of a value before it is looked at. */
export interface SentValue {
  /** Of the row that held it. */
  readonly sentBytes: number;
  /** Brackets open at once. */
  readonly maxDepth: number;
  /** Does it hold an escape such as `\ud83d`? Its bytes were UTF-8: half a surrogate pair comes in no other way. */
  readonly hasUnicodeEscape: boolean;
}

/**
 * The bytes of the file.
 * @param value Any JSON value but null.
 * @param maxBytes What one file may have.
 * @param sent Spares a look at every value within, where so little was sent that no indent can make it too much.
 * @throws WeirError `file_too_large`, `ill_formed_text`
 */
export function fileContent(value: unknown, maxBytes: number, sent?: SentValue): Uint8Array {
  const text = typeof value === "string" ? value : indented(value, maxBytes, sent);
  if ((sent === undefined || sent.hasUnicodeEscape) && isIllFormed(value, text)) throw illFormed();
  // A UTF-16 unit is at least one byte.
  if (text.length > maxBytes) throw tooLarge(maxBytes);
  return checkedSize(encoder.encode(text), maxBytes);
}

/**
 * The same bytes, if they are not too many.
 * @param maxBytes What one file may have.
 * @throws WeirError `file_too_large`
 */
export function checkedSize(bytes: Uint8Array, maxBytes: number): Uint8Array {
  if (bytes.length > maxBytes) throw tooLarge(maxBytes);
  return bytes;
}

/** Does the value's text hold half a surrogate pair, or, in JSON, the escape that stands for one? */
function isIllFormed(value: unknown, text: string): boolean {
  return typeof value === "string" ? !text.isWellFormed() : textHoldsLoneSurrogate(text);
}

/** The indent grows with depth: 1 MiB of brackets could become a file of hundreds, which is found out before. */
function indented(value: unknown, maxBytes: number, sent: SentValue | undefined): string {
  const mayGrow = sent === undefined || mostIndentBytes(sent) > maxBytes;
  if (mayGrow && indentBytes(value, 0, maxBytes) > maxBytes) throw tooLarge(maxBytes);
  return JSON.stringify(value, undefined, 2);
}

/** Every second byte a value, each in a line of its own, all as deep as may be. */
function mostIndentBytes({ sentBytes, maxDepth }: SentValue): number {
  return (sentBytes / 2 + 1) * (1 + 2 * maxDepth);
}

/** Bytes of line breaks and indents alone, or some number above `max`. Bodies have a limit on depth. */
function indentBytes(value: unknown, depth: number, max: number): number {
  if (value === null || typeof value !== "object") return 0;
  const items = Array.isArray(value) ? value : Object.values(value);
  let bytes = items.length * (1 + 2 * (depth + 1));
  for (let i = 0; i < items.length && bytes <= max; i++) {
    bytes += indentBytes(items[i], depth + 1, max - bytes);
  }
  return bytes;
}

function tooLarge(maxBytes: number): WeirError {
  return new WeirError("file_too_large", `The file is too large: the limit is ${maxBytes} bytes`);
}

function illFormed(): WeirError {
  return new WeirError("ill_formed_text", "The text is not well-formed: it holds half a surrogate pair");
}
