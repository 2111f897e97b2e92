/**
 * Several daemons over one Redis: sessions raced for by all of them, and what becomes of them when daemons and Redis
 * fail. Outages last 10 s, the race a minute; that over a cluster is short.
 * @module
 */

import { assert, assertEquals } from "@std/assert";
import { type Daemon, startDaemon } from "../support/daemon.ts";
import { send } from "../support/http.ts";
import { readAllRows } from "../support/parts.ts";
import { type RedisServer, startRedis } from "../support/redis.ts";
import { startRedisCluster } from "../support/redis_cluster.ts";
import { chrome, event, flush } from "../e2e/track_requests.ts";

type Row = Record<string, unknown>;

const raceMs = 60_000;
const clusterRaceMs = 8_000;
const outageMs = 10_000;
const devices = 200;
const timeoutMs = 3_000;

/** Some daemons over one Redis. */
async function startHouse(
  url: string,
  options: { count: number; redis?: Row; sessions?: Row; env?: Record<string, string> },
): Promise<Daemon[] & AsyncDisposable> {
  const { count, redis = {}, env = {} } = options;
  const sessions = { timeout_ms: timeoutMs, backlog_close_ms: 1_000, ...options.sessions };
  const config = { redis: { url, ...redis }, sessions, flush: { interval_ms: 1_000 } };
  const daemons = await Promise.all(Array.from({ length: count }, () => startDaemon({ config, env })));
  return Object.assign(daemons, {
    async [Symbol.asyncDispose](): Promise<void> {
      await Promise.all(daemons.map((daemon) => daemon[Symbol.asyncDispose]()));
    },
  });
}

/** What was acknowledged. */
class Ledger {
  readonly ids = new Set<string>();
  unavailable = 0;
  readonly #prefix: string;
  #serial = 0;

  /** @param prefix Tells its events from those of another ledger. */
  constructor(prefix = "e") {
    this.#prefix = prefix;
  }

  /** Sends some events; notes those that were acknowledged. */
  async post(daemon: Daemon, devicesOf: number[], options: { time?: number } = {}): Promise<number> {
    const events = devicesOf.map((device) => {
      const id = `${this.#prefix}${this.#serial++}`;
      const time = options.time === undefined ? {} : { __timestamp: new Date(options.time).toISOString() };
      return { id, row: event("e", { __deviceId: `device-${device}`, mark: id, ...time }) };
    });
    let status = 0;
    try {
      ({ status } = await send(`${daemon.url}/track/batch`, { events: events.map(({ row }) => row) }, {
        headers: { "user-agent": chrome },
      }));
    } catch {
      // The daemon was killed: whatever it was sent may be there or not.
      return 0;
    }
    if (status === 202) { for (const { id } of events) this.ids.add(id); }
    else this.unavailable++;
    return status;
  }
}

/** All rows of all daemons, after a flush of each. */
async function storedBy(
  daemons: Daemon[],
): Promise<{ events: Row[]; starts: Row[]; ends: Row[]; sessions: Row[] }> {
  for (const daemon of daemons) await flush(daemon);
  const read = async (folder: string): Promise<Row[]> =>
    (await Promise.all(daemons.map((daemon) => readAllRows(daemon.dataDir, folder)))).flat();
  const [all, sessions] = [await read("events"), await read("sessions")];
  return {
    events: all.filter(({ name }) => name === "e"),
    starts: all.filter(({ name }) => name === "session_start"),
    ends: all.filter(({ name }) => name === "session_end"),
    sessions,
  };
}

/** Waits until all sessions of all events have ended. */
async function untilEnded(daemons: Daemon[]): ReturnType<typeof storedBy> {
  let quiet = 0;
  for (const deadline = performance.now() + 60_000;;) {
    await new Promise((resolve) => setTimeout(resolve, 1_000));
    const found = await storedBy(daemons);
    const wanted = new Set(found.events.map(({ session_id }) => session_id));
    const ended = new Set(found.sessions.map(({ id }) => id));
    // Whoever came late has been told by then, and ended them once more.
    if ([...wanted].every((id) => ended.has(id)) && quiet++ > 3) return found;
    assert(performance.now() < deadline, `${ended.size} sessions of ${wanted.size} ended`);
  }
}

