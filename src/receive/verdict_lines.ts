/**
 * The lines of a reply that wait for their client, bounded: the more of them wait, the more windows share one.
 * @module
 */

import type { Outcomes, Rejection } from "../base/outcome.ts";

/** Refused rows that a line names one by one; more are counted in `rejected_more`. */
const maxNamed = 1_000;
/** Characters that wait before windows share a line. */
const singleLength = 256 * 1024;
/** Characters that wait before one line takes all that comes, and no longer names every refused row. */
const maxLength = 4 * 1024 * 1024;

interface Line {
  through: number;
  accepted: number;
  duplicates: number;
  rejected: Rejection[];
  rejectedMore: number;
}

/** Lines `{"through","accepted","rejected"}`, in order, until they are taken. */
export class VerdictLines {
  #text = "";
  /** The last line, to which the next window may still be added. */
  #open: Line | undefined;

  /** Does nothing wait? */
  get isEmpty(): boolean {
    return this.#open === undefined;
  }

  /** Characters of the lines that are closed. */
  get length(): number {
    return this.#text.length;
  }

  /** Adds the verdict of one window whose last row is number `last`. */
  add(last: number, { accepted, duplicates, rejected }: Outcomes): void {
    if (this.#open !== undefined && !this.#isShared(rejected.length)) this.#close();
    const line = this.#open ??= { through: last, accepted: 0, duplicates: 0, rejected: [], rejectedMore: 0 };
    line.through = last;
    line.accepted += accepted;
    line.duplicates += duplicates;
    const named = Math.min(rejected.length, maxNamed - line.rejected.length);
    line.rejected.push(...rejected.slice(0, named));
    line.rejectedMore += rejected.length - named;
  }

  /** Gives all lines, each with its line break; none of them waits any more. */
  take(): string {
    this.#close();
    const text = this.#text;
    this.#text = "";
    return text;
  }

  /** Does a window with so many refused rows go into the open line? */
  #isShared(rejected: number): boolean {
    if (this.#text.length >= maxLength) return true;
    return this.#text.length >= singleLength && this.#open!.rejected.length + rejected <= maxNamed;
  }

  #close(): void {
    if (this.#open === undefined) return;
    const { rejectedMore, duplicates, ...line } = this.#open;
    this.#open = undefined;
    this.#text += JSON.stringify({
      ...line,
      duplicates: duplicates || undefined,
      rejected_more: rejectedMore || undefined,
    }) + "\n";
  }
}
