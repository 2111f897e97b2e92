/**
 * The daemon put together: what starts in which order, and stops in which.
 * @module
 */

import { createAdminRouter } from "./admin/admin_router.ts";
import { ClockWatch } from "./admin/clock_watch.ts";
import { type Check, judge } from "./admin/health.ts";
import { QuarantineWatch } from "./admin/quarantine_watch.ts";
import { BufferPool } from "./base/buffer_pool.ts";
import { type Clock, systemClock } from "./base/clock.ts";
import { WeirError } from "./base/errors.ts";
import { IdSource } from "./base/ids.ts";
import { describeError, type Log } from "./base/log.ts";
import { createMetrics, type Metrics } from "./base/metrics.ts";
import { version } from "./base/version.ts";
import type { Config } from "./config/schema.ts";
import { GeoDatabase } from "./dialects/geo.ts";
import { createDialects } from "./dialects/list.ts";
import { ingest } from "./pipeline.ts";
import { Admission, stoppingError } from "./receive/admission.ts";
import { ConfiguredAuthority } from "./receive/auth.ts";
import { DiskWatch } from "./receive/disk_watch.ts";
import type { House } from "./receive/house.ts";
import { Idempotency } from "./receive/idempotency.ts";
import { createRouter } from "./receive/server.ts";
import { StallWatch } from "./receive/stall_watch.ts";
import { Twins } from "./receive/twins.ts";
import { MemoryClaims } from "./sessions/memory_claims.ts";
import { openShared, type Shared } from "./sessions/open_shared.ts";
import { SaltStore } from "./sessions/salts.ts";
import { openStore, type Store } from "./store.ts";
import { TrpcProxy } from "./trpc/proxy.ts";

/** Most bytes of buffers kept for reuse: two requests of 10 MiB leave buffers of 20 MiB each. */
const mostPooledBytes = 64 * 1024 * 1024;

/** Room below which a disk that was full still counts as full: a small write may fit, the next request does not. */
const worthwhileBytes = 1024 * 1024;
/** Time that requests have to tell their clients that they were cut off. */
const lastWordsMs = 1_000;

/** What a daemon is started with. */
export interface DaemonOptions {
  readonly config: Config;
  readonly log: Log;
  /** @default the machine's own */
  readonly clock?: Clock;
}

/** How a stop went: `clean` when everything was flushed; otherwise the journal keeps the rest for the next start. */
export type StopResult = "clean" | "unflushed";

/**
 * A running daemon.
 *
 * Starts: admin listener (live), data and journal (recovery), client listener (ready).
 * Stops: not ready, no one is let in, requests in flight end, everything is flushed, listeners close.
 */
export class Daemon {
  readonly #log: Log;
  readonly #clock: Clock;
  readonly #metrics: Metrics = createMetrics();
  readonly #admission: Admission;
  readonly #disk: DiskWatch;
  readonly #clockWatch: ClockWatch;
  readonly #quarantine: QuarantineWatch;
  readonly #stalls: StallWatch;
  readonly #geo: GeoDatabase;
  #config: Config;
  #store: Store | undefined;
  #shared: Shared | undefined;
  #admin: Deno.HttpServer<Deno.NetAddr> | undefined;
  #server: Deno.HttpServer<Deno.NetAddr> | undefined;
  /** What dialects have started. */
  readonly #running = new AsyncDisposableStack();
  #started: Promise<void> | undefined;
  #stopping: Promise<StopResult> | undefined;

