/**
 * Where everything lies that was accepted and is in no part yet. Positions in the journal, never payload (except
 * the small replies kept for repeats).
 *
 * The life of a unit: `reserve` right before it is given to the journal, then `place` once it is stored, or
 * `release` when the journal refused it. The life of a flush: `plan`, then `committed` or `failed`.
 * @module
 */

import type { Clock } from "../base/clock.ts";
import type { Metrics } from "../base/metrics.ts";
import {
  frameHeaderBytes,
  type IdentityMemo,
  type KeptReply,
  recordKinds,
  type RowPlace,
  type TracePlace,
  type Unit,
} from "../base/record.ts";
import type { JournalPosition } from "../journal/segment.ts";
import type { CatalogReader } from "./catalog_reader.ts";
import type { EntityKind, EntityRow } from "./entity_row.ts";
import { KeptReplies } from "./kept_replies.ts";
import { OpenEntities } from "./open_entities.ts";
import type { FlushPlan } from "./plan.ts";
import { readRecords } from "./replay.ts";
import type { RecordPlace } from "./request_records.ts";
import { Reservations, type Reserved } from "./reservations.ts";
import { type IndexSize, RowIndex } from "./row_index.ts";
import { SeenIdentities } from "./seen_identities.ts";
import type { SessionKeeper } from "./session_keeper.ts";
import { TraceIndex } from "./trace_index.ts";

/** Limits that a reload may change. */
export interface IndexLimits {
  /** A request for which nothing came for this long is written as it is. */
  readonly idleMs: number;
  /** Open trace requests; past it the oldest are written early. */
  readonly maxRequests: number;
  /** Estimated memory of all indexes; past it the oldest requests are written early. */
  readonly maxIndexBytes: number;
  /** How long a kept reply answers repeats. */
  readonly idempotencyKeepMs: number;
}

/** What {@link Indexes} needs. */
export interface IndexesOptions extends IndexLimits {
  readonly catalog: CatalogReader;
  readonly clock: Clock;
  readonly metrics: Metrics;
  /** @default nobody keeps sessions */
  readonly sessions?: SessionKeeper;
  /** Memory of the filter in front of the catalog's identities. @default 16 MiB, for 11 million identities */
  readonly filterBytes?: number;
}

/** Where operations on profiles and groups go. */
const operationPrefix = `${recordKinds.operation.directory}/`;
/** Past this many times a limit, new work must be refused until a flush made room. */
const fullAt = 1.25;
/** Of the limits, what a flush leaves of an index that is past one. */
const crowdedShare = 0.75;
const defaultFilterBytes = 16 * 1024 * 1024;

/** All indexes of one daemon. */
export class Indexes {
  /** Rows that go to parts as they are. */
  readonly rows = new RowIndex();
  /** Requests, their batches and metadata. */
  readonly traces: TraceIndex;
  readonly #catalog: CatalogReader;
  readonly #clock: Clock;
  readonly #seen: SeenIdentities;
  readonly #replies: KeptReplies;
  readonly #entities: OpenEntities;
  readonly #sessions: SessionKeeper | undefined;
  readonly #reservations: Reservations;
  #limits: IndexLimits;
  #plan: FlushPlan | undefined;
  #checkpoint = 0;

  constructor(options: IndexesOptions) {
    const { catalog, clock, metrics, filterBytes = defaultFilterBytes } = options;
    this.#catalog = catalog;
    this.#clock = clock;
    this.#limits = options;
    this.traces = new TraceIndex({ catalog, clock });
    this.#seen = new SeenIdentities({ catalog, metrics, filterBytes });
    this.#replies = new KeptReplies({ catalog, clock, keepMs: options.idempotencyKeepMs });
    this.#entities = new OpenEntities(catalog);
    this.#sessions = options.sessions;
    this.#reservations = new Reservations(this.#seen, this.traces);
  }

  /** Applies new limits, from the next flush and the next look-up of a reply on. */
  setLimits(limits: IndexLimits): void {
    this.#limits = limits;
    this.#replies.keepMs = limits.idempotencyKeepMs;
  }

  /**
   * Decides which rows and batches are repeats, also of those still on their way to the journal, and takes them out
   * of the unit; gives batches without an index one. To be called right before the unit is given to the journal,
   * with nothing in between: what it repeats is appended before it, and stored before it when the unit says that it
   * {@link follows}. A unit that is left empty has no frame, so its reply must wait for the journal's `barrier`.
   *
   * @throws what the catalog throws; nothing is reserved then
   */
  reserve(unit: Unit): Reserved {
    const reserved = this.#reservations.reserve(unit);
    try {
      this.#sessions?.reserve(unit);
    } catch (error) {
      this.#reservations.release(unit);
      throw error;
    }
    this.#seen.countLookups();
    return reserved;
  }

