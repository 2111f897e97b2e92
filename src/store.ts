/**
 * What is kept, put together: data_dir, catalog, indexes, journal and flusher, brought back after whatever ended
 * the last run.
 * @module
 */

import { setImmediate } from "node:timers";
import type { Check } from "./admin/health.ts";
import type { Clock } from "./base/clock.ts";
import { WeirError } from "./base/errors.ts";
import { describeError, type Log } from "./base/log.ts";
import type { Metrics } from "./base/metrics.ts";
import { WatchedCatalog } from "./catalog/watched_catalog.ts";
import type { Config } from "./config/schema.ts";
import { EventReader } from "./flush/event_reader.ts";
import { Flusher, type FlushSettings } from "./flush/flusher.ts";
import { journalDir, quarantineDir } from "./flush/layout.ts";
import { prepareData, type PreparedData } from "./flush/prepare.ts";
import { RequestList } from "./flush/request_list.ts";
import { SessionRowReader } from "./flush/session_row_reader.ts";
import { RunReader } from "./flush/run_reader.ts";
import { TraceReader } from "./flush/trace_reader.ts";
import type { FlushReport } from "./flush/write_flush.ts";
import { Indexes, type IndexLimits } from "./index/indexes.ts";
import { Journal } from "./journal/append.ts";
import { recoverJournal } from "./journal/recover.ts";
import { Reaper } from "./sessions/reaper.ts";
import type { SharedSessions } from "./sessions/shared_sessions.ts";
import { SessionBook, type SessionSettings } from "./sessions/session_book.ts";

/** Identities read into the filter between two turns of the event loop. */
const keysPerTurn = 2_000;

/** What {@link openStore} works with. */
export interface StoreOptions {
  /** As it stands; a reload changes what it answers. */
  readonly config: () => Config;
  readonly clock: Clock;
  readonly log: Log;
  readonly metrics: Metrics;
  /** Called after each flush that went well: there may be room for what waits. @default nothing is */
  readonly onFlushed?: () => void;
}

interface Rooms {
  readonly data: PreparedData;
  readonly watched: WatchedCatalog;
  readonly sessions: SessionBook;
  readonly indexes: Indexes;
  readonly journal: Journal;
  readonly flusher: Flusher;
}

/**
 * Brings back what the last run left: locks data_dir, opens the catalog, reads the journal back, begins a segment.
 * @throws DataDirError, CatalogError, WeirError when that cannot be done
 */
export async function openStore(options: StoreOptions): Promise<Store> {
  const { clock, log, metrics } = options;
  const config = options.config();
  const { data_dir: dataDir } = config;
  const data = await prepareData(dataDir, { identityKeepMs: config.identities.keep_ms, clock, log });
  try {
    const { catalog } = data;
    const watched = new WatchedCatalog(catalog);
    const sessions = new SessionBook({
      catalog: watched,
      clock,
      metrics,
      settings: () => sessionSettings(options.config()),
    });
    const indexes = new Indexes({ ...indexLimits(config), catalog: watched, sessions, clock, metrics });
    const dir = journalDir(dataDir);
    const checkpoint = catalog.checkpoint();
    let records = 0;
    const { segments, nextSegment } = await recoverJournal({
      dir,
      quarantineDir: quarantineDir(dataDir),
      log,
      metrics,
      onFrame: (at, payload) => {
        records += indexes.replay(at, payload, { rows: at.segment >= checkpoint });
      },
    });
    if (records > 0) log.info("Journal read back", { count: records, segment: segments.length });
    const firstSegment = Math.max(nextSegment, checkpoint, 1);
    const { durability, journal: { segment_bytes: segmentBytes } } = config;
    const journal = await Journal.open({ dir, durability, segmentBytes, firstSegment, clock, log, metrics });
    // Asked for with every request.
    const flushSettingsOf = remembered(flushSettings);
    const flusher = new Flusher({
      dataDir,
      compression: config.flush.compression,
      journal,
      indexes,
      catalog,
      settings: () => flushSettingsOf(options.config()),
      clock,
      log,
      metrics,
      onFlushed: options.onFlushed,
    });
    return new Store({ data, watched, sessions, indexes, journal, flusher }, options);
  } catch (error) {
    data[Symbol.dispose]();
    throw error;
  }
}