  constructor(options: DaemonOptions) {
    this.#log = options.log;
    this.#clock = options.clock ?? systemClock;
    this.#config = options.config;
    this.#disk = new DiskWatch(options.config.data_dir, () => this.#config.disk.min_free_bytes);
    this.#clockWatch = new ClockWatch(this.#clock, this.#log);
    this.#quarantine = new QuarantineWatch(options.config.data_dir, this.#clock);
    this.#geo = new GeoDatabase(this.#metrics);
    this.#stalls = new StallWatch(() => this.#config.limits, this.#clock);
    this.#admission = new Admission(() => this.#config.limits, {
      clock: this.#clock,
      metrics: this.#metrics,
      obstacle: () => this.#obstacle(),
    });
  }

  /** As it stands. */
  get config(): Config {
    return this.#config;
  }

  /** Where clients send to; undefined until it listens. */
  get address(): Deno.NetAddr | undefined {
    return this.#server?.addr;
  }

  /**
   * Starts everything; resolves when the first request may come. A stop meanwhile waits until the journal is read
   * back, and then nothing listens for clients.
   * @throws whatever makes it impossible: an address in use, a data_dir that cannot be written, a damaged catalog
   */
  start(): Promise<void> {
    this.#started ??= this.#start();
    return this.#started;
  }

  async #start(): Promise<void> {
    this.#listenAdmin();
    const { data_dir: dataDir } = this.#config;
    this.#store = await openStore({
      config: () => this.#config,
      clock: this.#clock,
      log: this.#log,
      metrics: this.#metrics,
      onFlushed: () => this.#admission.wake(),
    });
    await this.#disk.start(() => {
      this.#clockWatch.look();
      if (this.#disk.freeBytes >= worthwhileBytes) this.#store?.findRoom();
    });
    if (this.#stopping) return;
    const { server, track } = this.#config;
    await this.#geo.use(track.geo_database);
    const salts = SaltStore.open({
      path: `${dataDir}/salts.json`,
      keepDays: track.salt_keep_days,
      now: this.#clock.now(),
    });
    this.#shared = await openShared({
      config: () => this.#config,
      book: this.#store.sessions,
      salts,
      clock: this.#clock,
      log: this.#log,
      metrics: this.#metrics,
    });
    this.#store.endSessions(this.#shared?.sessions);
    const authority = new ConfiguredAuthority(() => this.#config.auth, this.#clock);
    const dialects = createDialects(authority);
    const house = this.#house(this.#store, salts);
    for (const dialect of dialects) {
      if (dialect.start !== undefined) this.#running.use(await dialect.start(house));
    }
    const proxy = new TrpcProxy(house);
    proxy.mustNotCover(dialects.flatMap(({ ingest, read }) => [...ingest, ...read]).map(({ path }) => path));
    this.#running.defer(() => proxy.close());
    const route = createRouter({ dialects, house, ingest });
    this.#server = Deno.serve(
      { hostname: server.host, port: server.port, onListen: () => {} },
      (request, info) => {
        const { hostname: remote } = info.remoteAddr as Deno.NetAddr;
        return proxy.take(request, remote) ?? route(request, remote);
      },
    ) as Deno.HttpServer<Deno.NetAddr>;
    this.#log.info("Listening", { address: addressText(this.#server.addr), version, pid: Deno.pid });
  }

  /** Takes over a configuration; the caller has found out that nothing in it needs a restart. */
  reload(config: Config): void {
    this.#config = config;
    this.#log.setLevel(config.log.level);
    this.#store?.reload(config);
    this.#geo.use(config.track.geo_database).catch((error) => {
      this.#log.error("The geo file cannot be read; the one before stays in use", {
        error: describeError(error),
      });
    });
  }

  /**
   * Stops in order; see the class. Requests that do not end within shutdown.grace_ms are cut off. A second call waits
   * for the first.
   */
  stop(): Promise<StopResult> {
    this.#stopping ??= this.#stop();
    return this.#stopping;
  }

  async #stop(): Promise<StopResult> {
    this.#admission.close();
    // What made the start fail was told to who started it.
    await this.#started?.catch(() => undefined);
    const graceMs = this.#config.shutdown.grace_ms;
    const ended = await within(this.#admission.idle(), graceMs);
    if (!ended) {
      this.#log.warn("Requests cut off", { count: this.#admission.requests, duration_ms: graceMs });
      this.#stalls.giveUpAll(stoppingError());
      // They end by themselves now, and their clients hear why.
      await within(this.#admission.idle(), lastWordsMs);
    }
    await this.#running.disposeAsync();
    const result: StopResult = await this.#store?.close() ?? "clean";
    await this.#shared?.sessions.stop();
    this.#disk.stop();
    this.#stalls.stop();
    // Shutting down waits for connections that are idle in keep-alive; none of them holds a request any more.
    await within(Promise.all([this.#server?.shutdown(), this.#admin?.shutdown()]), 500);
    this.#log.info("Stopped", { reason: result });
    return result;
  }

  #house(store: Store, salts: SaltStore): House {
    const config = (): Config => this.#config;
    return {
      clock: this.#clock,
      ids: new IdSource(this.#clock),
      log: this.#log,
      metrics: this.#metrics,
      get config() {
        return config();
      },
      salts,
      geo: this.#geo,
      indexes: store.indexes,
      sessions: store.sessions,
      shared: this.#shared?.sessions,
      traces: store.traces,
      runs: store.runs,
      events: store.events,
      requestList: store.requestList,
      sessionRows: store.sessionRows,
      journal: store.journal,
      flusher: store.flusher,
      admission: this.#admission,
      buffers: new BufferPool(Math.min(mostPooledBytes, this.#config.limits.max_in_flight_bytes / 2)),
      stalls: this.#stalls,
      idempotency: new Idempotency({
        memory: store.indexes,
        claims: new MemoryClaims(this.#clock),
        shared: this.#shared?.sessions.rows,
      }),
      twins: new Twins(this.#clock),
    };
  }

  #listenAdmin(): void {
    const { host, port } = this.#config.admin;
    const handle = createAdminRouter({
      version,
      metrics: this.#metrics,
      health: () => judge(this.#checks()),
      refresh: () => this.#refreshGauges(),
      flush: () => {
        if (this.#store === undefined) throw new WeirError("overloaded", "The daemon is starting");
        return this.#store.flush();
      },
    });
    this.#admin = Deno.serve({ hostname: host, port, onListen: () => {} }, handle) as Deno.HttpServer<
      Deno.NetAddr
    >;
    this.#log.info("Admin listening", { address: addressText(this.#admin.addr) });
  }

  /** Why no request can be taken at this moment. */
  #obstacle(): WeirError | undefined {
    const obstacle = this.#store?.obstacle() ?? this.#shared?.sessions.obstacle();
    if (obstacle !== undefined) return obstacle;
    if (!this.#disk.low) return undefined;
    return new WeirError("storage_full", "The disk has less free space than disk.min_free_bytes", {
      retryAfterS: 5,
    });
  }

  #checks(): Check[] {
    if (this.#store === undefined) {
      return [{ name: "start", state: "failing", reason: "The daemon is starting" }];
    }
    const stopping: Check[] = this.#stopping
      ? [{ name: "stop", state: "failing", reason: "The daemon is stopping" }]
      : [];
    const disk: Check = this.#disk.low
      ? { name: "disk", state: "failing", reason: "Less free space than disk.min_free_bytes" }
      : { name: "disk", state: "ok" };
    const traffic: Check = {
      name: "traffic",
      state: "ok",
      figures: {
        in_flight_requests: this.#admission.requests,
        in_flight_bytes: this.#admission.bytes,
        waiting_requests: this.#admission.waiting,
        peak_in_flight_bytes: this.#admission.peakBytes,
      },
    };
    return [
      ...stopping,
      { ...disk, figures: { free_bytes: this.#disk.freeBytes } },
      this.#clockWatch.check(),
      ...(this.#shared ? [this.#redisCheck(this.#shared)] : []),
      ...this.#store.checks(),
      this.#quarantine.check(),
      traffic,
    ];
  }

  #redisCheck({ link, sessions }: Shared): Check {
    const { isUp, isCluster, reason, awayMs } = link.state;
    const figures = { cluster: String(isCluster), away_ms: awayMs, waiting_operations: sessions.waiting };
    if (isUp) return { name: "redis", state: "ok", figures };
    return { name: "redis", state: sessions.obstacle() ? "failing" : "degraded", reason, figures };
  }

  #refreshGauges(): void {
    const { rss, heapUsed } = Deno.memoryUsage();
    const metrics = this.#metrics;
    metrics.gauge("weir_resident_bytes").set(rss);
    metrics.gauge("weir_heap_used_bytes").set(heapUsed);
    metrics.gauge("weir_disk_free_bytes").set(Math.min(this.#disk.freeBytes, Number.MAX_SAFE_INTEGER));
    metrics.gauge("weir_in_flight_bytes").set(this.#admission.bytes);
    metrics.gauge("weir_in_flight_requests").set(this.#admission.requests);
    metrics.gauge("weir_redis_up").set(this.#shared?.link.isUp ? 1 : 0);
    metrics.gauge("weir_ready").set(judge(this.#checks()).ready ? 1 : 0);
    this.#store?.refreshGauges();
  }
}

/** Does the promise settle within so many ms? */
async function within(promise: Promise<unknown>, ms: number): Promise<boolean> {
  let timer: ReturnType<typeof setTimeout> | undefined;
  const late = new Promise<false>((resolve) => {
    timer = setTimeout(() => resolve(false), ms);
  });
  try {
    return await Promise.race([promise.then(() => true), late]);
  } finally {
    clearTimeout(timer);
  }
}

function addressText({ hostname, port }: Deno.NetAddr): string {
  return hostname.includes(":") ? `[${hostname}]:${port}` : `${hostname}:${port}`;
}
