/**
 * When to flush, and what comes after: the main thread's side of flush and retention.
 * @module
 */

import type { Clock } from "../base/clock.ts";
import { WeirError } from "../base/errors.ts";
import { describeError, type Log } from "../base/log.ts";
import type { Metrics } from "../base/metrics.ts";
import type { Catalog } from "../catalog/catalog.ts";
import type { Indexes } from "../index/indexes.ts";
import type { FlushPlan } from "../index/plan.ts";
import type { Journal } from "../journal/append.ts";
import { segmentPath } from "../journal/segment.ts";
import { type Compression, journalDir } from "./layout.ts";
import type { QuarantineReport } from "./quarantine_limits.ts";
import type { RetentionLimits } from "./retention.ts";
import { FlushError, WorkerLink } from "./worker_link.ts";
import type { FlushReport } from "./write_flush.ts";

/** Longest wait before a failed flush is tried again. */
const maxBackoffMs = 300_000;
/** One round writes at most 50,000 records of requests. */
const maxRounds = 100;
/** Least time between a flush and one that a crowded index asks for. */
const crowdedPauseMs = 1_000;

/** `due`: rows, and requests that are complete, idle or pushed out; `all`: open requests as well. */
export type FlushMode = "due" | "all";

/** What may change while it runs. */
export interface FlushSettings {
  /** Time between two flushes. */
  readonly intervalMs: number;
  /** A flush starts early once the journal holds so much. */
  readonly journalBytes: number;
  /** Bytes of segments that may wait: past half of it, requests that hold on to the oldest are flushed early. */
  readonly maxHeldBytes: number;
  /** Time between two looks at what retention removes. */
  readonly retentionIntervalMs: number;
  readonly retention: RetentionLimits;
}

/** What {@link Flusher} is made of. */
export interface FlusherOptions {
  readonly dataDir: string;
  readonly compression: Compression;
  readonly journal: Pick<Journal, "rotate" | "drop" | "segments" | "currentSegment" | "bytesSinceRotate">;
  readonly indexes: Pick<Indexes, "plan" | "committed" | "failed" | "heldSegments" | "isCrowded">;
  readonly catalog: Pick<Catalog, "refresh" | "lastFlush">;
  /** As they stand; asked for anew each time. */
  readonly settings: () => FlushSettings;
  /** Called after each flush that went well. */
  readonly onFlushed?: () => void;
  readonly clock: Clock;
  readonly log: Log;
  readonly metrics: Metrics;
}

/** How flushing goes, for /healthz. */
export interface FlushHealth {
  readonly state: "ok" | "degraded" | "storage_full";
  /** Why it is not `ok`: the system's word, such as `EIO`. */
  readonly reason?: string;
  /** Failures since the last flush that went well. */
  readonly failures: number;
  /** When the last flush that went well ended, ms since the epoch; 0 before the first. */
  readonly lastSuccessAt: number;
}

interface Queued {
  mode: FlushMode;
  readonly promise: Promise<FlushReport>;
  resolve(report: FlushReport | Promise<FlushReport>): void;
}

/**
 * Flushes every so often, when the journal has grown, and when asked.
 *
 * - One flush at a time. Calls that come meanwhile share one flush after it.
 * - A flush that fails leaves no trace, and is tried again with the next; waits between tries double.
 * - Segments are removed only when the catalog covers them and the index needs none of them.
 */
export class Flusher {
  readonly #options: FlusherOptions;
  readonly #worker: WorkerLink;
  #timer: ReturnType<typeof setTimeout> | undefined;
  #running: Promise<FlushReport> | undefined;
  #queued: Queued | undefined;
  #stopping: Promise<void> | undefined;
  #started = false;
  #retainedAt = -Infinity;
  /** When the last flush ended, monotonic. */
  #endedAt = -Infinity;
  /** Is the index crowded by what the last flush could not write? */
  #hasFreedTooLittle = false;
  /** Bytes of segments that take no more frames. */
  #sizes = new Map<number, number>();
  #health: FlushHealth = { state: "ok", failures: 0, lastSuccessAt: 0 };

  constructor(options: FlusherOptions) {
    this.#options = options;
    const { dataDir, compression } = options;
    this.#worker = new WorkerLink({ dataDir, compression });
  }

  /** How it goes. */
  get health(): FlushHealth {
    return this.#health;
  }

  /** Begins to flush every `intervalMs`. */
  start(): void {
    this.#started = true;
    this.#worker.warmUp();
    this.#schedule();
  }