/** An open store. */
export class Store {
  readonly sessions: SessionBook;
  readonly indexes: Indexes;
  readonly journal: Journal;
  readonly flusher: Flusher;
  readonly traces: TraceReader;
  readonly runs: RunReader;
  readonly events: EventReader;
  readonly requestList: RequestList;
  readonly sessionRows: SessionRowReader;
  readonly #data: PreparedData;
  readonly #catalog: WatchedCatalog;
  readonly #options: StoreOptions;
  #reaper: Reaper | undefined;
  #isWarm = false;
  #closed = false;

  constructor({ data, watched, sessions, indexes, journal, flusher }: Rooms, options: StoreOptions) {
    this.#data = data;
    this.#catalog = watched;
    this.indexes = indexes;
    this.journal = journal;
    this.flusher = flusher;
    this.sessions = sessions;
    this.#options = options;
    const { data_dir: dataDir } = options.config();
    const { catalog } = data;
    this.traces = new TraceReader({ dataDir, indexes, catalog });
    this.runs = new RunReader({ dataDir, indexes, catalog });
    this.events = new EventReader({ dataDir, indexes, catalog });
    this.requestList = new RequestList({ indexes, catalog, traces: this.traces });
    this.sessionRows = new SessionRowReader({ dataDir, indexes, catalog });
    flusher.start();
    this.#warmUp();
  }

