/**
 * The records of the requests that are in memory: batches and pieces of metadata, each a row of numbers.
 * @module
 */

import { requestFlag, requestInt, requestNumber, type RequestRows } from "./request_rows.ts";
import { none, Slab, SlabLists } from "./slab.ts";
import { SlabTable } from "./slab_table.ts";
import { hashPair, randomSeed } from "./text_hash.ts";

/** How far a record is. */
export const recordState = {
  /** Reserved by a unit that is on its way to the journal. */
  pending: 0,
  /** In the journal. */
  placed: 1,
  /** Being written by the flush under way. */
  inFlush: 2,
  /** In a part; it has no place in the journal any more. */
  flushed: 3,
} as const;

const recordInt = {
  request: 0,
  segment: 1,
  length: 2,
  flags: 3,
  nextInRequest: 4,
  previousInRequest: 5,
  nextByIndex: 6,
  nextByHash: 7,
} as const;
const recordNumber = { index: 0, offset: 1, hash: 2 } as const;

const stateMask = 3;
const metaFlag = 4;
const assumedFlag = 8;
/** In the journal, while another batch with its index was placed later. */
const supersededFlag = 16;
/** In the table by hash; only the youngest batch of an index is. */
const hashedFlag = 32;
/** A request with more batches than this has them in tables; those of others are looked through. */
const maxScanned = 12;

/** What is known of a batch before it is placed. */
export interface NewBatch {
  readonly index: number;
  readonly hash: number;
  readonly assumed: boolean;
}

/** Where the bytes of a record lie. */
export interface RecordPlace {
  readonly segment: number;
  readonly offset: number;
  readonly length: number;
}

/**
 * Rows of records.
 *
 * - A request's records stand in its list, in the order in which they came.
 * - The batches of a request with many are in the table by index, all versions of them, the youngest first.
 * - They are in the table by hash only from when it was asked for, and only the youngest version of each.
 */
export class RequestRecords {
  readonly #requests: Slab;
  readonly #inRequest: SlabLists;
  readonly #rows = new Slab({ numbers: 3, ints: 8 });
  readonly #byIndex: SlabTable;
  readonly #byHash: SlabTable;
  readonly #seed = randomSeed();

