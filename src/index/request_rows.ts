/**
 * The requests that are in memory, found by app, session id and request id.
 * @module
 */

import { none, Slab, SlabLists } from "./slab.ts";
import { SlabTable } from "./slab_table.ts";
import { hashText, mix, randomSeed } from "./text_hash.ts";

/** What names a request. */
export interface RequestName {
  readonly app: string;
  readonly sid: string;
  readonly rid: string;
}

/** Float64 fields of a request's row. Times are ms since the epoch, Infinity and -Infinity where none came. */
export const requestNumber = {
  /** Declared number of batches since the last plan, or -1. */
  total: 0,
  firstT: 1,
  lastT: 2,
  /** Monotonic time at which the last record was placed. */
  activity: 3,
  /** Index for the next batch that has none. */
  nextIndex: 4,
} as const;

/** Int32 fields of a request's row. */
export const requestInt = {
  hash: 0,
  nextInBucket: 1,
  session: 2,
  nextInSession: 3,
  previousInSession: 4,
  /** Neighbours among those that are open, or among those that are complete. */
  nextInQueue: 5,
  previousInQueue: 6,
  /** Neighbours among those whose oldest record lies in the same segment. */
  nextInSegment: 7,
  previousInSegment: 8,
  firstRecord: 9,
  lastRecord: 10,
  /** Batches that it has, in whatever state. */
  batches: 11,
  /** Batches replaced since the last plan. */
  replaced: 12,
  /** Different batch indexes that are stored: placed, in flush or in parts. */
  stored: 13,
  oldestSegment: 14,
  flags: 15,
  /** Records on their way to the journal. */
  pending: 16,
  /** Records in the journal that are due or wait to be. */
  placed: 17,
  inFlush: 18,
  /** Its number in the flush under way. */
  flight: 19,
} as const;

/** Bits of {@link requestInt.flags}. */
export const requestFlag = {
  /** Metadata was seen, here or in a part. */
  metaSeen: 1,
  /** Its batches are in the table by index. */
  inIndexTable: 2,
  /** Its batches are in the table by hash, too. */
  inHashTable: 4,
  /** A batch has an index that no batch without one can follow. */
  outOfSequence: 8,
  /** Waits among the open ones. */
  open: 16,
  /** Waits among the complete ones. */
  complete: 32,
  /** Parts hold something of it. */
  inParts: 64,
} as const;

const sessionInt = { hash: 0, nextInBucket: 1, firstRequest: 2, lastRequest: 3 } as const;

/** Memory of a name besides its characters: the string itself and the array that holds it. */
const stringBytes = 32;

/** Rows of requests; a session exists for as long as one of its requests does. */
export class RequestRows {
  readonly rows = new Slab({ numbers: 5, ints: 20 });
  readonly #byName: SlabTable;
  readonly #sessions = new Slab({ numbers: 0, ints: 4 });
  readonly #sessionsByName: SlabTable;
  readonly #inSession: SlabLists;
  readonly #rids: string[] = [];
  readonly #apps: string[] = [];
  readonly #sids: string[] = [];
  readonly #seed = randomSeed();
  #textBytes = 0;

