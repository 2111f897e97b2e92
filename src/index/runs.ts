/**
 * Runs of whole lines in the journal, in the order in which they were placed.
 * @module
 */

import { rowExtentStride } from "./plan.ts";

/** Neighbouring lines in one segment. */
export interface LineRun {
  readonly segment: number;
  /** Of the first byte, in the segment file. */
  readonly offset: number;
  /** Bytes, line breaks included. */
  readonly length: number;
  readonly rows: number;
}

/** Numbers of runs in one growing array; a run that continues the last one becomes part of it. */
export class Runs {
  #numbers = new Float64Array(4 * rowExtentStride);
  #length = 0;
  #rows = 0;

  /** How many rows the runs hold. */
  get rows(): number {
    return this.#rows;
  }

  /** Memory it takes. */
  get bytes(): number {
    return this.#numbers.byteLength;
  }

  add(run: LineRun): void {
    this.#rows += run.rows;
    const numbers = this.#numbers;
    const last = this.#length - rowExtentStride;
    if (last >= 0 && numbers[last] === run.segment && numbers[last + 1] + numbers[last + 2] === run.offset) {
      numbers[last + 2] += run.length;
      numbers[last + 3] += run.rows;
      return;
    }
    this.#reserve(rowExtentStride);
    this.#numbers[this.#length++] = run.segment;
    this.#numbers[this.#length++] = run.offset;
    this.#numbers[this.#length++] = run.length;
    this.#numbers[this.#length++] = run.rows;
  }

  /** Takes over all runs of another, which come after these. */
  append(later: Runs): void {
    this.#reserve(later.#length);
    this.#numbers.set(later.#numbers.subarray(0, later.#length), this.#length);
    this.#length += later.#length;
    this.#rows += later.#rows;
  }

  /** Takes out the runs that lie in this segment or a later one. */
  takeFrom(segment: number): Runs {
    const taken = new Runs();
    let cut = this.#length;
    while (cut > 0 && this.#numbers[cut - rowExtentStride] >= segment) cut -= rowExtentStride;
    for (let at = cut; at < this.#length; at += rowExtentStride) {
      const [inSegment, offset, length, rows] = this.#numbers.subarray(at, at + rowExtentStride);
      taken.add({ segment: inSegment, offset, length, rows });
      this.#rows -= rows;
    }
    this.#length = cut;
    return taken;
  }

  /** A copy of the numbers: {@link rowExtentStride} for each run. */
  toArray(): Float64Array {
    return this.#numbers.slice(0, this.#length);
  }

  #reserve(more: number): void {
    const needed = this.#length + more;
    if (needed <= this.#numbers.length) return;
    const grown = new Float64Array(Math.max(needed, this.#numbers.length * 2));
    grown.set(this.#numbers.subarray(0, this.#length));
    this.#numbers = grown;
  }
}