  /** Flushes early when the journal or the index has grown too much. Cheap: call it as often as you like. */
  poke(): void {
    if (!this.#started || this.#running || this.#stopping || this.#health.failures > 0) return;
    const { journal, indexes, settings, clock } = this.#options;
    const isLarge = journal.bytesSinceRotate >= settings().journalBytes;
    // What one flush cannot free, flushes without a pause cannot either.
    const isPaused = this.#hasFreedTooLittle && clock.monotonic() - this.#endedAt <= crowdedPauseMs;
    const isCrowded = !isLarge && indexes.isCrowded && !isPaused;
    if (isLarge || isCrowded) this.#flushUnasked();
  }

  /**
   * Flushes what was acknowledged before this call. Calls during a flush share the one after it.
   * @throws WeirError `storage_full`, `flush_failed`, or what the journal says
   */
  flush(mode: FlushMode): Promise<FlushReport> {
    if (this.#stopping) return Promise.reject(new WeirError("draining", "The daemon is stopping"));
    return this.#enqueue(mode);
  }

  /**
   * Flushes everything and ends the worker. A second call waits for the first.
   * @throws WeirError when the last flush failed: the journal keeps the rows for the next start
   */
  stop(): Promise<void> {
    this.#stopping ??= this.#stop();
    return this.#stopping;
  }

  /** Ends at once: a flush under way is broken off, and the journal keeps what is not in parts. */
  async abandon(): Promise<void> {
    clearTimeout(this.#timer);
    const running = this.#running?.catch(() => undefined);
    this.#stopping ??= Promise.resolve();
    this.#worker.kill();
    await running;
  }

  async #stop(): Promise<void> {
    clearTimeout(this.#timer);
    try {
      await this.#enqueue("all");
    } finally {
      await this.#worker.close();
    }
  }

  #enqueue(mode: FlushMode): Promise<FlushReport> {
    if (this.#running === undefined) return this.#begin(mode);
    if (this.#queued === undefined) {
      const { promise, resolve } = Promise.withResolvers<FlushReport>();
      this.#queued = { mode, promise, resolve };
    }
    if (mode === "all") this.#queued.mode = "all";
    return this.#queued.promise;
  }

  #begin(mode: FlushMode): Promise<FlushReport> {
    clearTimeout(this.#timer);
    const running = this.#run(mode).finally(() => {
      this.#running = undefined;
      const queued = this.#queued;
      this.#queued = undefined;
      if (queued) queued.resolve(this.#begin(queued.mode));
      else {
        this.#schedule();
        // More may have come meanwhile than fits, and nobody who waits for room pokes.
        this.poke();
      }
    });
    this.#running = running;
    return running;
  }

  async #run(mode: FlushMode): Promise<FlushReport> {
    const { clock, log, metrics } = this.#options;
    const began = clock.monotonic();
    try {
      const report = await this.#flushAll(mode);
      this.#hasFreedTooLittle = report.requests === 0 && this.#options.indexes.isCrowded;
      const lastSuccessAt = clock.now();
      this.#health = { state: "ok", failures: 0, lastSuccessAt };
      metrics.counter("weir_flushes_total").inc({ result: report.parts > 0 ? "written" : "empty" });
      if (report.parts > 0) {
        const { checkpoint, parts, rows, bytes } = report;
        const durationMs = Math.round(clock.monotonic() - began);
        log.info("Flushed", { checkpoint, count: parts, rows, bytes, duration_ms: durationMs });
      }
      this.#options.onFlushed?.();
      await this.#retain();
      return report;
    } catch (error) {
      this.#noteFailure(error);
      throw error;
    } finally {
      this.#endedAt = clock.monotonic();
      metrics.histogram("weir_flush_seconds").observe((this.#endedAt - began) / 1000);
    }
  }

  /** As many flushes as it takes: one takes only so many requests. Not for ever, though more may come meanwhile. */
  async #flushAll(mode: FlushMode): Promise<FlushReport> {
    let sum = emptyReport(0);
    for (let rounds = 0, more = true; more && rounds < maxRounds; rounds++) {
      const plan = await this.#plan(mode);
      if (isEmpty(plan)) this.#options.indexes.committed(plan);
      else sum = joined(sum, await this.#write(plan));
      await this.#dropSegments(plan.checkpoint);
      sum = { ...sum, checkpoint: plan.checkpoint };
      more = plan.more;
    }
    return sum;
  }

  async #plan(mode: FlushMode): Promise<FlushPlan> {
    const { journal, indexes } = this.#options;
    const minSegment = await this.#minSegment();
    // Nothing came since: the segment that takes frames is empty, and there is no use in another.
    const checkpoint = journal.bytesSinceRotate > 0 ? await journal.rotate() : journal.currentSegment;
    return indexes.plan(checkpoint, mode, { minSegment });
  }

  /** The oldest segment that may go on waiting for its requests. */
  async #minSegment(): Promise<number> {
    const { journal, dataDir, settings } = this.#options;
    const limit = settings().maxHeldBytes / 2;
    const sizes = new Map<number, number>();
    let bytes = 0, minSegment = 0;
    for (const segment of journal.segments.toReversed()) {
      const size = this.#sizes.get(segment) ??
        (await Deno.stat(segmentPath(journalDir(dataDir), segment))).size;
      if (segment < journal.currentSegment) sizes.set(segment, size);
      bytes += size;
      if (bytes > limit && minSegment === 0) minSegment = segment + 1;
    }
    this.#sizes = sizes;
    return minSegment;
  }

  async #write(plan: FlushPlan): Promise<FlushReport> {
    const { indexes, catalog, clock, metrics } = this.#options;
    const flushId = crypto.randomUUID();
    let report: FlushReport;
    try {
      report = await this.#worker.write(plan, { now: clock.now(), flushId });
    } catch (error) {
      if (!this.#isCommitted(flushId)) {
        indexes.failed(plan);
        throw error;
      }
      report = emptyReport(plan.checkpoint);
    }
    indexes.committed(plan);
    catalog.refresh();
    for (const [directory, { parts, bytes }] of Object.entries(report.folders)) {
      metrics.counter("weir_parts_total").inc({ directory }, parts);
      metrics.counter("weir_part_bytes_total").inc({ directory }, bytes);
    }
    for (const [reason, count] of Object.entries(report.ignored)) {
      metrics.counter("weir_ignored_operations_total").inc({ reason }, count);
    }
    return report;
  }

