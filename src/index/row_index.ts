/**
 * Where the rows lie that no part holds yet, by the partition that they will be written to.
 * @module
 */

import type { RowsPlan } from "./plan.ts";
import { type LineRun, Runs } from "./runs.ts";

/** How much an index holds. */
export interface IndexSize {
  readonly entries: number;
  /** Estimated memory. */
  readonly bytes: number;
}

/** What a partition costs besides its runs: the map's entry, the name, two objects. */
const partitionBytes = 300;

/** Partition to runs of lines. What is in flush can be read until it is committed. */
export class RowIndex {
  #current = new RowGeneration();
  #inFlush: RowGeneration | undefined;

  /** Remembers a run of lines of one partition; runs come in the order in which they lie in the journal. */
  add(partition: string, run: LineRun): void {
    this.#current.add(partition, run);
  }

  /** What a flush must write: every row before segment `checkpoint`. Later ones wait for the next flush. */
  plan(checkpoint: number): RowsPlan[] {
    this.#inFlush = this.#current;
    this.#current = this.#inFlush.takeFrom(checkpoint);
    return [...this.#inFlush.entries("")];
  }

  /** The rows of the last plan are in parts. */
  committed(): void {
    this.#inFlush = undefined;
  }

  /** The rows of the last plan are due again. */
  failed(): void {
    if (this.#inFlush === undefined) return;
    this.#inFlush.append(this.#current);
    this.#current = this.#inFlush;
    this.#inFlush = undefined;
  }

  /** Rows that no part holds yet, of partitions whose name begins with `prefix`; a partition may come twice. */
  *entries(prefix: string): Generator<RowsPlan, void, undefined> {
    if (this.#inFlush) yield* this.#inFlush.entries(prefix);
    yield* this.#current.entries(prefix);
  }

  /** Adds the segments that rows lie in. */
  addSegments(segments: Set<number>): void {
    for (const segment of this.#inFlush?.segments ?? []) segments.add(segment);
    for (const segment of this.#current.segments) segments.add(segment);
  }

  size(): IndexSize {
    const sizes = [this.#current.size(), this.#inFlush?.size() ?? { entries: 0, bytes: 0 }];
    return { entries: sizes[0].entries + sizes[1].entries, bytes: sizes[0].bytes + sizes[1].bytes };
  }
}

/** The rows between two plans. */
class RowGeneration {
  readonly segments = new Set<number>();
  readonly #partitions = new Map<string, Runs>();
  #rows = 0;
  #bytes = 0;

  add(partition: string, run: LineRun): void {
    this.segments.add(run.segment);
    const runs = this.#runsOf(partition);
    const before = runs.bytes;
    runs.add(run);
    this.#bytes += runs.bytes - before;
    this.#rows += run.rows;
  }

  append(later: RowGeneration): void {
    for (const segment of later.segments) this.segments.add(segment);
    for (const [partition, laterRuns] of later.#partitions) this.#append(partition, laterRuns);
  }

  takeFrom(segment: number): RowGeneration {
    const taken = new RowGeneration();
    const late = [...this.segments].filter((each) => each >= segment);
    if (late.length === 0) return taken;
    for (const each of late) {
      this.segments.delete(each);
      taken.segments.add(each);
    }
    for (const [partition, runs] of this.#partitions) {
      const lateRuns = runs.takeFrom(segment);
      if (lateRuns.rows === 0) continue;
      taken.#append(partition, lateRuns);
      this.#rows -= lateRuns.rows;
      if (runs.rows === 0) this.#partitions.delete(partition);
    }
    return taken;
  }

  *entries(prefix: string): Generator<RowsPlan, void, undefined> {
    for (const [partition, runs] of this.#partitions) {
      if (partition.startsWith(prefix)) yield { partition, extents: runs.toArray() };
    }
  }

  size(): IndexSize {
    return { entries: this.#rows, bytes: this.#bytes };
  }

  #append(partition: string, later: Runs): void {
    const runs = this.#runsOf(partition);
    const before = runs.bytes;
    runs.append(later);
    this.#bytes += runs.bytes - before;
    this.#rows += later.rows;
  }

  #runsOf(partition: string): Runs {
    const known = this.#partitions.get(partition);
    if (known) return known;
    const runs = new Runs();
    this.#partitions.set(partition, runs);
    this.#bytes += partitionBytes + runs.bytes;
    return runs;
  }
}
