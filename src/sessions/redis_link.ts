/**
 * The way to Redis, one server or a cluster: connects again by itself, gives every question a deadline, and says
 * whether Redis is there.
 * @module
 */

import { createHash } from "node:crypto";
import type { Clock } from "../base/clock.ts";
import { WeirError } from "../base/errors.ts";
import { describeError, type Log } from "../base/log.ts";
import type { Metrics } from "../base/metrics.ts";
import { type RedisKey, type RedisOperation, script } from "./redis_script.ts";

/** A question without an answer after this long: Redis counts as away. */
const deadlineMs = 1_000;
/** Time between two signs of life. */
const heartbeatMs = 500;
/** Time between two tries to reach a Redis that is away. */
const probeMs = 250;
const maxProbeMs = 2_000;
/** Keys lie in so many places of a cluster; what is in one place is asked for together. */
const places = 64;
const digest = createHash("sha1").update(script).digest("hex");

/** What Redis answered to one operation. */
// deno-lint-ignore no-explicit-any -- the script's answers have many shapes; who asked knows which
export type RedisAnswer = any;

/** How {@link RedisLink} connects. */
export interface RedisLinkOptions {
  readonly url: string;
  /** Before every key. */
  readonly prefix: string;
  readonly clock: Clock;
  readonly log: Log;
  readonly metrics: Metrics;
}

/** The one thing that both kinds of clients do. */
interface Connection {
  send(tag: string, words: string[]): Promise<unknown>;
  destroy(): void;
}

/**
 * The way to Redis.
 *
 * - While `isUp` is false nobody is asked; a probe finds out when Redis is back, and then `onUp` is called.
 */
export class RedisLink {
  readonly #options: RedisLinkOptions;
  #connection: Connection | undefined;
  #isUp = false;
  #isCluster = false;
  #closed = false;
  #probe: ReturnType<typeof setTimeout> | undefined;
  #heartbeat: ReturnType<typeof setTimeout> | undefined;
  #waitMs = probeMs;
  #onUp: (() => Promise<void>) | undefined;
  #reason = "not reached yet";
  /** Was it said that it is away? */
  #isTold = false;
  /** When it went away, monotonic; 0 while it is there. */
  #awaySince: number;

  constructor(options: RedisLinkOptions) {
    this.#options = options;
    this.#awaySince = options.clock.monotonic();
  }

  /**
   * Tries to reach Redis; one that is away is tried again and again.
   * @param onUp Called each time when it is reached; where that fails, it was not.
   */
  async start(onUp?: () => Promise<void>): Promise<void> {
    this.#onUp = onUp;
    await this.#tryToReach();
  }

  /** Did Redis answer lately? */
  get isUp(): boolean {
    return this.#isUp;
  }