  constructor(requests: RequestRows) {
    this.#requests = requests.rows;
    this.#inRequest = new SlabLists(this.#rows, this.#requests, {
      next: recordInt.nextInRequest,
      previous: recordInt.previousInRequest,
      first: requestInt.firstRecord,
      last: requestInt.lastRecord,
    });
    this.#byIndex = new SlabTable(this.#rows, {
      next: recordInt.nextByIndex,
      hashOf: (row) => hashPair(this.requestOf(row), this.indexOf(row), this.#seed),
    });
    this.#byHash = new SlabTable(this.#rows, {
      next: recordInt.nextByHash,
      hashOf: (row) => hashPair(this.requestOf(row), this.hashOf(row), this.#seed),
    });
  }

  /** How many records there are. */
  get count(): number {
    return this.#rows.count;
  }

  /** Memory of the rows in use and of the tables. */
  get bytes(): number {
    return this.#rows.count * this.#rows.rowBytes + this.#byIndex.bytes + this.#byHash.bytes;
  }

  requestOf(row: number): number {
    return this.#rows.int(row, recordInt.request);
  }

  indexOf(row: number): number {
    return this.#rows.number(row, recordNumber.index);
  }

  hashOf(row: number): number {
    return this.#rows.number(row, recordNumber.hash);
  }

  segmentOf(row: number): number {
    return this.#rows.int(row, recordInt.segment);
  }

  offsetOf(row: number): number {
    return this.#rows.number(row, recordNumber.offset);
  }

  lengthOf(row: number): number {
    return this.#rows.int(row, recordInt.length);
  }

  stateOf(row: number): number {
    return this.#rows.int(row, recordInt.flags) & stateMask;
  }

  setState(row: number, state: number): void {
    this.#rows.setInt(row, recordInt.flags, this.#rows.int(row, recordInt.flags) & ~stateMask | state);
  }

  isMeta(row: number): boolean {
    return this.#has(row, metaFlag);
  }

  isAssumed(row: number): boolean {
    return this.#has(row, assumedFlag);
  }

  isSuperseded(row: number): boolean {
    return this.#has(row, supersededFlag);
  }

  supersede(row: number): void {
    this.#rows.setInt(row, recordInt.flags, this.#rows.int(row, recordInt.flags) | supersededFlag);
  }

  /** Gives a new request, whose flags are set, an empty list. */
  clear(request: number): void {
    this.#inRequest.clear(request);
    this.#requests.setInt(request, requestInt.batches, 0);
  }

  /** The first record of a request, or {@link none}. */
  first(request: number): number {
    return this.#inRequest.first(request);
  }

  /** The last record of a request, or {@link none}. */
  last(request: number): number {
    return this.#inRequest.last(request);
  }

  /** The record before of the same request, or {@link none}. */
  before(row: number): number {
    return this.#inRequest.before(row);
  }

  /** The next record of the same request, or {@link none}. */
  after(row: number): number {
    return this.#inRequest.after(row);
  }

  /** The youngest batch of the request with this index, or {@link none}. */
  withIndex(request: number, index: number): number {
    if (this.#isIn(request, requestFlag.inIndexTable)) {
      return this.#inTable(this.#byIndex.first(hashPair(request, index, this.#seed)), request, index);
    }
    // Most batches come in order, and are the first with their index.
    const isNew = index >= this.#requests.number(request, requestNumber.nextIndex) &&
      !this.#isIn(request, requestFlag.outOfSequence);
    return isNew ? none : this.#inList(this.last(request), index);
  }

  /** The next older batch of the same request and index, or {@link none}. */
  olderVersion(row: number): number {
    const request = this.requestOf(row);
    const index = this.indexOf(row);
    return this.#isIn(request, requestFlag.inIndexTable)
      ? this.#inTable(this.#byIndex.after(row), request, index)
      : this.#inList(this.before(row), index);
  }

  /** A batch of the request with these bytes that no younger one replaces, or {@link none}. */
  withHash(request: number, hash: number): number {
    if (!this.#isIn(request, requestFlag.inIndexTable)) return this.#hashInList(request, hash);
    if (!this.#isIn(request, requestFlag.inHashTable)) this.#hashAll(request);
    let row = this.#byHash.first(hashPair(request, hash, this.#seed));
    while (row !== none && (this.requestOf(row) !== request || this.hashOf(row) !== hash)) {
      row = this.#byHash.after(row);
    }
    return row;
  }

  /** A new record of metadata, placed. */
  addMeta(request: number, place: RecordPlace): number {
    const row = this.#add(request, metaFlag | recordState.placed);
    this.setPlace(row, place);
    return row;
  }

  /** A new batch, the youngest of its index. */
  addBatch(request: number, batch: NewBatch, state: number): number {
    const older = this.#isIn(request, requestFlag.inHashTable) ? this.withIndex(request, batch.index) : none;
    const row = this.#add(request, state | (batch.assumed ? assumedFlag : 0));
    this.#rows.setNumber(row, recordNumber.index, batch.index);
    this.#rows.setNumber(row, recordNumber.hash, batch.hash);
    const batches = this.#requests.int(request, requestInt.batches) + 1;
    this.#requests.setInt(request, requestInt.batches, batches);
    if (this.#isIn(request, requestFlag.inIndexTable)) this.#byIndex.insert(row);
    else if (batches > maxScanned) this.#indexAll(request);
    if (!this.#isIn(request, requestFlag.inHashTable)) return row;
    if (older !== none) this.#removeHash(older);
    this.#insertHash(row);
    return row;
  }

  setPlace(row: number, place: RecordPlace): void {
    this.#rows.setInt(row, recordInt.segment, place.segment);
    this.#rows.setNumber(row, recordNumber.offset, place.offset);
    this.#rows.setInt(row, recordInt.length, place.length);
  }

  /** Frees a record; an older batch of its index comes to the fore again. */
  remove(row: number): void {
    const request = this.requestOf(row);
    if (!this.isMeta(row)) {
      const older = this.#has(row, hashedFlag) ? this.olderVersion(row) : none;
      this.#removeHash(row);
      if (this.#isIn(request, requestFlag.inIndexTable)) this.#byIndex.remove(row);
      if (older !== none) this.#insertHash(older);
      this.#requests.setInt(request, requestInt.batches, this.#requests.int(request, requestInt.batches) - 1);
    }
    this.#inRequest.remove(request, row);
    this.#rows.free(row);
  }

  /** Frees all records of a request, the youngest first, which the tables find at once. */
  removeAll(request: number): void {
    for (let row = this.last(request); row !== none;) {
      const before = this.before(row);
      if (this.#isIn(request, requestFlag.inIndexTable) && !this.isMeta(row)) {
        this.#removeHash(row);
        this.#byIndex.remove(row);
      }
      this.#rows.free(row);
      row = before;
    }
    this.clear(request);
  }

  #add(request: number, flags: number): number {
    const row = this.#rows.allocate();
    this.#rows.setInt(row, recordInt.request, request);
    this.#rows.setInt(row, recordInt.flags, flags);
    this.#inRequest.append(request, row);
    return row;
  }

  /** Looks through the list of a request with few batches, from this record back. */
  #inList(from: number, index: number): number {
    let row = from;
    while (row !== none && (this.isMeta(row) || this.indexOf(row) !== index)) row = this.before(row);
    return row;
  }

  #hashInList(request: number, hash: number): number {
    let row = this.last(request);
    for (; row !== none; row = this.before(row)) {
      if (this.isMeta(row) || this.hashOf(row) !== hash) continue;
      if (this.#inList(this.last(request), this.indexOf(row)) === row) return row;
    }
    return none;
  }

  /** Looks through a chain of the table by index, from this record on. */
  #inTable(from: number, request: number, index: number): number {
    let row = from;
    while (row !== none && (this.requestOf(row) !== request || this.indexOf(row) !== index)) {
      row = this.#byIndex.after(row);
    }
    return row;
  }

  #indexAll(request: number): void {
    for (let row = this.first(request); row !== none; row = this.after(row)) {
      if (!this.isMeta(row)) this.#byIndex.insert(row);
    }
    this.#mark(request, requestFlag.inIndexTable);
  }

  #hashAll(request: number): void {
    for (let row = this.first(request); row !== none; row = this.after(row)) {
      if (!this.isMeta(row) && this.withIndex(request, this.indexOf(row)) === row) this.#insertHash(row);
    }
    this.#mark(request, requestFlag.inHashTable);
  }

  #isIn(request: number, flag: number): boolean {
    return (this.#requests.int(request, requestInt.flags) & flag) !== 0;
  }

  #mark(request: number, flag: number): void {
    this.#requests.setInt(request, requestInt.flags, this.#requests.int(request, requestInt.flags) | flag);
  }

  #has(row: number, flag: number): boolean {
    return (this.#rows.int(row, recordInt.flags) & flag) !== 0;
  }

  #insertHash(row: number): void {
    this.#rows.setInt(row, recordInt.flags, this.#rows.int(row, recordInt.flags) | hashedFlag);
    this.#byHash.insert(row);
  }

  #removeHash(row: number): void {
    if (!this.#has(row, hashedFlag)) return;
    this.#rows.setInt(row, recordInt.flags, this.#rows.int(row, recordInt.flags) & ~hashedFlag);
    this.#byHash.remove(row);
  }
}