  /** From here on, sessions are ended whose time has come. @param shared The other daemons, if there are any. */
  endSessions(shared: SharedSessions | undefined): void {
    const { config, clock, log } = this.#options;
    this.#reaper = new Reaper({
      book: this.sessions,
      journal: this.journal,
      indexes: this.indexes,
      shared,
      stored: () => this.flusher.poke(),
      maxOpen: () => config().sessions.max_open,
      clock,
      log,
    });
    this.#reaper.start();
  }

  /** Writes everything that waits into parts. */
  flush(): Promise<FlushReport> {
    return this.flusher.flush("all");
  }

  /** Takes over limits that may change. */
  reload(config: Config): void {
    this.indexes.setLimits(indexLimits(config));
  }

  /**
   * Flushes everything and closes.
   * @returns whether the last flush went well; if not, the journal keeps what is missing
   */
  async close(): Promise<"clean" | "unflushed"> {
    this.#closed = true;
    let result: "clean" | "unflushed" = "clean";
    await this.#reaper?.stop();
    try {
      await this.flusher.stop();
    } catch (error) {
      result = "unflushed";
      this.#options.log.error("The last flush failed; the journal keeps the rows", {
        count: this.indexes.rows.size().entries + this.indexes.traces.countHeld(),
        bytes: this.journal.heldBytes,
        error: describeError(error),
      });
    }
    await this.journal.close();
    this.#data[Symbol.dispose]();
    return result;
  }

  /** Why no row can be taken at this moment, if so. */
  obstacle(): WeirError | undefined {
    if (this.journal.state === "failed") {
      return new WeirError("journal_failed", "The journal failed; see /healthz");
    }
    if (this.#catalog.isDamaged) {
      return new WeirError("catalog_failed", "The catalog is damaged; see /healthz");
    }
    if (this.indexes.isFull) {
      const message = "More is open than the index may hold; a flush must come first";
      return new WeirError("overloaded", message, { retryAfterS: 2 });
    }
    if (!this.#isHoldingTooMuch) return undefined;
    const message = "The journal holds more than journal.max_held_bytes; a flush must come first";
    return new WeirError("overloaded", message, { retryAfterS: 2 });
  }

  /**
   * Tries whether a disk that was full has room again. Who is not ready gets no requests, so none would find out.
   * To be called now and then.
   */
  findRoom(): void {
    // What goes wrong stands in the journal's state.
    if (this.journal.state === "full") this.journal.rotate().catch(() => undefined);
  }

  /** How journal, catalog, flusher and index are. */
  checks(): Check[] {
    const { journal, flusher, indexes } = this;
    const { state, reason, failures, lastSuccessAt } = flusher.health;
    return [
      {
        name: "journal",
        state: journal.state === "ok" && !this.#isHoldingTooMuch ? "ok" : "failing",
        reason: journal.reason ??
          (this.#isHoldingTooMuch ? "It holds more than journal.max_held_bytes" : undefined),
        figures: {
          segments: journal.segments.length,
          bytes: journal.heldBytes,
          bytes_since_flush: journal.bytesSinceRotate,
          queued_bytes: journal.queuedBytes,
        },
      },
      this.#catalog.isDamaged
        ? {
          name: "catalog",
          state: "failing",
          reason: "It is damaged; a restart makes it anew from the parts",
        }
        : { name: "catalog", state: "ok" },
      {
        name: "flush",
        state: state === "ok" ? "ok" : "degraded",
        reason,
        figures: {
          failures,
          last_success: lastSuccessAt === 0 ? "never" : new Date(lastSuccessAt).toISOString(),
        },
      },
      {
        name: "index",
        state: indexes.isFull ? "failing" : indexes.isCrowded ? "degraded" : "ok",
        reason: indexes.isCrowded ? "More is open than index.max_requests or index.max_bytes" : undefined,
        figures: Object.fromEntries(
          Object.entries(indexes.stats()).map(([name, { entries }]) => [name, entries]),
        ),
      },
    ];
  }

  /** Brings the gauges of what is kept up to date. */
  refreshGauges(): void {
    const { metrics } = this.#options;
    for (const [index, { entries, bytes }] of Object.entries(this.indexes.stats())) {
      metrics.gauge("weir_index_entries").set({ index }, entries);
      metrics.gauge("weir_index_bytes").set({ index }, bytes);
    }
  }

  /** Flushes fail, or cannot keep up. */
  get #isHoldingTooMuch(): boolean {
    return this.journal.heldBytes > this.#options.config().journal.max_held_bytes;
  }

  /** Reads known identities into the filter, some at a time, so that requests come between. */
  #warmUp(): void {
    if (this.#closed || this.#isWarm) return;
    try {
      this.#isWarm = this.indexes.warmUp(keysPerTurn);
    } catch (error) {
      this.#options.log.warn("Identities could not be read; every one is looked up instead", {
        error: describeError(error),
      });
      return;
    }
    if (!this.#isWarm) setImmediate(() => this.#warmUp());
  }
}

function indexLimits(config: Config): IndexLimits {
  return {
    idleMs: config.traces.idle_ms,
    maxRequests: config.index.max_requests,
    maxIndexBytes: config.index.max_bytes,
    idempotencyKeepMs: config.idempotency.keep_ms,
  };
}

function sessionSettings({ sessions }: Config): SessionSettings {
  return { timeoutMs: sessions.timeout_ms, backlogCloseMs: sessions.backlog_close_ms };
}

function flushSettings(config: Config): FlushSettings {
  const { flush, retention, quarantine, identities, idempotency, journal } = config;
  return {
    maxHeldBytes: journal.max_held_bytes,
    intervalMs: flush.interval_ms,
    journalBytes: flush.journal_bytes,
    retentionIntervalMs: retention.interval_ms,
    retention: {
      maxAgeMs: retention.max_age_ms,
      maxBytes: retention.max_bytes,
      identityKeepMs: identities.keep_ms,
      replyKeepMs: idempotency.keep_ms,
      quarantine: { maxAgeMs: quarantine.max_age_ms, maxBytes: quarantine.max_bytes },
    },
  };
}

/** The function, with what it made of the configuration last. */
function remembered<T>(make: (config: Config) => T): (config: Config) => T {
  let of: Config | undefined;
  let made: T;
  return (config) => {
    if (of !== config) {
      made = make(config);
      of = config;
    }
    return made;
  };
}