  constructor() {
    this.#byName = new SlabTable(this.rows, {
      next: requestInt.nextInBucket,
      hashOf: (row) => this.rows.int(row, requestInt.hash),
    });
    this.#sessionsByName = new SlabTable(this.#sessions, {
      next: sessionInt.nextInBucket,
      hashOf: (row) => this.#sessions.int(row, sessionInt.hash),
    });
    this.#inSession = new SlabLists(this.rows, this.#sessions, {
      next: requestInt.nextInSession,
      previous: requestInt.previousInSession,
      first: sessionInt.firstRequest,
      last: sessionInt.lastRequest,
    });
  }

  /** How many requests there are. */
  get count(): number {
    return this.rows.count;
  }

  /** Estimated memory. */
  get bytes(): number {
    return this.rows.count * this.rows.rowBytes + this.#sessions.count * this.#sessions.rowBytes +
      this.#byName.bytes + this.#sessionsByName.bytes + this.#textBytes;
  }

  /** The row of a session, or {@link none} when none of its requests is here. */
  findSession(app: string, sid: string): number {
    return this.#findSession(app, sid, this.#sessionHash(app, sid));
  }

  /** The row of a request of a session, or {@link none}. */
  find(session: number, rid: string): number {
    if (session === none) return none;
    const hash = this.#requestHash(session, rid);
    let row = this.#byName.first(hash);
    for (; row !== none; row = this.#byName.after(row)) {
      if (
        this.rows.int(row, requestInt.hash) === hash && this.rows.int(row, requestInt.session) === session &&
        this.#rids[row] === rid
      ) return row;
    }
    return none;
  }

  /** A new row for a request that has none; its other fields hold anything. `found`: as {@link findSession} said. */
  add(name: RequestName, found: number): number {
    const session = found === none ? this.#addSession(name) : found;
    const row = this.rows.allocate();
    this.#rids[row] = name.rid;
    this.#textBytes += stringBytes + name.rid.length;
    this.rows.setInt(row, requestInt.hash, this.#requestHash(session, name.rid));
    this.rows.setInt(row, requestInt.session, session);
    this.#byName.insert(row);
    this.#inSession.append(session, row);
    return row;
  }

  /** Frees the row of a request. */
  remove(row: number): void {
    const session = this.rows.int(row, requestInt.session);
    this.#byName.remove(row);
    this.#inSession.remove(session, row);
    this.#textBytes -= stringBytes + this.#rids[row].length;
    this.#rids[row] = "";
    this.rows.free(row);
    if (this.#inSession.first(session) === none) this.#removeSession(session);
    if (this.rows.count === 0) this.#rids.length = this.#apps.length = this.#sids.length = 0;
  }

  nameOf(row: number): RequestName {
    const session = this.rows.int(row, requestInt.session);
    return { app: this.#apps[session], sid: this.#sids[session], rid: this.#rids[row] };
  }

  /** The sessions of an app that have requests here. */
  *sessionsOf(app: string): Generator<number, void, undefined> {
    for (let row = 0; row < this.#apps.length; row++) if (this.#apps[row] === app) yield row;
  }

  /** The rows of a session's requests, in the order in which they came. */
  ofSession(session: number): number[] {
    const found: number[] = [];
    if (session === none) return found;
    for (let row = this.#inSession.first(session); row !== none; row = this.#inSession.after(row)) {
      found.push(row);
    }
    return found;
  }

  /** The rows of all requests. */
  *all(): Generator<number, void, undefined> {
    for (let session = 0; session < this.#apps.length; session++) yield* this.ofSession(session);
  }

  #findSession(app: string, sid: string, hash: number): number {
    let row = this.#sessionsByName.first(hash);
    for (; row !== none; row = this.#sessionsByName.after(row)) {
      if (
        this.#sessions.int(row, sessionInt.hash) === hash && this.#sids[row] === sid &&
        this.#apps[row] === app
      ) return row;
    }
    return none;
  }

  #addSession({ app, sid }: RequestName): number {
    const row = this.#sessions.allocate();
    this.#apps[row] = app;
    this.#sids[row] = sid;
    this.#textBytes += 2 * stringBytes + app.length + sid.length;
    this.#sessions.setInt(row, sessionInt.hash, this.#sessionHash(app, sid));
    this.#inSession.clear(row);
    this.#sessionsByName.insert(row);
    return row;
  }

  #removeSession(row: number): void {
    this.#sessionsByName.remove(row);
    this.#textBytes -= 2 * stringBytes + this.#apps[row].length + this.#sids[row].length;
    this.#apps[row] = this.#sids[row] = "";
    this.#sessions.free(row);
  }

  #sessionHash(app: string, sid: string): number {
    return hashText(sid, hashText(app, this.#seed) | 0) | 0;
  }

  #requestHash(session: number, rid: string): number {
    return hashText(rid, mix(session ^ this.#seed)) | 0;
  }
}
