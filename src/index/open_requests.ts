/**
 * What is known of the requests in memory: their rows, their records, and when they are due.
 * @module
 */

import type { CatalogReader } from "./catalog_reader.ts";
import { DueQueues } from "./due_queues.ts";
import { batchStride, metaStride, type RequestPlan } from "./plan.ts";
import { recordState, RequestRecords } from "./request_records.ts";
import { requestFlag, requestInt, type RequestName, requestNumber, RequestRows } from "./request_rows.ts";
import { none } from "./slab.ts";

/**
 * Indexes from here on are not counted by: the batch after them could not be given a number of ten digits. The
 * client chose them for reasons of its own.
 */
const sequenceEnd = 5_000_000_000;
/** Requests, and batches of theirs, that may rest at once. */
const maxResting = { requests: 1_000, batches: 100_000 };

/** The requests in memory, with what every step of their lives has in common. */
export class OpenRequests {
  readonly names = new RequestRows();
  readonly records = new RequestRecords(this.names);
  readonly queues = new DueQueues(this.names.rows);
  readonly #catalog: CatalogReader;
  readonly #recordsInSegment = new Map<number, number>();
  /** Requests of which only parts hold anything. */
  readonly #resting = new Set<number>();
  #restingBatches = 0;

  constructor(catalog: CatalogReader) {
    this.#catalog = catalog;
  }

  /** Estimated memory. */
  get bytes(): number {
    return this.names.bytes + this.records.bytes;
  }

  /** Segments that records lie in which no part holds yet. */
  get segments(): Iterable<number> {
    return this.#recordsInSegment.keys();
  }

  /** The request's row; one that is not in memory is made, with what parts hold of it. */
  open(name: RequestName): number {
    const known = this.names.find(name);
    if (known !== none) return known;
    const flushed = this.#catalog.flushedBatches(name.app, name.sid, name.rid);
    const request = this.names.add(name);
    const { rows } = this.names;
    this.records.clear(request);
    this.forgetCounts(request);
    rows.setNumber(request, requestNumber.activity, 0);
    rows.setNumber(request, requestNumber.nextIndex, 0);
    rows.setInt(request, requestInt.stored, flushed?.size ?? 0);
    // Whether parts hold its metadata is not asked: a request that was written once is rarely written without.
    rows.setInt(request, requestInt.flags, flushed?.size ? requestFlag.metaSeen : 0);
    for (const field of ["pending", "placed", "inFlush"] as const) rows.setInt(request, requestInt[field], 0);
    rows.setInt(request, requestInt.flight, none);
    for (const [index, hash] of flushed ?? []) {
      this.records.addBatch(request, {
        batch: { index, hash, assumed: false },
        state: recordState.flushed,
        isHashed: false,
      });
      this.countIndex(request, index);
    }
    return request;
  }

  /** Begins the request's next part: what it counts is about what came since the last one. */
  forgetCounts(request: number): void {
    const { rows } = this.names;
    rows.setNumber(request, requestNumber.total, -1);
    rows.setNumber(request, requestNumber.firstT, Infinity);
    rows.setNumber(request, requestNumber.lastT, -Infinity);
    rows.setInt(request, requestInt.replaced, 0);
  }

  /** The request has a batch with this index. */
  countIndex(request: number, index: number): void {
    if (index >= sequenceEnd) this.setFlag(request, requestFlag.outOfSequence);
    else if (index >= this.names.rows.number(request, requestNumber.nextIndex)) {
      this.names.rows.setNumber(request, requestNumber.nextIndex, index + 1);
    }
  }

  /** Counts the indexes anew, after some are gone. */
  recountIndexes(request: number): void {
    this.clearFlag(request, requestFlag.outOfSequence);
    this.names.rows.setNumber(request, requestNumber.nextIndex, 0);
    for (const record of this.recordsOf(request)) {
      if (!this.records.isMeta(record)) this.countIndex(request, this.records.indexOf(record));
    }
  }