  /** A worker that died between commit and answer has done its work; the catalog knows. */
  #isCommitted(flushId: string): boolean {
    try {
      return this.#options.catalog.lastFlush() === flushId;
    } catch (error) {
      // Then nothing can be committed either, and the plan must not stay open.
      this.#options.log.error("The catalog cannot be read", { error: describeError(error) });
      return false;
    }
  }

  async #dropSegments(checkpoint: number): Promise<void> {
    const { journal, indexes } = this.#options;
    const held = new Set(indexes.heldSegments());
    await journal.drop(journal.segments.filter((segment) => segment < checkpoint && !held.has(segment)));
  }

  /** What was flushed stays flushed when this fails, so it fails by itself. */
  async #retain(): Promise<void> {
    const { clock, settings, catalog, log, metrics } = this.#options;
    const now = clock.now();
    const { retention, retentionIntervalMs } = settings();
    if (this.#stopping) return;
    if (now - this.#retainedAt < retentionIntervalMs && now >= this.#retainedAt) return;
    this.#retainedAt = now;
    try {
      const { age, bytes, quarantine } = await this.#worker.retain(retention, now);
      metrics.counter("weir_retention_removed_total").inc({ reason: "age" }, age);
      metrics.counter("weir_retention_removed_total").inc({ reason: "bytes" }, bytes);
      if (age + bytes > 0) log.info("Old parts removed", { count: age + bytes });
      this.#noteQuarantine(quarantine);
    } catch (error) {
      log.error("Retention failed", { error: describeError(error) });
    }
    catalog.refresh();
  }

  /** What was damaged is gone for good then: somebody may have wanted to look at it. */
  #noteQuarantine({ age, excess, bytes }: QuarantineReport): void {
    const { log, metrics } = this.#options;
    metrics.counter("weir_quarantine_removed_total").inc({ reason: "age" }, age);
    metrics.counter("weir_quarantine_removed_total").inc({ reason: "bytes" }, excess);
    if (age + excess > 0) log.warn("Files in quarantine removed", { count: age + excess, bytes });
  }

  #noteFailure(error: unknown): void {
    const { log, metrics } = this.#options;
    const reason = error instanceof FlushError
      ? error.reason
      : error instanceof WeirError
      ? error.code
      : "bug";
    const full = error instanceof WeirError && error.code === "storage_full";
    this.#health = {
      state: full ? "storage_full" : "degraded",
      reason,
      failures: this.#health.failures + 1,
      lastSuccessAt: this.#health.lastSuccessAt,
    };
    metrics.counter("weir_flushes_total").inc({ result: "failed" });
    log.error("The flush failed", { reason, count: this.#health.failures, error: describeError(error) });
  }

  #schedule(): void {
    if (!this.#started || this.#stopping) return;
    clearTimeout(this.#timer);
    const { intervalMs } = this.#options.settings();
    const backoffMs = intervalMs * 2 ** Math.min(this.#health.failures, 20);
    const waitMs = Math.max(intervalMs, Math.min(backoffMs, maxBackoffMs));
    this.#timer = setTimeout(() => this.#flushUnasked(), waitMs);
    Deno.unrefTimer(this.#timer);
  }

  /** Nobody waits for it; how it went stands in log, metrics and health. */
  #flushUnasked(): void {
    this.#enqueue("due").catch(() => undefined);
  }
}

function isEmpty(plan: FlushPlan): boolean {
  return plan.rows.length === 0 && plan.requests.names.length === 0 && plan.replies.length === 0 &&
    plan.sessions.length === 0;
}

function emptyReport(checkpoint: number): FlushReport {
  return { checkpoint, parts: 0, rows: 0, requests: 0, bytes: 0, folders: {}, ignored: {} };
}

function joined(a: FlushReport, b: FlushReport): FlushReport {
  const folders = { ...a.folders };
  for (const [name, { parts, bytes }] of Object.entries(b.folders)) {
    const known = folders[name] ?? { parts: 0, bytes: 0 };
    folders[name] = { parts: known.parts + parts, bytes: known.bytes + bytes };
  }
  return {
    checkpoint: b.checkpoint,
    parts: a.parts + b.parts,
    rows: a.rows + b.rows,
    requests: a.requests + b.requests,
    bytes: a.bytes + b.bytes,
    folders,
    ignored: b.ignored,
  };
}
