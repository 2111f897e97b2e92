/**
 * Everything that keeps rows, put together on a folder of its own, and records to put into it.
 * @module
 */

import type { Clock } from "../../src/base/clock.ts";
import { createLog } from "../../src/base/log.ts";
import { createMetrics, type Metrics } from "../../src/base/metrics.ts";
import { dayOf, identityKey, rowPlace, Unit } from "../../src/base/record.ts";
import { Flusher, type FlusherOptions, type FlushSettings } from "../../src/flush/flusher.ts";
import { journalDir, quarantineDir } from "../../src/flush/layout.ts";
import { prepareData, type PreparedData } from "../../src/flush/prepare.ts";
import { TraceReader } from "../../src/flush/trace_reader.ts";
import { Indexes } from "../../src/index/indexes.ts";
import { Journal } from "../../src/journal/append.ts";
import { recoverJournal } from "../../src/journal/recover.ts";

export const start = Date.UTC(2026, 10, 20, 12);

/** A clock that stands still until it is moved. */
export class HandClock implements Clock {
  time = start;
  now(): number {
    return this.time;
  }
  monotonic(): number {
    return this.time - start;
  }
}

/** What a test may choose. */
export interface HouseOptions extends Partial<FlushSettings> {
  readonly compression?: FlusherOptions["compression"];
  readonly clock?: HandClock;
  readonly idleMs?: number;
  readonly identityKeepMs?: number;
}

/** Journal, indexes, catalog and flusher, as the daemon has them. */
export class House implements AsyncDisposable {
  readonly replayed: number;
  readonly prepared: PreparedData;
  readonly journal: Journal;
  readonly indexes: Indexes;
  readonly flusher: Flusher;
  readonly traces: TraceReader;
  readonly metrics: Metrics;
  readonly logged: Record<string, unknown>[];

  constructor(parts: Omit<House, "append" | typeof Symbol.asyncDispose>) {
    this.replayed = parts.replayed;
    this.prepared = parts.prepared;
    this.journal = parts.journal;
    this.indexes = parts.indexes;
    this.flusher = parts.flusher;
    this.traces = parts.traces;
    this.metrics = parts.metrics;
    this.logged = parts.logged;
  }

  /** Stores a unit as the pipeline does; resolves when it is safe. */
  async append(fill: (unit: Unit) => void): Promise<{ repeats: number }> {
    const unit = new Unit();
    fill(unit);
    const { identities, duplicateBatches } = this.indexes.reserve(unit);
    const repeats = identities.length + duplicateBatches;
    if (unit.count === 0) {
      await this.journal.barrier();
      return { repeats };
    }
    await this.journal.append({
      bytes: unit.writer.view(),
      placed: (at) => this.indexes.place(unit, at),
      released: () => this.indexes.release(unit),
    });
    return { repeats };
  }

  /** Ends it without a last flush, as a crash would. */
  async [Symbol.asyncDispose](): Promise<void> {
    await this.flusher.abandon();
    await this.journal.close();
    this.prepared[Symbol.dispose]();
  }
}

/** Opens a house on `dataDir`, reading back what the last one left. */
export async function openHouse(dataDir: string, options: HouseOptions = {}): Promise<House> {
  const clock = options.clock ?? new HandClock();
  const logged: Record<string, unknown>[] = [];
  const log = createLog({ clock, level: "debug", write: (line) => void logged.push(JSON.parse(line)) });
  const metrics = createMetrics();
  const identityKeepMs = options.identityKeepMs ?? 5 * 86_400_000;
  const prepared = await prepareData(dataDir, { clock, log, identityKeepMs });
  const { catalog } = prepared;
  const indexes = new Indexes({
    ...{ catalog, clock, metrics, idleMs: options.idleMs ?? 30_000, maxRequests: 1_000_000 },
    ...{ maxIndexBytes: 512 * 1024 * 1024, idempotencyKeepMs: 86_400_000, filterBytes: 64 * 1024 },
  });
  const dir = journalDir(dataDir);
  const checkpoint = catalog.checkpoint();
  let replayed = 0;
  const recovered = await recoverJournal({
    ...{ dir, quarantineDir: quarantineDir(dataDir), log, metrics },
    onFrame: (at, payload): void => {
      replayed += indexes.replay(at, payload, { rows: at.segment >= checkpoint });
    },
  });
  const journal = await Journal.open({
    ...{ dir, durability: "write" as const, segmentBytes: 64 * 1024 * 1024, clock, log, metrics },
    firstSegment: Math.max(recovered.nextSegment, checkpoint),
  });
  const settings: FlushSettings = {
    intervalMs: options.intervalMs ?? 10_000,
    journalBytes: options.journalBytes ?? 64 * 1024 * 1024,
    maxHeldBytes: options.maxHeldBytes ?? 1024 * 1024 * 1024,
    retentionIntervalMs: options.retentionIntervalMs ?? 0,
    retention: options.retention ??
      {
        maxAgeMs: 0,
        maxBytes: 0,
        identityKeepMs,
        replyKeepMs: 86_400_000,
        quarantine: { maxAgeMs: 0, maxBytes: 0 },
      },
  };
  const flusher = new Flusher({
    ...{ dataDir, journal, indexes, catalog, clock, log, metrics },
    compression: options.compression ?? "none",
    settings: () => settings,
  });
  const traces = new TraceReader({ dataDir, indexes, catalog });
  return new House({ replayed, prepared, journal, indexes, flusher, traces, metrics, logged });
}