  /** For /healthz. */
  get state(): { isUp: boolean; isCluster: boolean; reason: string; awayMs: number } {
    const awayMs = this.#awaySince === 0 ? 0 : Math.round(this.#options.clock.monotonic() - this.#awaySince);
    return { isUp: this.#isUp, isCluster: this.#isCluster, reason: this.#reason, awayMs };
  }

  /** A key that lies with the others of the same owner. */
  key(owner: string, name: string): RedisKey {
    return { tag: placeOf(owner), name };
  }

  /** A key by its own name alone. */
  lone(name: string): RedisKey {
    return this.key(name, name);
  }

  /** How the key is called in Redis. */
  nameOf({ tag, name }: RedisKey): string {
    return `${this.#options.prefix}:{${tag}}:${name}`;
  }

  /**
   * Runs operations in one round trip (in a cluster: one for each of its places); answers stand in their order.
   * @throws WeirError `claims_unavailable` when Redis is away or does not answer in time
   */
  async run(operations: readonly RedisOperation[]): Promise<RedisAnswer[]> {
    if (operations.length === 0) return [];
    const connection = this.#connection;
    if (!this.#isUp || connection === undefined) throw awayError();
    try {
      return await this.#run(connection, operations);
    } catch (error) {
      if (connection === this.#connection) this.#goAway(error);
      throw awayError(error);
    }
  }

  /** Ends the connection. */
  close(): void {
    this.#closed = true;
    clearTimeout(this.#probe);
    clearTimeout(this.#heartbeat);
    this.#isUp = false;
    this.#connection?.destroy();
    this.#connection = undefined;
  }

  async #run(connection: Connection, operations: readonly RedisOperation[]): Promise<RedisAnswer[]> {
    const groups = this.#isCluster ? groupByTag(operations) : [operations.map((_, i) => i)];
    const answers: RedisAnswer[] = new Array(operations.length);
    await Promise.all(groups.map(async (group) => {
      const found = await this.#ask(connection, group.map((i) => operations[i]));
      group.forEach((i, at) => answers[i] = found[at]);
    }));
    return answers;
  }

  async #ask(connection: Connection, operations: readonly RedisOperation[]): Promise<RedisAnswer[]> {
    const words = [
      String(operations.length),
      ...operations.map(({ key }) => this.nameOf(key)),
      JSON.stringify(operations.map(({ words }) => words)),
    ];
    const { tag } = operations[0].key;
    const route = this.nameOf({ tag, name: "" });
    this.#countTrip();
    let reply: unknown;
    try {
      reply = await within(connection.send(route, ["EVALSHA", digest, ...words]));
    } catch (error) {
      if (!isUnknownScript(error)) throw error;
      this.#countTrip();
      reply = await within(connection.send(route, ["EVAL", script, ...words]));
    }
    return JSON.parse(String(reply)) as RedisAnswer[];
  }

  #countTrip(): void {
    this.#options.metrics.counter("weir_redis_round_trips_total").inc();
  }

  #goAway(error: unknown): void {
    if (!this.#isUp) return;
    this.#isUp = false;
    this.#awaySince = this.#options.clock.monotonic();
    this.#reason = describeError(error);
    this.#options.metrics.counter("weir_redis_outages_total").inc();
    this.#tellAway();
    this.#connection?.destroy();
    this.#connection = undefined;
    this.#waitMs = probeMs;
    this.#probeLater();
  }

  /** Finds out that Redis is away also while nobody asks it anything. */
  #listen(connection: Connection): void {
    if (this.#closed || connection !== this.#connection) return;
    this.#heartbeat = setTimeout(() => {
      within(connection.send(this.nameOf(this.lone("")), ["PING"])).then(
        () => this.#listen(connection),
        (error) => {
          if (connection === this.#connection) this.#goAway(error);
        },
      );
    }, heartbeatMs);
    Deno.unrefTimer(this.#heartbeat);
  }

  /** Once, not for every try. */
  #tellAway(): void {
    if (this.#isTold) return;
    this.#isTold = true;
    this.#options.log.warn("Redis is away", { error: this.#reason });
  }

  #probeLater(): void {
    if (this.#closed) return;
    clearTimeout(this.#probe);
    const jitterMs = Math.random() * this.#waitMs / 4;
    this.#probe = setTimeout(() => this.#tryToReach(), this.#waitMs + jitterMs);
    Deno.unrefTimer(this.#probe);
    this.#waitMs = Math.min(2 * this.#waitMs, maxProbeMs);
  }

  async #tryToReach(): Promise<void> {
    let connection: Connection | undefined;
    try {
      const found = await connect(this.#options.url, (error) => {
        if (connection !== undefined && connection === this.#connection) this.#goAway(error);
      });
      connection = found.connection;
      if (this.#closed) return connection.destroy();
      this.#connection = connection;
      this.#isCluster = found.isCluster;
      this.#isUp = true;
      await this.#onUp?.();
      const awayMs = this.state.awayMs;
      this.#awaySince = 0;
      this.#isTold = false;
      if (this.#isUp) this.#options.log.info("Redis is there", { duration_ms: awayMs });
      this.#listen(connection);
    } catch (error) {
      this.#isUp = false;
      if (this.#awaySince === 0) this.#awaySince = this.#options.clock.monotonic();
      this.#reason = describeError(error);
      connection?.destroy();
      if (this.#connection === connection) this.#connection = undefined;
      this.#tellAway();
      this.#probeLater();
    }
  }
}

/** Connects to a server; where that is one of a cluster, to the cluster. */
async function connect(
  url: string,
  onError: (error: unknown) => void,
): Promise<{ connection: Connection; isCluster: boolean }> {
  // Daemons without Redis need not load it.
  const { createClient, createCluster } = await import("redis");
  const socket = { connectTimeout: deadlineMs, reconnectStrategy: false as const };
  const client = createClient({ url, socket, disableOfflineQueue: true });
  client.on("error", onError);
  let info: string;
  try {
    await within(client.connect());
    info = String(await within(client.sendCommand(["INFO", "cluster"])));
  } catch (error) {
    destroy(client);
    throw error;
  }
  if (!info.includes("cluster_enabled:1")) {
    const send: Connection["send"] = (_, words) => client.sendCommand(words);
    return { isCluster: false, connection: { send, destroy: () => destroy(client) } };
  }
  destroy(client);
  const cluster = createCluster({ rootNodes: [{ url }], defaults: nodeDefaults(url) });
  cluster.on("error", onError);
  try {
    await within(cluster.connect());
  } catch (error) {
    destroy(cluster);
    throw error;
  }
  const send: Connection["send"] = (key, words) => cluster.sendCommand(key, false, words);
  return { isCluster: true, connection: { send, destroy: () => destroy(cluster) } };
}

/** What holds for every node of a cluster: it tells of the others by address alone. */
function nodeDefaults(url: string): {
  username?: string;
  password?: string;
  socket: { connectTimeout: number } | { connectTimeout: number; tls: true };
} {
  const { username, password, protocol } = new URL(url);
  return {
    ...(username === "" ? {} : { username: decodeURIComponent(username) }),
    ...(password === "" ? {} : { password: decodeURIComponent(password) }),
    socket: protocol === "rediss:"
      ? { connectTimeout: deadlineMs, tls: true }
      : { connectTimeout: deadlineMs },
  };
}

/** A client that is closed already refuses to be ended, which is as good. */
function destroy(client: { destroy(): void }): void {
  try {
    client.destroy();
  } catch {
    return;
  }
}

function groupByTag(operations: readonly RedisOperation[]): number[][] {
  const groups = new Map<string, number[]>();
  operations.forEach(({ key }, i) => {
    const group = groups.get(key.tag);
    if (group) group.push(i);
    else groups.set(key.tag, [i]);
  });
  return [...groups.values()];
}

/** FNV-1a over the owner, as one of the places. */
function placeOf(owner: string): string {
  let hash = 0x811c9dc5;
  for (let i = 0; i < owner.length; i++) hash = Math.imul(hash ^ owner.charCodeAt(i), 0x01000193);
  return ((hash >>> 0) % places).toString(16).padStart(2, "0");
}

function isUnknownScript(error: unknown): boolean {
  return error instanceof Error && error.message.startsWith("NOSCRIPT");
}

function awayError(cause?: unknown): WeirError {
  return new WeirError("claims_unavailable", "Redis is away; see /healthz", { cause });
}

/** What is asked for, or an error after the deadline. */
async function within<T>(answer: Promise<T>): Promise<T> {
  let timer: ReturnType<typeof setTimeout> | undefined;
  const late = new Promise<never>((_, reject) => {
    timer = setTimeout(() => reject(new Error(`No answer within ${deadlineMs} ms`)), deadlineMs);
  });
  try {
    return await Promise.race([answer, late]);
  } finally {
    clearTimeout(timer);
    answer.catch(() => undefined);
  }
}
