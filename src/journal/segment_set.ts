/**
 * The segments of a running journal: the current one, the next one, and those that take no more frames.
 * @module
 */

import type { Metrics } from "../base/metrics.ts";
import { ClosedSegments } from "./closed_segments.ts";
import { diskFiles, type JournalFiles, makeDirectory } from "./files.ts";
import { segmentPath } from "./segment.ts";
import { SegmentWriter, storageError } from "./segment_writer.ts";

/** How {@link SegmentSet.open} begins. */
export interface SegmentSetOptions {
  readonly dir: string;
  /** With `write`, a segment is synced when the next one follows it. */
  readonly durability: "fsync" | "write";
  /** Number of the segment to begin; greater than every one that is there. */
  readonly firstSegment: number;
  readonly metrics: Metrics;
  /** @default the real disk */
  readonly files?: JournalFiles;
}

/** Frames go to the current segment, or to one that was taken out for one large frame and becomes the current one. */
export class SegmentSet {
  readonly #options: SegmentSetOptions;
  readonly #files: JournalFiles;
  readonly #closed: ClosedSegments;
  #current: SegmentWriter;
  #next: SegmentWriter | undefined;
  #lastNumber: number;
  readonly #retiring = new Set<Promise<void>>();

  /** See `Journal.open`. */
  static async open(options: SegmentSetOptions): Promise<SegmentSet> {
    const { dir, firstSegment, files = diskFiles } = options;
    const closed = await makeDirectory(dir).then(() => ClosedSegments.list(dir)).catch((error) => {
      throw storageError("open the journal", error);
    });
    const greatest = closed.numbers.at(-1) ?? 0;
    if (firstSegment <= greatest) {
      throw new RangeError(
        `Cannot open the journal: firstSegment must be greater than ${greatest}: current value is ${firstSegment}`,
      );
    }
    const current = await SegmentWriter.create({ files, dir, number: firstSegment });
    return new SegmentSet(options, current, closed);
  }

  private constructor(options: SegmentSetOptions, current: SegmentWriter, closed: ClosedSegments) {
    this.#options = options;
    this.#files = options.files ?? diskFiles;
    this.#current = current;
    this.#lastNumber = current.number;
    this.#closed = closed;
    this.#count();
  }

  /** The one that takes frames. */
  get current(): SegmentWriter {
    return this.#current;
  }

  /** The one that was made and is not used yet. */
  get next(): SegmentWriter | undefined {
    return this.#next;
  }

  /** Numbers of those that hold frames or may, ascending; the last is the current one. */
  get numbers(): readonly number[] {
    return [...this.#closed.numbers, this.#current.number];
  }

  /** Bytes of all of them. */
  get bytes(): number {
    return this.#closed.bytes + this.#current.length;
  }

  /**
   * Makes the next segment.
   * @throws WeirError as {@link SegmentWriter.create} does
   */
  async prepare(): Promise<void> {
    // A number is used once, because a file that could not be made may still be there.
    const number = ++this.#lastNumber;
    this.#next = await SegmentWriter.create({ files: this.#files, dir: this.#options.dir, number });
  }

  /** Takes the next segment out, for {@link turnTo} or {@link abandon}. */
  takeNext(): SegmentWriter {
    const next = this.#next;
    if (next === undefined) throw new RangeError("Cannot take a segment: none was made");
    this.#next = undefined;
    return next;
  }

  /**
   * Goes over to a segment that was taken out.
   * @param onBroken Told of a failed sync of the one that is left.
   */
  turnTo(segment: SegmentWriter, onBroken: (error: unknown) => void): void {
    this.#closed.add(this.#current.number, this.#current.length);
    this.#retire(onBroken);
    this.#current = segment;
    this.#count();
  }

  /** Nothing is to be in a segment that was taken out, and nothing will be. One that stays does no harm. */
  abandon(segment: SegmentWriter): void {
    segment.close();
    const removed = this.#files.remove(segmentPath(this.#options.dir, segment.number)).catch(() => undefined)
      .finally(() => this.#retiring.delete(removed));
    this.#retiring.add(removed);
  }

  /** See `Journal.drop`. */
  async drop(segments: Iterable<number>): Promise<void> {
    await this.#closed.remove(segments, this.#files);
    this.#count();
  }

  /** Closes all files. @param onBroken As for {@link turnTo}; without it the current segment is not synced. */
  async close(onBroken?: (error: unknown) => void): Promise<void> {
    if (this.#next) this.abandon(this.takeNext());
    if (onBroken) this.#retire(onBroken);
    else this.#current.close();
    await Promise.all(this.#retiring);
  }

  /** Closes the current segment; with durability `write` it is synced first, so that only the last one can be torn. */
  #retire(onBroken: (error: unknown) => void): void {
    const segment = this.#current;
    if (this.#options.durability === "fsync") return segment.close();
    const retired = segment.syncData().catch(onBroken).finally(() => {
      segment.close();
      this.#retiring.delete(retired);
    });
    this.#retiring.add(retired);
  }

  #count(): void {
    this.#options.metrics.gauge("weir_journal_segments").set(this.#closed.count + 1);
  }
}