/** What an event is made of. */
export interface EventSpec {
  readonly id: string;
  readonly project?: string;
  readonly at?: number;
  readonly insertId?: string;
  readonly padding?: number;
}

/** Adds an event's row. */
export function addEvent(unit: Unit, spec: EventSpec, row = 0): void {
  const { id, project = "p", at = start, insertId, padding = 0 } = spec;
  const memo = { deviceId: `device ${id}`, sessionId: `session "${id}"` };
  unit.writer.text(JSON.stringify({
    kind: "event",
    project_id: project,
    created_at: new Date(at).toISOString(),
    id,
    ...insertId && { insert_id: insertId, device_id: memo.deviceId, session_id: memo.sessionId },
    name: "séen",
    properties: { insert_id: "not this", pad: "x".repeat(padding) },
  }));
  const identity = insertId && { key: identityKey("project", project, insertId), row, memo };
  unit.close(rowPlace("event", project, dayOf(at)), identity || undefined);
}

/** Which request, and what of it. */
export interface TraceSpec {
  readonly app?: string;
  readonly sid?: string;
  readonly rid: string;
  readonly index?: number;
  readonly t?: number;
  readonly total?: number;
}

/** Adds a batch whose events are this JSON array, as it stands. */
export function addBatch(unit: Unit, events: string, spec: TraceSpec): void {
  const { app = "a", sid = "S", rid, index = 0, t = start, total = -1 } = spec;
  const from = unit.writer.length;
  const hash = hashOf(events);
  const head = JSON.stringify({ kind: "batch", app, sid, rid, index, t, ...total >= 0 && { total }, hash });
  unit.writer.text(`${head.slice(0, -1)},"events":`);
  const eventsOffset = unit.writer.length - from;
  unit.writer.text(events);
  const eventsLength = unit.writer.length - from - eventsOffset;
  unit.writer.text("}");
  unit.close({
    ...{ family: "traces", kind: "batch", app, sid, rid, index, indexOffset: 0, t, total, hash },
    ...{ assumed: false, eventsOffset, eventsLength },
  });
}

/** Adds metadata; `fields` is a JSON object as it stands. */
export function addMeta(unit: Unit, fields: string, spec: TraceSpec): void {
  const { app = "a", sid = "S", rid, index = -1, t = start } = spec;
  const head = JSON.stringify({ kind: "request", app, sid, rid, index, t });
  unit.writer.text(`${head.slice(0, -1)},"fields":${fields}}`);
  unit.close({
    ...{ family: "traces", kind: "request", app, sid, rid, index, indexOffset: 0, t, total: -1, hash: 0 },
    ...{ assumed: false, eventsOffset: 0, eventsLength: 0 },
  });
}

/** Adds a kept reply. */
export function addReply(unit: Unit, key: string, at = start): void {
  const reply = { status: 202, contentType: "application/json", body: `{"for":"${key}"}`, at };
  const { status, contentType, body } = reply;
  unit.writer.text(JSON.stringify({ kind: "reply", key, status, content_type: contentType, body, at }));
  unit.close({ family: "replies", key, reply });
}

function hashOf(text: string): number {
  let hash = 7;
  for (const char of text) hash = (hash * 31 + char.codePointAt(0)!) % 2 ** 48;
  return hash;
}

/** Pieces of bytes as one text. */
export async function textOf(pieces: AsyncIterable<Uint8Array>): Promise<string> {
  const decoder = new TextDecoder();
  let text = "";
  for await (const piece of pieces) text += decoder.decode(piece, { stream: true });
  return text + decoder.decode();
}
