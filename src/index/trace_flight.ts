/**
 * Requests in flush: which ones a flush takes, and what becomes of them when it was committed or failed.
 * @module
 */

import type { OpenRequests } from "./open_requests.ts";
import { RequestPacker } from "./packed_requests.ts";
import type { PackedRequests } from "./plan.ts";
import { recordState } from "./request_records.ts";
import { requestFlag, requestInt, requestNumber } from "./request_rows.ts";
import { none } from "./slab.ts";

/** Records that one flush takes of requests, so that planning and committing never hold others up for long. */
const recordsPerFlush = 50_000;
/** Estimated memory of a request and of a record, to know how many must go. */
const requestBytes = 250;
const recordBytes = 72;

/** Which requests are due. */
export interface DueOptions {
  readonly mode: "due" | "all";
  /** Those that were last active at this monotonic time or before are idle. */
  readonly idleSince: number;
  /** Those that hold on to a segment before this one are due. */
  readonly minSegment: number;
  /** Past it, the oldest are due. */
  readonly maxRequests: number;
  /** Past it, the oldest are due; estimated memory. */
  readonly maxBytes: number;
}

/** What was counted of a request when it was taken. */
interface Flight {
  readonly request: number;
  readonly total: number;
  readonly replaced: number;
  readonly firstT: number;
  readonly lastT: number;
}

/** The requests of the flush under way. What comes for them meanwhile is for a later flush. */
export class TraceFlight {
  readonly #open: OpenRequests;
  #flights: Flight[] = [];

  constructor(open: OpenRequests) {
    this.#open = open;
  }

  /** Takes what is due and lies before segment `checkpoint`. */
  plan(checkpoint: number, options: DueOptions): { requests: PackedRequests; more: boolean } {
    const packer = new RequestPacker();
    let records = 0;
    let more = false;
    for (const request of this.#due(options, () => records)) {
      more = records >= recordsPerFlush;
      if (more) break;
      records += this.#take(request, checkpoint, packer);
    }
    return { requests: packer.finish(), more };
  }

  /** What was counted of a request that is in flush. */
  of(request: number): Flight | undefined {
    return this.#flights[this.#open.names.rows.int(request, requestInt.flight)];
  }

  /** The catalog knows what was taken: nothing of it is kept here. */
  committed(): void {
    this.#open.forgetResting();
    for (const { request } of this.#land()) {
      const { rows } = this.#open.names;
      const lives = rows.int(request, requestInt.pending) + rows.int(request, requestInt.placed) > 0;
      if (lives) this.#settle(request);
      else this.#letGo(request);
    }
  }

  /** What was taken is due again. */
  failed(): void {
    // The last one first, so that the oldest stands at the front again.
    for (const flight of this.#land().reverse()) this.#putBack(flight);
  }

  #land(): Flight[] {
    const flights = this.#flights;
    this.#flights = [];
    return flights;
  }

  *#due(options: DueOptions, taken: () => number): Generator<number, void, undefined> {
    const { names, queues } = this.#open;
    const before = { requests: names.count, bytes: this.#open.bytes };
    yield* queues.complete();
    yield* queues.holdingBefore(options.minSegment);
    for (const request of queues.open()) {
      const isIdle = names.rows.number(request, requestNumber.activity) <= options.idleSince;
      const requests = before.requests - this.#flights.length;
      const bytes = before.bytes - this.#flights.length * requestBytes - taken() * recordBytes;
      const isCrowded = requests > options.maxRequests || bytes > options.maxBytes;
      if (options.mode === "due" && !isIdle && !isCrowded) return;
      yield request;
    }
  }

