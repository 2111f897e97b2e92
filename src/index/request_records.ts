/**
 * The records of the requests that are in memory: batches and pieces of metadata, each a row of numbers.
 * @module
 */

import { requestInt, type RequestRows } from "./request_rows.ts";
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
  previousByIndex: 7,
  nextByHash: 8,
  previousByHash: 9,
} as const;
const recordNumber = { index: 0, offset: 1, hash: 2 } as const;

const stateMask = 3;
const metaFlag = 4;
const assumedFlag = 8;
/** In flush, while another batch with its index was placed: of no use once the flush is over. */
const supersededFlag = 16;
/** Found by its hash; only the youngest batch of an index is. */
const hashedFlag = 32;

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
 * - Every batch is found by request and index, the youngest first; metadata is not.
 * - By request and hash a batch is found only if its request `isHashed`, and if it is the youngest of its index.
 */
export class RequestRecords {
  readonly #inRequest: SlabLists;
  readonly #rows = new Slab({ numbers: 3, ints: 10 });
  readonly #byIndex: SlabTable;
  readonly #byHash: SlabTable;
  readonly #seed = randomSeed();

  constructor(requests: RequestRows) {
    this.#inRequest = new SlabLists(this.#rows, requests.rows, {
      next: recordInt.nextInRequest,
      previous: recordInt.previousInRequest,
      first: requestInt.firstRecord,
      last: requestInt.lastRecord,
    });
    this.#byIndex = new SlabTable(this.#rows, {
      next: recordInt.nextByIndex,
      previous: recordInt.previousByIndex,
      hashOf: (row) => hashPair(this.requestOf(row), this.indexOf(row), this.#seed),
    });
    this.#byHash = new SlabTable(this.#rows, {
      next: recordInt.nextByHash,
      previous: recordInt.previousByHash,
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

  /** Gives a new request an empty list. */
  clear(request: number): void {
    this.#inRequest.clear(request);
  }

  /** The first record of a request, or {@link none}. */
  first(request: number): number {
    return this.#inRequest.first(request);
  }

  /** The next record of the same request, or {@link none}. */
  after(row: number): number {
    return this.#inRequest.after(row);
  }

  /** The youngest batch of the request with this index, or {@link none}. */
  withIndex(request: number, index: number): number {
    return this.#sameIndex(this.#byIndex.first(hashPair(request, index, this.#seed)), request, index);
  }

  /** The next older batch of the same request and index, or {@link none}. */
  olderVersion(row: number): number {
    return this.#sameIndex(this.#byIndex.after(row), this.requestOf(row), this.indexOf(row));
  }

  /** A batch of the request with these bytes that no younger one replaces, or {@link none}; it must be hashed. */
  withHash(request: number, hash: number): number {
    let row = this.#byHash.first(hashPair(request, hash, this.#seed));
    while (row !== none && (this.requestOf(row) !== request || this.hashOf(row) !== hash)) {
      row = this.#byHash.after(row);
    }
    return row;
  }

  /** Lets {@link withHash} find the batches that the request has. */
  hashAll(request: number): void {
    for (let row = this.first(request); row !== none; row = this.after(row)) {
      if (!this.isMeta(row) && this.withIndex(request, this.indexOf(row)) === row) this.#insertHash(row);
    }
  }

  /** A new record of metadata, placed. */
  addMeta(request: number, place: RecordPlace): number {
    const row = this.#add(request, metaFlag | recordState.placed);
    this.setPlace(row, place);
    return row;
  }

  /** A new batch that replaces, in the look-ups, an older one with its index. */
  addBatch(request: number, options: { batch: NewBatch; state: number; isHashed: boolean }): number {
    const { batch, state, isHashed } = options;
    const older = this.withIndex(request, batch.index);
    const row = this.#add(request, state | (batch.assumed ? assumedFlag : 0));
    this.#rows.setNumber(row, recordNumber.index, batch.index);
    this.#rows.setNumber(row, recordNumber.hash, batch.hash);
    this.#byIndex.insert(row);
    if (!isHashed) return row;
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
    if (!this.isMeta(row)) {
      const older = this.#has(row, hashedFlag) ? this.olderVersion(row) : none;
      this.#removeHash(row);
      this.#byIndex.remove(row);
      if (older !== none) this.#insertHash(older);
    }
    this.#inRequest.remove(this.requestOf(row), row);
    this.#rows.free(row);
  }

  #add(request: number, flags: number): number {
    const row = this.#rows.allocate();
    this.#rows.setInt(row, recordInt.request, request);
    this.#rows.setInt(row, recordInt.flags, flags);
    this.#inRequest.append(request, row);
    return row;
  }

  #sameIndex(from: number, request: number, index: number): number {
    let row = from;
    while (row !== none && (this.requestOf(row) !== request || this.indexOf(row) !== index)) {
      row = this.#byIndex.after(row);
    }
    return row;
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
