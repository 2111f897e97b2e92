/**
 * What is known of the requests in memory: their rows, their records, and when they are due.
 * @module
 */

import type { CatalogReader } from "./catalog_reader.ts";
import { DueQueues } from "./due_queues.ts";
import type { RequestCounts, RequestPacker } from "./packed_requests.ts";
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

/** What {@link OpenRequests.pack} writes. */
export interface PackedRecords {
  readonly packer: RequestPacker;
  readonly counts: RequestCounts;
  /** Rows of records. */
  readonly batches: number[];
  readonly metas: readonly number[];
}

/** How many records hold on to a segment. */
interface HeldSegment {
  readonly segment: number;
  records: number;
}

/** The requests in memory, with what every step of their lives has in common. */
export class OpenRequests {
  readonly names = new RequestRows();
  readonly records = new RequestRecords(this.names);
  readonly queues = new DueQueues(this.names.rows);
  readonly #catalog: CatalogReader;
  readonly #held = new Map<number, HeldSegment>();
  #lastHeld = nothingHeld();
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
    return this.#held.keys();
  }

  /** The request's row, or {@link none}. */
  find(name: RequestName): number {
    return this.names.find(this.names.findSession(name.app, name.sid), name.rid);
  }

  /** The request's row; one that is not in memory is made, with what parts hold of it. */
  open(name: RequestName): number {
    const session = this.names.findSession(name.app, name.sid);
    const known = this.names.find(session, name.rid);
    if (known !== none) return known;
    const flushed = this.#catalog.flushedBatches(name.app, name.sid, name.rid);
    const request = this.names.add(name, session);
    const { rows } = this.names;
    // Whether parts hold its metadata is not asked: a request that was written once is rarely written without.
    const flags = (flushed?.size ? requestFlag.metaSeen : 0) | (flushed ? requestFlag.inParts : 0);
    rows.setInt(request, requestInt.flags, flags);
    rows.setInt(request, requestInt.stored, flushed?.size ?? 0);
    rows.setInt(request, requestInt.pending, 0);
    rows.setInt(request, requestInt.placed, 0);
    rows.setInt(request, requestInt.inFlush, 0);
    rows.setInt(request, requestInt.flight, none);
    rows.setNumber(request, requestNumber.activity, 0);
    rows.setNumber(request, requestNumber.nextIndex, 0);
    this.forgetCounts(request);
    this.records.clear(request);
    if (flushed) this.#addFlushed(request, flushed);
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
    const { records } = this;
    for (let record = records.first(request); record !== none; record = records.after(record)) {
      if (!records.isMeta(record)) this.countIndex(request, records.indexOf(record));
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
    this.records.removeAll(request);
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
    if (this.#resting.size >= maxResting.requests || this.#restingBatches >= maxResting.batches) {
      this.forgetResting();
    }
    this.#resting.add(request);
    this.#restingBatches += this.names.rows.int(request, requestInt.stored);
  }

  /** Frees the requests that rest. */
  forgetResting(): void {
    for (const request of this.#resting) this.forgetIfIdle(request);
    this.#resting.clear();
    this.#restingBatches = 0;
  }

  /** Packs a request with these batches and this metadata; sorts the batches. */
  pack(request: number, packed: PackedRecords): void {
    const { packer, counts, batches, metas } = packed;
    const { records } = this;
    const { app, sid, rid } = this.names.nameOf(request);
    packer.begin({ app, sid, rid, counts, batches: batches.length, metas: metas.length });
    batches.sort((a, b) => records.indexOf(a) - records.indexOf(b));
    for (const batch of batches) {
      packer.push(records.indexOf(batch));
      packer.push(records.segmentOf(batch));
      packer.push(records.offsetOf(batch));
      packer.push(records.lengthOf(batch));
      packer.push(records.hashOf(batch));
      packer.push(records.isAssumed(batch) ? 1 : 0);
    }
    for (const meta of metas) {
      packer.push(records.segmentOf(meta));
      packer.push(records.offsetOf(meta));
      packer.push(records.lengthOf(meta));
    }
  }

  /** A record begins to hold on to its segment. */
  hold(segment: number): void {
    if (segment !== this.#lastHeld.segment) this.#lastHeld = this.#heldOf(segment);
    this.#lastHeld.records++;
  }

  /** A record lets go of its segment. */
  letGo(segment: number): void {
    if (segment !== this.#lastHeld.segment) this.#lastHeld = this.#heldOf(segment);
    if (--this.#lastHeld.records > 0) return;
    this.#held.delete(segment);
    this.#lastHeld = nothingHeld();
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

  #heldOf(segment: number): HeldSegment {
    let held = this.#held.get(segment);
    if (!held) this.#held.set(segment, held = { segment, records: 0 });
    return held;
  }

  #addFlushed(request: number, batches: Map<number, number>): void {
    for (const [index, hash] of batches) {
      this.records.addBatch(request, { index, hash, assumed: false }, recordState.flushed);
      this.countIndex(request, index);
    }
  }

  #isBusy(request: number): boolean {
    const { rows } = this.names;
    return rows.int(request, requestInt.pending) + rows.int(request, requestInt.placed) +
        rows.int(request, requestInt.inFlush) > 0;
  }
}

function nothingHeld(): HeldSegment {
  return { segment: none, records: 0 };
}