  /**
   * Must this unit be stored behind the units that were reserved before it? It must when what it became depends on one
   * of them that is not stored yet: else a crash between the two would leave a reply, or a state, without its reason.
   * Says yes rather too often; docs/adr/0019-large-frames-have-a-segment-of-their-own.md has the list.
   *
   * @param unit Reserved right before, as `reserved` tells.
   */
  follows(unit: Unit, { identities, duplicateBatches }: Reserved): boolean {
    return identities.length > 0 || duplicateBatches > 0 || this.#reservations.isShared(unit) ||
      (this.#sessions?.follows(unit) ?? false);
  }

  /**
   * The unit is stored; units come in the order of the journal.
   *
   * @throws RangeError when it holds rows and lies before the segment that the last plan began at: these would be
   * in no flush. Cannot happen when `plan` follows `rotate` at once
   */
  place(unit: Unit, at: JournalPosition): void {
    const held = this.#reservations.settle(unit);
    this.#sessions?.place(unit, at);
    let nextHeld = 0;
    for (let i = 0; i < unit.count;) {
      const place = unit.places[i];
      if (place.family === "rows") {
        i = this.#placeRows(unit, i, at);
        continue;
      }
      const line = lineOf(unit, i++, at);
      if (place.family === "traces") this.traces.place(held[nextHeld++], place, line);
      else this.#placeReply(place, line);
    }
  }

  /** The journal refused the unit: its identities and batches are free again. */
  release(unit: Unit): void {
    this.#reservations.release(unit);
    this.#sessions?.release(unit);
  }

  /**
   * Takes up a frame that was read back from the journal.
   *
   * @param scope `rows: false` for segments before the catalog's checkpoint: all rows and replies there are in parts
   * @returns how many records were taken up
   * @throws FrameRefusal when a line is no record; nothing of the frame is taken up then
   */
  replay(at: JournalPosition, payload: Uint8Array, scope: { readonly rows: boolean }): number {
    let taken = 0;
    for (const record of readRecords(payload, scope.rows ? "all" : "traces")) {
      const { place, identity, length } = record;
      const line = { segment: at.segment, offset: at.offset + record.offset, length };
      if (place.family === "traces") {
        if (!this.#replayTrace(place, line)) continue;
      } else if (place.family === "rows") {
        const bytes = payload.subarray(record.offset, record.offset + length);
        if (this.#isReplayed(place, bytes, line)) continue;
        if (place.partition.startsWith(operationPrefix)) this.#entities.apply(bytes, line);
        if (identity) this.#seen.keep(identity.key, identity.memo);
        if (record.columns) this.#sessions?.replay({ kind: record.kind, columns: record.columns, at });
        this.rows.add(place.partition, { ...line, rows: 1 });
      } else this.#placeReply(place, line);
      taken++;
    }
    return taken;
  }

  /**
   * What a flush must write; it stays readable here until the flush is over. To be called right after the journal's
   * `rotate` returned `checkpoint`, with nothing in between.
   *
   * @param mode `due`: all rows, and the requests that are complete, idle or too many; `all`: everything
   * @param options.minSegment Requests that hold on to a segment before this one are due, too. @default none
   * @throws Error when a flush is under way
   */
  plan(checkpoint: number, mode: "due" | "all", options: { minSegment?: number } = {}): FlushPlan {
    if (this.#plan) throw new Error("Cannot plan a flush: the one before is not over");
    const { idleMs, maxRequests, maxIndexBytes } = this.#limits;
    const otherBytes = this.#seen.size().bytes + this.#replies.size().bytes + this.#entities.size().bytes;
    // A little more than must be, so that the next request does not need the next flush.
    const share = this.isCrowded ? crowdedShare : 1;
    const { requests, more } = this.traces.plan(checkpoint, {
      mode,
      idleSince: this.#clock.monotonic() - idleMs,
      minSegment: options.minSegment ?? 0,
      maxRequests: maxRequests * share,
      // Many identities pass with two flushes; requests need not make room for them all.
      maxBytes: Math.max(maxIndexBytes / 2, maxIndexBytes * share - otherBytes),
    });
    const identities = this.#seen.plan();
    const sessions = this.#sessions?.plan() ?? [];
    this.#entities.plan(checkpoint);
    this.#reservations.carryOver();
    this.#checkpoint = checkpoint;
    this.#plan = {
      checkpoint,
      rows: this.rows.plan(checkpoint),
      requests,
      replies: this.#replies.plan(checkpoint),
      identities,
      sessions,
      more,
    };
    return this.#plan;
  }

  /** The catalog knows what the plan said: it is forgotten here. */
  committed(plan: FlushPlan): void {
    this.#endPlan(plan);
    for (const index of [this.rows, this.traces, this.#seen, this.#replies, this.#entities]) {
      index.committed();
    }
    this.#sessions?.committed();
  }

  /** The flush failed: all of the plan is due again. */
  failed(plan: FlushPlan): void {
    this.#endPlan(plan);
    for (const index of [this.rows, this.traces, this.#seen, this.#replies]) index.failed();
    this.#reservations.carryOver();
    this.#sessions?.failed();
  }

  /** Segments that something still lies in which no part holds; those must not be dropped. */
  heldSegments(): Set<number> {
    const segments = new Set<number>();
    for (const index of [this.rows, this.traces, this.#replies]) index.addSegments(segments);
    return segments;
  }

  /** The reply that a repeat with this Idempotency-Key gets; undefined when there is none or it expired. */
  reply(key: string): KeptReply | undefined {
    return this.#replies.find(key);
  }

  /**
   * A profile or group as of now: everything that was acknowledged is in it. It must not be changed.
   * @throws what the catalog throws
   */
  entity(kind: EntityKind, project: string, id: string): EntityRow | undefined {
    return this.#entities.find(kind, project, id);
  }

  /** What the first row with this identity was answered, stored or on its way; undefined when there is none. */
  known(key: string): IdentityMemo | undefined {
    return this.#seen.find(key);
  }

  /**
   * Reads `identities` further ones of the catalog, or some more, into the filter. To be called after start and after each
   * flush, with pauses, until it returns true; until it does for the first time, the catalog is asked about all.
   *
   * @throws what the catalog throws; the next call begins anew
   */
  warmUp(identities: number): boolean {
    return this.#seen.warmUp(identities);
  }

  /** Past a limit: a flush should begin at once. */
  get isCrowded(): boolean {
    return this.#pressure() > 1;
  }

  /** Far past a limit, because flushes fail or cannot keep up: new work must be refused. */
  get isFull(): boolean {
    return this.#pressure() > fullAt;
  }

  /** Entries and estimated memory of each index. */
  stats(): Record<
    "rows" | "requests" | "identities" | "filter" | "replies" | "entities" | "sessions",
    IndexSize
  > {
    return {
      rows: this.rows.size(),
      requests: this.traces.size(),
      identities: this.#seen.size(),
      filter: this.#seen.filterSize(),
      replies: this.#replies.size(),
      entities: this.#entities.size(),
      sessions: this.#sessions?.size() ?? { entries: 0, bytes: 0 },
    };
  }

  #pressure(): number {
    const requests = this.traces.size();
    const bytes = requests.bytes + this.rows.size().bytes + this.#seen.size().bytes +
      this.#replies.size().bytes + this.#entities.size().bytes + (this.#sessions?.size().bytes ?? 0);
    return Math.max(requests.entries / this.#limits.maxRequests, bytes / this.#limits.maxIndexBytes);
  }

  /** Places the rows from record `first` on that follow each other in one partition; returns the next record. */
  #placeRows(unit: Unit, first: number, at: JournalPosition): number {
    this.#refuseLate(at);
    const { partition } = unit.places[first] as RowPlace;
    let end = first;
    for (; end < unit.count; end++) {
      const place = unit.places[end];
      if (place.family !== "rows" || place.partition !== partition) break;
    }
    const { segment, offset } = lineOf(unit, first, at);
    const length = unit.end(end - 1) - unit.starts[first];
    this.rows.add(partition, { segment, offset, length, rows: end - first });
    if (partition.startsWith(operationPrefix)) this.#applyOperations(unit, { first, end, at });
    return end;
  }

  #applyOperations(unit: Unit, of: { first: number; end: number; at: JournalPosition }): void {
    for (let i = of.first; i < of.end; i++) {
      this.#entities.apply(unit.writer.view(unit.starts[i], unit.end(i)), lineOf(unit, i, of.at));
    }
  }

  /** A flush that was cut off may have named the part of an operation, and not that of the state it led to. */
  #isReplayed(place: RowPlace, bytes: Uint8Array, line: RecordPlace): boolean {
    if (!this.#catalog.isReplayed(bytes)) return false;
    return !place.partition.startsWith(operationPrefix) || this.#entities.isWritten(bytes, line);
  }

  #placeReply(place: { readonly key: string; readonly reply: KeptReply }, line: RecordPlace): void {
    this.#refuseLate(line);
    this.#replies.add(place.key, place.reply, { ...line, rows: 1 });
  }

  /** What parts hold of the request is told by how far in the journal they go, not by what they hold. */
  #replayTrace(place: TracePlace, line: RecordPlace): boolean {
    const through = this.#catalog.flushedThrough(place.app, place.sid, place.rid);
    if (through) {
      if (line.segment < through.segment) return false;
      if (line.segment === through.segment && line.offset <= through.offset) return false;
    }
    const held = this.traces.reserve(place);
    if (held) this.traces.place(held, place, line);
    return held !== undefined;
  }

  #refuseLate({ segment }: { readonly segment: number }): void {
    if (segment >= this.#checkpoint) return;
    throw new RangeError(
      `Cannot place rows: their segment must be ${this.#checkpoint} or later: current value is ${segment}`,
    );
  }

  #endPlan(plan: FlushPlan): void {
    if (this.#plan === undefined || this.#plan.checkpoint !== plan.checkpoint) {
      throw new Error(`Cannot end a flush: none is under way for checkpoint ${plan.checkpoint}`);
    }
    this.#plan = undefined;
  }
}

/** Where record i of a stored unit lies: the unit's buffer begins with the frame's header. */
function lineOf(unit: Unit, i: number, at: JournalPosition): RecordPlace {
  const start = unit.starts[i];
  return {
    segment: at.segment,
    offset: at.offset + start - frameHeaderBytes,
    length: unit.end(i) - start,
  };
}
