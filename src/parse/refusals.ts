/**
 * Why a body as a whole is refused. The texts carry limits and positions, never anything of the body; nor does a
 * `cause`, because the messages of `JSON.parse` quote what they could not read.
 * @module
 */

import { WeirError } from "../base/errors.ts";
import { openBrace, openBracket } from "./scanner.ts";

/** The body is no JSON. */
export function malformed(what: string): WeirError {
  return new WeirError("malformed_json", `Cannot read the body as JSON: ${what}`);
}

/** The body is cut off, or empty. */
export function cutOff(bytes: number): WeirError {
  return malformed(bytes === 0 ? "it is empty" : `it ends after ${bytes} bytes in the middle of a value`);
}

/** The body holds bytes that are no UTF-8. */
export function invalidUtf8(where: string): WeirError {
  return new WeirError("invalid_utf8", `Cannot read the body as JSON: ${where} is not valid UTF-8`);
}

/** The body nests too deeply. */
export function tooDeep(maxDepth: number): WeirError {
  return new WeirError("too_deep", `Cannot read the body: it nests deeper than max_depth: ${maxDepth}`);
}

/** The body has too many rows. */
export function tooManyRows(maxRows: number): WeirError {
  return new WeirError("too_many_rows", `Cannot read the body: it has more rows than max_rows: ${maxRows}`);
}

/** A byte at which the scan stopped, and which may not stand there. */
export function misplaced(byte: number, maxDepth: number): WeirError {
  if (byte === openBrace || byte === openBracket) return tooDeep(maxDepth);
  return malformed("a comma, colon or bracket stands where none may");
}

/** Something is too long; the limit is named by its setting. */
export function tooLarge(what: string, setting: string, limit: number): WeirError {
  return new WeirError(
    "body_too_large",
    `Request body is too large: ${what} exceeds ${setting}: ${limit} bytes`,
  );
}

/** The key that holds the rows came twice. */
export function duplicateRowsKey(key: string): WeirError {
  return new WeirError("duplicate_rows_key", `Cannot read the body: "${key}" is a second key for the rows`);
}