/** The keys that more than one of these rows has. */
function repeated(rows: Row[], key: (row: Row) => unknown): unknown[] {
  const counts = new Map<unknown, number>();
  for (const row of rows) counts.set(key(row), (counts.get(key(row)) ?? 0) + 1);
  return [...counts].filter(([, count]) => count > 1).map(([id]) => id);
}

/** Every acknowledged event is stored once, with one session_start and one end of each version for its session. */
function assertWhole(found: Awaited<ReturnType<typeof storedBy>>, ledger: Ledger): void {
  const marks = new Set(found.events.map(({ properties }) => (properties as Row).mark as string));
  assertEquals([...ledger.ids].filter((id) => !marks.has(id)), [], "acknowledged and lost");
  assertEquals(repeated(found.events, ({ properties }) => (properties as Row).mark), [], "stored twice");
  const wanted = new Set(found.events.map(({ session_id }) => session_id));
  const started = new Set(found.starts.map(({ session_id }) => session_id));
  assertEquals([...wanted].filter((id) => !started.has(id)), [], "without session_start");
}

/** The last version of each session counts every event of it. */
function assertCounted(found: Awaited<ReturnType<typeof storedBy>>): void {
  const last = new Map<unknown, Row>();
  for (const row of found.sessions) {
    const known = last.get(row.id);
    if (known === undefined || (row.version as number) > (known.version as number)) last.set(row.id, row);
  }
  const counts = new Map<unknown, number>();
  for (const { session_id } of found.events) counts.set(session_id, (counts.get(session_id) ?? 0) + 1);
  const wrong = [...counts].filter(([id, count]) => last.get(id)?.event_count !== count);
  assertEquals(wrong.map(([id, count]) => [id, count, last.get(id)?.event_count]), []);
}

function someDevices(count: number, seed: number): number[] {
  return Array.from({ length: count }, (_, i) => (seed * 7 + i * 31) % devices);
}

async function race(daemons: Daemon[], ledger: Ledger, ms = raceMs): Promise<void> {
  const until = performance.now() + ms;
  let round = 0;
  const worker = async (daemon: Daemon): Promise<void> => {
    while (performance.now() < until) {
      await ledger.post(daemon, someDevices(25, round++));
      await new Promise((resolve) => setTimeout(resolve, 20));
    }
  };
  await Promise.all(daemons.flatMap((daemon) => [worker(daemon), worker(daemon)]));
}

for (const kind of ["one Redis", "a Redis Cluster"]) {
  Deno.test(`Three daemons race for 200 devices over ${kind}: one start and one end a session`, async () => {
    await using server = kind === "one Redis" ? await startRedis() : await startRedisCluster();
    await using daemons = await startHouse(server.url, { count: 3 });
    const ledger = new Ledger();
    await race(daemons, ledger, kind === "one Redis" ? raceMs : clusterRaceMs);
    const old = Date.now() - 3_600_000;
    await Promise.all(daemons.map((daemon, i) => ledger.post(daemon, someDevices(100, i), { time: old })));
    const found = await untilEnded(daemons);
    assertWhole(found, ledger);
    assertCounted(found);
    assertEquals(repeated(found.starts, ({ session_id }) => session_id), [], "starts");
    assertEquals(repeated(found.ends, ({ session_id }) => session_id), [], "ends");
    assertEquals(repeated(found.sessions, ({ id }) => id), [], "session rows");
    assert(new Set(found.events.map(({ session_id }) => session_id)).size >= devices);
  });
}

