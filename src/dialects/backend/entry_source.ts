/**
 * An entry before it is looked into, and what does not depend on its content.
 * @module
 */

import type { IdSource } from "../../base/ids.ts";
import type { Entry } from "./schema.ts";
import type { Span } from "./spans.ts";

/** What is the same for all entries of one POST. */
export interface EntryScene {
  readonly app: string;
  readonly sid: string;
  /** ms since the epoch. */
  readonly arrivedAt: number;
  readonly ids: IdSource;
  /** How deep a trace that came as text may nest. */
  readonly maxDepth: number;
  /** Changes, or wrapped batches, in one list of an entry. */
  readonly maxItems: number;
}

/** One entry of a window. */
export interface SentEntry {
  readonly value: unknown;
  readonly span: Span;
  /** Position in the body. */
  readonly position: number;
  /** May its bytes hold an escape such as `\u00e9`? */
  readonly hasUnicodeEscape: boolean;
}

/** An entry that fits the schema, with what its records share. */
export interface ReadyEntry extends SentEntry, EntryScene {
  readonly entry: Entry;
  readonly rid: string | undefined;
  /** Time that was sent, ms since the epoch; undefined where none was that a calendar has. */
  readonly sentT: number | undefined;
}

/** The last millisecond of the year 9999: the end of days that have the form YYYY-MM-DD. */
const lastTime = 253402300799999;

/** `t` of an entry, ms since the epoch, from 1970 to 9999: a number, or text that is one. */
export function sentTime(t: unknown): number | undefined {
  const time = typeof t === "number" ? t : typeof t === "string" && t.trim() !== "" ? Number(t) : NaN;
  return time >= 0 && time <= lastTime ? Math.trunc(time) : undefined;
}
