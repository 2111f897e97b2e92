/**
 * Requests in flush: which ones a flush takes, and what becomes of them when it was committed or failed.
 * @module
 */

import type { OpenRequests } from "./open_requests.ts";
import { type RequestCounts, RequestPacker } from "./packed_requests.ts";
import type { PackedRequests } from "./plan.ts";
import { recordState } from "./request_records.ts";
import { requestFlag, requestInt, requestNumber } from "./request_rows.ts";
import { none } from "./slab.ts";

/** Records that one flush takes of requests, so that planning and committing never hold others up for long. */
const recordsPerFlush = 10_000;
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

/** A request that was taken, and what was counted of it by then. */
interface Flight {
  readonly request: number;
  readonly counts: RequestCounts;
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
  countsOf(request: number): RequestCounts | undefined {
    return this.#flights[this.#open.names.rows.int(request, requestInt.flight)]?.counts;
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

  /**
   * Returns how many records it took. None, when one lies after the checkpoint: it came between the turn of the
   * segment and this plan, and what a flush writes of a request must be all that the journal held of it by then.
   */
  #take(request: number, checkpoint: number, packer: RequestPacker): number {
    const { records, names } = this.#open;
    const batches: number[] = [];
    const metas: number[] = [];
    const taken: number[] = [];
    for (let record = records.first(request); record !== none; record = records.after(record)) {
      if (records.stateOf(record) !== recordState.placed) continue;
      if (records.segmentOf(record) >= checkpoint) return 0;
      taken.push(record);
      if (records.isMeta(record)) metas.push(record);
      else if (!records.isSuperseded(record)) batches.push(record);
    }
    for (const record of taken) records.setState(record, recordState.inFlush);
    const counts = this.#countsOf(request);
    this.#open.pack(request, { packer, counts, batches, metas });
    names.rows.setInt(request, requestInt.flight, this.#flights.push({ request, counts }) - 1);
    names.rows.setInt(request, requestInt.placed, 0);
    names.rows.setInt(request, requestInt.inFlush, taken.length);
    this.#open.queues.remove(request);
    this.#open.forgetCounts(request);
    return taken.length;
  }

  #countsOf(request: number): RequestCounts {
    const { rows } = this.#open.names;
    return {
      total: rows.number(request, requestNumber.total),
      replaced: rows.int(request, requestInt.replaced),
      firstT: rows.number(request, requestNumber.firstT),
      lastT: rows.number(request, requestNumber.lastT),
    };
  }

  /** The request lives on: of what was written, it remembers only which batches there are. */
  #settle(request: number): void {
    const { records } = this.#open;
    for (let record = records.last(request); record !== none;) {
      const before = records.before(record);
      if (records.stateOf(record) === recordState.inFlush) {
        this.#open.letGo(records.segmentOf(record));
        if (records.isMeta(record) || records.isSuperseded(record)) records.remove(record);
        else records.setState(record, recordState.flushed);
      }
      record = before;
    }
    this.#open.setFlag(request, requestFlag.metaSeen | requestFlag.inParts);
    this.#notInFlush(request);
    this.#open.queues.setComplete(request, this.#open.isComplete(request));
  }

  #letGo(request: number): void {
    const { records } = this.#open;
    for (let record = records.first(request); record !== none; record = records.after(record)) {
      if (records.stateOf(record) === recordState.inFlush) this.#open.letGo(records.segmentOf(record));
    }
    this.#notInFlush(request);
    this.#open.forgetIfIdle(request);
  }

  #putBack({ request, counts }: Flight): void {
    const { records, names: { rows } } = this.#open;
    let placed = 0;
    let segment = Infinity;
    for (let record = records.first(request); record !== none; record = records.after(record)) {
      const state = records.stateOf(record);
      if (state !== recordState.inFlush && state !== recordState.placed) continue;
      records.setState(record, recordState.placed);
      segment = Math.min(segment, records.segmentOf(record));
      placed++;
    }
    rows.setInt(request, requestInt.placed, placed);
    this.#notInFlush(request);
    const now = this.#countsOf(request);
    rows.setNumber(request, requestNumber.total, Math.max(now.total, counts.total));
    rows.setNumber(request, requestNumber.firstT, Math.min(now.firstT, counts.firstT));
    rows.setNumber(request, requestNumber.lastT, Math.max(now.lastT, counts.lastT));
    this.#open.add(request, requestInt.replaced, counts.replaced);
    this.#open.queues.putBack(request, { isComplete: this.#open.isComplete(request), segment });
  }

  #notInFlush(request: number): void {
    this.#open.names.rows.setInt(request, requestInt.inFlush, 0);
    this.#open.names.rows.setInt(request, requestInt.flight, none);
  }
}
