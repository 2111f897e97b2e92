/**
 * Where the records of trace requests lie: for each (app, session id, request id) its batches and its metadata.
 *
 * A batch is reserved before its unit goes to the journal, and placed when it is there. Adding one costs the same
 * with a million open requests as with a thousand.
 * @module
 */

import type { Clock } from "../base/clock.ts";
import type { TracePlace } from "../base/record.ts";
import type { CatalogReader } from "./catalog_reader.ts";
import { OpenRequests } from "./open_requests.ts";
import { RequestPacker, unpackRequests } from "./packed_requests.ts";
import type { PackedRequests, RequestPlan } from "./plan.ts";
import { type RecordPlace, recordState } from "./request_records.ts";
import { requestFlag, requestInt, requestNumber } from "./request_rows.ts";
import type { IndexSize } from "./row_index.ts";
import { none } from "./slab.ts";
import { type DueOptions, TraceFlight } from "./trace_flight.ts";

/** A record on its way to the journal: the row of its batch, or for metadata that of its request. */
export interface HeldTrace {
  readonly kind: TracePlace["kind"];
  readonly row: number;
}

/** A request of which the journal holds something. */
export interface OpenRequest {
  readonly sid: string;
  readonly rid: string;
  /** Time of the first entry of what the journal holds, ms since the epoch. */
  readonly firstT: number;
  /** Do parts hold something of it, too? */
  readonly inParts: boolean;
}

/** Names a request among those that are watched. */
function watchKey({ app, sid, rid }: Pick<TracePlace, "app" | "sid" | "rid">): string {
  return JSON.stringify([app, sid, rid]);
}

/** The requests that have records which no part holds yet. */
export class TraceIndex {
  readonly #open: OpenRequests;
  readonly #flight: TraceFlight;
  readonly #clock: Clock;
  readonly #watchers = new Map<string, Set<() => void>>();

  constructor(options: { catalog: CatalogReader; clock: Clock }) {
    this.#open = new OpenRequests(options.catalog);
    this.#flight = new TraceFlight(this.#open);
    this.#clock = options.clock;
  }

  /**
   * Takes a record's place before its unit goes to the journal; undefined when the same batch is stored, or on its
   * way there. A batch without an index is given one.
   *
   * @throws what the catalog throws; nothing is reserved then
   */
  reserve(place: TracePlace): HeldTrace | undefined {
    const request = this.#open.open(place);
    if (place.kind === "request") {
      this.#open.add(request, requestInt.pending, 1);
      return { kind: "request", row: request };
    }
    if (this.#isRepeat(request, place)) {
      this.#open.rest(request);
      return undefined;
    }
    if (place.index < 0) place.index = this.#open.names.rows.number(request, requestNumber.nextIndex);
    const row = this.#open.records.addBatch(request, place, recordState.pending);
    this.#open.countIndex(request, place.index);
    this.#open.add(request, requestInt.pending, 1);
    return { kind: "batch", row };
  }

  /** Of records that a unit holds: are records of the same requests on their way in other units? */
  areShared(held: readonly HeldTrace[]): boolean {
    const own = new Map<number, number>();
    for (const each of held) {
      const request = this.#requestOf(each);
      own.set(request, (own.get(request) ?? 0) + 1);
    }
    const { rows } = this.#open.names;
    return own.entries().some(([request, count]) => rows.int(request, requestInt.pending) > count);
  }

  /** The record is in the journal. `line` is where its line lies. */
  place(held: HeldTrace, place: TracePlace, line: RecordPlace): void {
    const { records, names: { rows } } = this.#open;
    const request = this.#requestOf(held);
    if (held.kind === "request") {
      records.addMeta(request, line);
      this.#open.setFlag(request, requestFlag.metaSeen);
    } else {
      this.#replaceOlder(request, held.row);
      records.setState(held.row, recordState.placed);
      const { segment, offset } = line;
      records.setPlace(held.row, {
        segment,
        offset: offset + place.eventsOffset,
        length: place.eventsLength,
      });
    }
    this.#open.hold(line.segment);
    this.#open.add(request, requestInt.pending, -1);
    this.#open.add(request, requestInt.placed, 1);
    rows.setNumber(request, requestNumber.activity, this.#clock.monotonic());
    if (place.total > rows.number(request, requestNumber.total)) {
      rows.setNumber(request, requestNumber.total, place.total);
    }
    if (place.t < rows.number(request, requestNumber.firstT)) {
      rows.setNumber(request, requestNumber.firstT, place.t);
    }
    if (place.t > rows.number(request, requestNumber.lastT)) {
      rows.setNumber(request, requestNumber.lastT, place.t);
    }
    this.#open.queues.touch(request, {
      isComplete: this.#open.isComplete(request),
      segment: line.segment,
    });
    if (this.#watchers.size > 0) this.#watchers.get(watchKey(place))?.forEach((wake) => wake());
  }