  /** Returns how many records it took; none, when all lie after the checkpoint. */
  #take(request: number, checkpoint: number, packer: RequestPacker): number {
    const { records, names } = this.#open;
    const batches: number[] = [];
    const metas: number[] = [];
    let oldestLeft = Infinity;
    for (const record of this.#open.recordsOf(request)) {
      if (records.stateOf(record) !== recordState.placed) continue;
      const segment = records.segmentOf(record);
      if (segment >= checkpoint) oldestLeft = Math.min(oldestLeft, segment);
      else (records.isMeta(record) ? metas : batches).push(record);
    }
    const taken = batches.length + metas.length;
    if (taken === 0) return 0;
    for (const record of batches) records.setState(record, recordState.inFlush);
    for (const record of metas) records.setState(record, recordState.inFlush);
    const { app, sid, rid } = names.nameOf(request);
    const flight = this.#countsOf(request);
    packer.add({ app, sid, rid, ...flight, ...this.#open.describe(batches, metas) });
    names.rows.setInt(request, requestInt.flight, this.#flights.push(flight) - 1);
    this.#open.add(request, requestInt.placed, -taken);
    this.#open.add(request, requestInt.inFlush, taken);
    this.#open.queues.remove(request);
    this.#open.forgetCounts(request);
    if (oldestLeft === Infinity) return taken;
    // What is left came between the turn of the segment and this plan; its times are not known one by one.
    names.rows.setNumber(request, requestNumber.total, flight.total);
    names.rows.setNumber(request, requestNumber.firstT, flight.firstT);
    names.rows.setNumber(request, requestNumber.lastT, flight.lastT);
    this.#open.queues.touch(request, { isComplete: this.#open.isComplete(request), segment: oldestLeft });
    return taken;
  }

  #countsOf(request: number): Flight {
    const { rows } = this.#open.names;
    return {
      request,
      total: rows.number(request, requestNumber.total),
      replaced: rows.int(request, requestInt.replaced),
      firstT: rows.number(request, requestNumber.firstT),
      lastT: rows.number(request, requestNumber.lastT),
    };
  }

  /** The request lives on: of what was written, it remembers only which batches there are. */
  #settle(request: number): void {
    const { records } = this.#open;
    for (const record of this.#open.recordsOf(request)) {
      if (records.stateOf(record) !== recordState.inFlush) continue;
      this.#open.letGo(records.segmentOf(record));
      if (records.isMeta(record) || records.isSuperseded(record)) records.remove(record);
      else records.setState(record, recordState.flushed);
    }
    this.#open.setFlag(request, requestFlag.metaSeen);
    this.#notInFlush(request);
    this.#open.queues.setComplete(request, this.#open.isComplete(request));
  }

  #letGo(request: number): void {
    const { records } = this.#open;
    for (const record of this.#open.recordsOf(request)) {
      if (records.stateOf(record) === recordState.inFlush) this.#open.letGo(records.segmentOf(record));
    }
    this.#notInFlush(request);
    this.#open.forgetIfIdle(request);
  }

  #putBack(flight: Flight): void {
    const { request } = flight;
    const { records, names: { rows } } = this.#open;
    let placed = 0;
    let segment = Infinity;
    for (const record of this.#open.recordsOf(request)) {
      const state = records.stateOf(record);
      if (state === recordState.inFlush && records.isSuperseded(record)) {
        this.#open.letGo(records.segmentOf(record));
        records.remove(record);
      } else if (state === recordState.inFlush || state === recordState.placed) {
        records.setState(record, recordState.placed);
        segment = Math.min(segment, records.segmentOf(record));
        placed++;
      }
    }
    rows.setInt(request, requestInt.placed, placed);
    this.#notInFlush(request);
    const now = this.#countsOf(request);
    rows.setNumber(request, requestNumber.total, Math.max(now.total, flight.total));
    rows.setNumber(request, requestNumber.firstT, Math.min(now.firstT, flight.firstT));
    rows.setNumber(request, requestNumber.lastT, Math.max(now.lastT, flight.lastT));
    this.#open.add(request, requestInt.replaced, flight.replaced);
    this.#open.queues.putBack(request, { isComplete: this.#open.isComplete(request), segment });
  }

  #notInFlush(request: number): void {
    this.#open.names.rows.setInt(request, requestInt.inFlush, 0);
    this.#open.names.rows.setInt(request, requestInt.flight, none);
  }
}