  /**
   * Are all declared batches stored, and metadata seen? An index past the total says that the total is wrong: such
   * a request waits until it is idle.
   */
  isComplete(request: number): boolean {
    const { rows } = this.names;
    const total = rows.number(request, requestNumber.total);
    const flags = rows.int(request, requestInt.flags);
    return total >= 0 && rows.int(request, requestInt.stored) === total &&
      rows.number(request, requestNumber.nextIndex) <= total &&
      (flags & (requestFlag.metaSeen | requestFlag.outOfSequence)) === requestFlag.metaSeen;
  }

  /** Frees the request when nothing of it is on its way to the journal, in it, or being written. */
  forgetIfIdle(request: number): boolean {
    if (this.#isBusy(request)) return false;
    for (const record of this.recordsOf(request)) this.records.remove(record);
    this.names.remove(request);
    this.#resting.delete(request);
    return true;
  }

  /**
   * The request had only repeats: when it is idle it may be forgotten, but not yet, so that the catalog is not asked
   * again for each of its batches that somebody sends anew.
   */
  rest(request: number): void {
    if (this.#isBusy(request) || this.#resting.has(request)) return;
    this.#resting.add(request);
    this.#restingBatches += this.names.rows.int(request, requestInt.stored);
    if (this.#resting.size > maxResting.requests || this.#restingBatches > maxResting.batches) {
      this.forgetResting(request);
    }
  }

  /** Frees the requests that rest, except this one. */
  forgetResting(except: number = none): void {
    for (const request of this.#resting) if (request !== except) this.forgetIfIdle(request);
    this.#resting.clear();
    this.#restingBatches = 0;
  }

  /** The records of a request, in order of arrival; the one at hand may be removed meanwhile. */
  *recordsOf(request: number): Generator<number, void, undefined> {
    for (let record = this.records.first(request); record !== none;) {
      const next = this.records.after(record);
      yield record;
      record = next;
    }
  }

  /** These batches and this metadata as numbers: what a plan says of a request besides its counts. */
  describe(batches: number[], metas: number[]): Pick<RequestPlan, "batches" | "metas"> {
    const { records } = this;
    batches.sort((a, b) => records.indexOf(a) - records.indexOf(b));
    const batchNumbers = new Float64Array(batches.length * batchStride);
    let at = 0;
    for (const batch of batches) {
      batchNumbers[at++] = records.indexOf(batch);
      batchNumbers[at++] = records.segmentOf(batch);
      batchNumbers[at++] = records.offsetOf(batch);
      batchNumbers[at++] = records.lengthOf(batch);
      batchNumbers[at++] = records.hashOf(batch);
      batchNumbers[at++] = records.isAssumed(batch) ? 1 : 0;
    }
    const metaNumbers = new Float64Array(metas.length * metaStride);
    at = 0;
    for (const meta of metas) {
      metaNumbers[at++] = records.segmentOf(meta);
      metaNumbers[at++] = records.offsetOf(meta);
      metaNumbers[at++] = records.lengthOf(meta);
    }
    return { batches: batchNumbers, metas: metaNumbers };
  }

  /** A record begins to hold on to its segment. */
  hold(segment: number): void {
    this.#recordsInSegment.set(segment, (this.#recordsInSegment.get(segment) ?? 0) + 1);
  }

  /** A record lets go of its segment. */
  letGo(segment: number): void {
    const left = (this.#recordsInSegment.get(segment) ?? 0) - 1;
    if (left > 0) this.#recordsInSegment.set(segment, left);
    else this.#recordsInSegment.delete(segment);
  }

  /** Adds to one of the counts of a request. */
  add(request: number, field: number, change: number): void {
    this.names.rows.setInt(request, field, this.names.rows.int(request, field) + change);
  }

  setFlag(request: number, flag: number): void {
    this.names.rows.setInt(request, requestInt.flags, this.names.rows.int(request, requestInt.flags) | flag);
  }

  clearFlag(request: number, flag: number): void {
    this.names.rows.setInt(request, requestInt.flags, this.names.rows.int(request, requestInt.flags) & ~flag);
  }

  hasFlag(request: number, flag: number): boolean {
    return (this.names.rows.int(request, requestInt.flags) & flag) !== 0;
  }

  #isBusy(request: number): boolean {
    const { rows } = this.names;
    return rows.int(request, requestInt.pending) + rows.int(request, requestInt.placed) +
        rows.int(request, requestInt.inFlush) > 0;
  }
}