Deno.test("A daemon that is killed between claim and write leaves no session without a start", async () => {
  await using redis = await startRedis();
  await using daemons = await startHouse(redis.url, { count: 2 });
  await using doomed = await startDaemon({
    config: { redis: { url: redis.url }, sessions: { timeout_ms: timeoutMs } },
    env: { WEIR_FAULTS: "journal.write:pause:2" },
  });
  const ledger = new Ledger();
  const all = Array.from({ length: devices }, (_, i) => i);
  await ledger.post(doomed, all.slice(0, 100));
  const cut = ledger.post(doomed, all);
  await doomed.waitForLog(({ message }) => message.includes("journal.write"));
  await Promise.all(daemons.map((daemon) => ledger.post(daemon, all)));
  await doomed.kill9();
  await cut;
  await doomed.restart({ config: { redis: { url: redis.url }, sessions: { timeout_ms: timeoutMs } } });
  const found = await untilEnded([...daemons, doomed]);
  assertWhole(found, ledger);
  assertCounted(found);
  assertEquals(repeated(found.starts, ({ session_id, version }) => `${session_id} ${version}`), []);
  assertEquals(repeated(found.ends, ({ session_id, version }) => `${session_id} ${version}`), []);
});

/** What happens to Redis, for a while. */
type Outage = (redis: RedisServer, ms: number) => Promise<void>;

/** By what is said of them. */
const outages: Record<string, Outage> = {
  "is stopped, and is empty when it comes back": async (redis, ms) => {
    await redis.stop();
    await sleep(ms);
    await redis.start();
  },
  "is stopped by SIGSTOP": async (redis, ms) => {
    redis.pause();
    await sleep(ms);
    redis.resume();
  },
  "answers nobody (CLIENT PAUSE)": async (redis, ms) => {
    await redis.command("CLIENT", "PAUSE", String(ms), "ALL");
    await sleep(ms);
  },
};

for (const [what, happens] of Object.entries(outages)) {
  // Side by side: an outage is mostly waiting.
  Deno.test(`Redis ${what}, for 10 s; on_outage: continue, and reject`, async () => {
    const results = await Promise.allSettled(
      (["continue", "reject"] as const).map((word) => assertOutlived(happens, word)),
    );
    for (const result of results) if (result.status === "rejected") throw result.reason;
  });
}

/** Two daemons, an outage, and what they say and store before, during and after it. */
async function assertOutlived(happens: Outage, word: "continue" | "reject"): Promise<void> {
  await using redis = await startRedis();
  await using daemons = await startHouse(redis.url, { count: 2, redis: { on_outage: word } });
  const ledger = new Ledger();
  await race(daemons, ledger, 1_000);
  const before = ledger.ids.size;
  assert(before > 0);
  const outage = happens(redis, outageMs);
  // Longer than it takes to find out.
  await sleep(2_000);
  const during = new Ledger("d");
  await race(daemons, during, outageMs - 4_000);
  if (word === "reject") {
    assert(during.unavailable > 0 && during.ids.size === 0, "taken, though Redis was away");
    const { status, headers, json } = await send(`${daemons[0].url}/track`, event("e", { mark: "x" }));
    assertEquals([status, (json as Row).code, headers.has("retry-after")], [
      503,
      "claims_unavailable",
      true,
    ]);
  } else assertEquals(during.unavailable, 0);
  await outage;
  await sleep(2_500);
  await race(daemons, ledger, 1_000);
  assert(ledger.ids.size > before, "nothing is taken after the outage");
  const found = await untilEnded(daemons);
  for (const id of during.ids) ledger.ids.add(id);
  assertOutage(found, ledger, word);
}

/** With `reject` nothing is doubled. With `continue` daemons may start and end a session each, under the same id. */
function assertOutage(found: Awaited<ReturnType<typeof storedBy>>, ledger: Ledger, word: string): void {
  assertWhole(found, ledger);
  if (word === "reject") {
    for (const rows of [found.starts, found.ends]) {
      const certain = rows.filter(({ local }) => local !== true);
      assertEquals(repeated(certain, ({ session_id, version }) => `${session_id} ${version}`), []);
    }
  }
  for (const rows of [found.starts, found.ends]) {
    const ids = new Map<unknown, unknown>();
    for (const { session_id, id } of rows) {
      assertEquals(ids.get(session_id) ?? id, id, "a session's rows have one id");
      ids.set(session_id, id);
    }
  }
}

function sleep(ms: number): Promise<void> {
  return new Promise((resolve) => setTimeout(resolve, ms));
}