  /**
   * Calls `wake` whenever a record of the request was stored; it must not do any work itself. Disposing of what is
   * returned ends it.
   */
  watch(name: Pick<TracePlace, "app" | "sid" | "rid">, wake: () => void): Disposable {
    const key = watchKey(name);
    const wakes = this.#watchers.get(key) ?? new Set();
    this.#watchers.set(key, wakes.add(wake));
    return {
      [Symbol.dispose]: () => {
        wakes.delete(wake);
        if (wakes.size === 0 && this.#watchers.get(key) === wakes) this.#watchers.delete(key);
      },
    };
  }

  /** The journal refused the unit of these records. */
  release(held: readonly HeldTrace[]): void {
    const requests = new Set<number>();
    for (const each of held.toReversed()) {
      const request = this.#requestOf(each);
      if (each.kind === "batch") this.#open.records.remove(each.row);
      this.#open.add(request, requestInt.pending, -1);
      requests.add(request);
    }
    for (const request of requests) {
      if (this.#open.forgetIfIdle(request)) continue;
      this.#open.recountIndexes(request);
      this.#open.queues.setComplete(request, this.#open.isComplete(request));
    }
  }

  /** What a flush must write, of what lies before segment `checkpoint`; it can still be read until committed. */
  plan(checkpoint: number, options: DueOptions): { requests: PackedRequests; more: boolean } {
    return this.#flight.plan(checkpoint, options);
  }

  /** What the last plan took is in parts. */
  committed(): void {
    this.#flight.committed();
  }

  /** What the last plan took is due again. */
  failed(): void {
    this.#flight.failed();
  }

  /** What the journal holds of a request and no committed part does; undefined when that is nothing. */
  get(app: string, sid: string, rid: string): RequestPlan | undefined {
    const request = this.#open.find({ app, sid, rid });
    return request === none ? undefined : this.#read(request);
  }

  /** The requests of an app, or of one of its sessions, of which the journal holds something. */
  *requestsOf(app: string, sid?: string): Generator<OpenRequest, void, undefined> {
    const { names } = this.#open;
    const sessions = sid === undefined ? names.sessionsOf(app) : [names.findSession(app, sid)];
    for (const session of sessions) {
      for (const request of names.ofSession(session)) {
        if (this.#holds(request)) yield this.#describe(request);
      }
    }
  }

  /** One of them. */
  find(app: string, sid: string, rid: string): OpenRequest | undefined {
    const request = this.#open.find({ app, sid, rid });
    return request === none || !this.#holds(request) ? undefined : this.#describe(request);
  }

  /** Adds the segments that records lie in. */
  addSegments(segments: Set<number>): void {
    for (const segment of this.#open.segments) segments.add(segment);
  }

  /** Requests in memory and what they cost. */
  size(): IndexSize {
    return { entries: this.#open.names.count, bytes: this.#open.bytes };
  }

  /** Records that the journal holds and no committed part does; every request is looked at. */
  countHeld(): number {
    let count = 0;
    for (const request of this.#open.names.all()) count += this.#held(request);
    return count;
  }

  #holds(request: number): boolean {
    return this.#held(request) > 0;
  }

  #held(request: number): number {
    const { rows } = this.#open.names;
    return rows.int(request, requestInt.placed) + rows.int(request, requestInt.inFlush);
  }

  #describe(request: number): OpenRequest {
    const { names } = this.#open;
    const { sid, rid } = names.nameOf(request);
    const firstT = Math.min(
      names.rows.number(request, requestNumber.firstT),
      this.#flight.countsOf(request)?.firstT ?? Infinity,
    );
    return { sid, rid, firstT, inParts: this.#open.hasFlag(request, requestFlag.inParts) };
  }

  #requestOf({ kind, row }: HeldTrace): number {
    return kind === "request" ? row : this.#open.records.requestOf(row);
  }

  #isRepeat(request: number, place: TracePlace): boolean {
    const { records } = this.#open;
    if (place.index >= 0) {
      const latest = records.withIndex(request, place.index);
      return latest !== none && records.hashOf(latest) === place.hash;
    }
    return records.withHash(request, place.hash) !== none;
  }

  /** The batch takes the place of an older one with its index, if there is one. */
  #replaceOlder(request: number, batch: number): void {
    const { records } = this.#open;
    const older = records.olderVersion(batch);
    if (older === none) return this.#open.add(request, requestInt.stored, 1);
    this.#open.add(request, requestInt.replaced, 1);
    // One in the journal stays until the next flush is over: read back without it, the counts would be others.
    if (records.stateOf(older) === recordState.flushed) records.remove(older);
    else records.supersede(older);
  }

  #read(request: number): RequestPlan | undefined {
    const { records, names: { rows } } = this.#open;
    const batches: number[] = [];
    const metas: number[] = [];
    for (let record = records.first(request); record !== none; record = records.after(record)) {
      const state = records.stateOf(record);
      const isHere = state === recordState.placed || state === recordState.inFlush;
      if (isHere && !records.isSuperseded(record)) (records.isMeta(record) ? metas : batches).push(record);
    }
    if (batches.length + metas.length === 0) return undefined;
    const inFlush = this.#flight.countsOf(request);
    const counts = {
      total: Math.max(rows.number(request, requestNumber.total), inFlush?.total ?? -1),
      replaced: rows.int(request, requestInt.replaced) + (inFlush?.replaced ?? 0),
      firstT: Math.min(rows.number(request, requestNumber.firstT), inFlush?.firstT ?? Infinity),
      lastT: Math.max(rows.number(request, requestNumber.lastT), inFlush?.lastT ?? -Infinity),
    };
    const packer = new RequestPacker();
    this.#open.pack(request, { packer, counts, batches, metas });
    const [plan] = unpackRequests(packer.finish());
    return plan;
  }
}
