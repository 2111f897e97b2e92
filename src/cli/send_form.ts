/**
 * In what form a file holds its rows, told by its first bytes.
 * @module
 */

import { WeirError } from "../base/errors.ts";
import { JsonRows } from "../parse/json_rows.ts";
import type { RowLimits } from "../parse/window.ts";

/** One array of rows; an object of which one member holds them; or one row a line. */
export type RowForm = "array" | "object" | "ndjson";

/** Members of an outer object that may hold the rows. */
export const rowsKeys = ["events", "payload"] as const;

/** White space of JSON. */
const blank = new Set([0x20, 0x09, 0x0a, 0x0d]);
const openBracket = 0x5b;
const openBrace = 0x7b;

/**
 * Finds out the form, however small the pieces are in which the file is read. An object is read as a body would be,
 * until one of {@link rowsKeys} turns out to be an array, or it turns out that none is: then it is the first line of
 * an NDJSON file.
 */
export class FormFinder {
  readonly #probe: JsonRows;
  #hasBegun = false;

  constructor(limits: RowLimits) {
    this.#probe = new JsonRows({ rowsKey: rowsKeys, limits });
  }

  /** Has anything but white space come? */
  get hasBegun(): boolean {
    return this.#hasBegun;
  }

  /** Looks at the next bytes, which are left as they are. @returns undefined while the form is open */
  feed(bytes: Uint8Array): RowForm | undefined {
    if (!this.#hasBegun) {
      const first = bytes.find((byte) => !blank.has(byte));
      if (first === undefined) return undefined;
      this.#hasBegun = true;
      if (first === openBracket) return "array";
      if (first !== openBrace) return "ndjson";
    }
    try {
      // The parser writes into what it is given.
      for (const _window of this.#probe.push(bytes.slice())) break;
    } catch (error) {
      if (!(error instanceof WeirError)) throw error;
      return this.#probe.rowsKey === undefined ? "ndjson" : "object";
    }
    return this.#probe.rowsKey === undefined ? undefined : "object";
  }
}
