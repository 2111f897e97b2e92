/**
 * What daemons share over Redis, from outside; and how often it is asked, by its own count.
 * @module
 */

import { assert, assertEquals, assertNotEquals } from "@std/assert";
import { type Daemon, startDaemon } from "../support/daemon.ts";
import { send } from "../support/http.ts";
import { readAllRows, readRows } from "../support/parts.ts";
import { type RedisServer, startRedis } from "../support/redis.ts";
import { startRedisProxy } from "../support/redis_proxy.ts";
import { chrome, event, flush, postBatch, postOne } from "./track_requests.ts";

type Row = Record<string, unknown>;

/** Two daemons over one Redis. */
async function startTwo(): Promise<{ redis: RedisServer; a: Daemon; b: Daemon } & AsyncDisposable> {
  const redis = await startRedis();
  const config = { redis: { url: redis.url } };
  const [a, b] = await Promise.all([startDaemon({ config }), startDaemon({ config })]);
  return {
    ...{ redis, a, b },
    async [Symbol.asyncDispose](): Promise<void> {
      for (const part of [a, b, redis]) await part[Symbol.asyncDispose]();
    },
  };
}

/** Scripts that Redis has run. */
async function scriptsRun(redis: RedisServer): Promise<number> {
  const stats = await redis.command("INFO", "commandstats");
  return [...stats.matchAll(/^cmdstat_eval(?:sha)?:calls=(\d+)/gm)].reduce(
    (sum, [, n]) => sum + Number(n),
    0,
  );
}

async function eventRows(...daemons: Daemon[]): Promise<Row[]> {
  for (const daemon of daemons) await flush(daemon);
  return (await Promise.all(daemons.map((daemon) => readRows(daemon.dataDir, "events")))).flat();
}

Deno.test("A 2000-event batch costs at most one round trip a window", async () => {
  await using redis = await startRedis();
  await using daemon = await startDaemon({ config: { redis: { url: redis.url } } });
  const windows = 2_000 / 50;
  const batch = (devices: number, more: (i: number) => Row = () => ({})): Row[] =>
    Array.from(
      { length: 2_000 },
      (_, i) => event("e", { __deviceId: `d${devices}-${i % devices}`, ...more(i) }),
    );
  const tripsOf = async (rows: Row[]): Promise<number> => {
    const before = await scriptsRun(redis);
    assertEquals((await postBatch(daemon, rows)).accepted, 2_000);
    // What was stored is told a little later.
    await new Promise((resolve) => setTimeout(resolve, 500));
    return await scriptsRun(redis) - before;
  };
  const trips = {
    first: await tripsOf(batch(25)),
    known: await tripsOf(batch(25)),
    identified: await tripsOf(batch(25, (i) => ({ __insertId: `id-${i}` }))),
  };
  assert(trips.first >= 1 && Object.values(trips).every((n) => n <= windows), JSON.stringify(trips));
  assert(trips.known <= 2, JSON.stringify(trips));
});

/** What a batch of 2000 rows is made of. */
const batches: Record<string, (row: number, body: number) => Row> = {
  "every row of its own device, with an insert id": (row, body) => ({
    __deviceId: `d${body}-${row}`,
    __insertId: `i${body}-${row}`,
  }),
  "large rows of their own devices, with insert ids": (row, body) => ({
    __deviceId: `d${body}-${row}`,
    __insertId: `i${body}-${row}`,
    text: "x".repeat(1_500),
  }),
  "old events of many sessions": (row, body) => ({
    __deviceId: `d${body}-${row % 100}`,
    __timestamp: new Date(Date.now() - (2 + Math.floor(row / 100)) * 3_600_000).toISOString(),
  }),
  "an insert id the second time": (row, body) => ({
    __deviceId: `d${body}-${row}`,
    __insertId: `i${row % 1_000}`,
  }),
};

for (const [what, propertiesOf] of Object.entries(batches)) {
  Deno.test(`Three 2000-event batches at once cost at most one round trip a window: ${what}`, async () => {
    await using redis = await startRedis();
    await using proxy = startRedisProxy(redis.port);
    await using daemon = await startDaemon({ config: { redis: { url: proxy.url } } });
    const bodies = [0, 1, 2].map((body) =>
      Array.from({ length: 2_000 }, (_, row) => event("e", propertiesOf(row, body)))
    );
    const before = proxy.scripts;
    const replies = await Promise.all(bodies.map((rows) => postBatch(daemon, rows)));
    for (const { accepted, rejected } of replies) assertEquals([accepted, rejected], [2_000, []]);
    // What was stored is told a little later.
    await new Promise((resolve) => setTimeout(resolve, 1_000));
    const trips = proxy.scripts - before;
    assert(trips > 0 && trips <= 3 * 2_000 / 50, `${trips} round trips`);
    await flush(daemon);
    const rows = await readAllRows(daemon.dataDir, "events");
    const marks = rows.filter(({ name }) => name === "e").map(({ insert_id, id }) => insert_id ?? id);
    assertEquals(new Set(marks).size, marks.length);
    const devices = new Set(rows.map(({ session_id }) => session_id));
    assertEquals(rows.filter(({ name }) => name === "session_start").length, devices.size);
  });
}

Deno.test("A batch whose rows wait for Redis stores nothing when it turns out to be malformed", async () => {
  await using redis = await startRedis();
  await using daemon = await startDaemon({ config: { redis: { url: redis.url } } });
  const rows = Array.from(
    { length: 120 },
    (_, i) => event("e", { __deviceId: `d${i}`, __insertId: `i${i}` }),
  );
  const text = JSON.stringify({ events: rows });
  const { status } = await send(`${daemon.url}/track/batch`, text.slice(0, -1));
  assertEquals(status, 400);
  assertEquals(await eventRows(daemon), []);
  assertEquals((await postBatch(daemon, [...rows, event("")])).rejected.map(({ index }) => index), [120]);
  await flush(daemon);
  const stored = await readAllRows(daemon.dataDir, "events");
  assertEquals(stored.filter(({ name }) => name === "e").length, 120);
  assertEquals(stored.filter(({ name }) => name === "session_start").length, 120);
});

Deno.test("Daemons agree on the live session of a device, and on devices without a name", async () => {
  await using house = await startTwo();
  const { a, b } = house;
  const at = async (daemon: Daemon, row: unknown, headers: Record<string, string> = {}): Promise<Row> =>
    (await postOne(daemon, row, headers)).json as Row;
  const now = Date.now();
  // In another bucket than the events after it, so that daemons that do not ask would not agree.
  const early = event("e", { __timestamp: new Date(now - 29 * 60_000).toISOString() });
  const first = await at(a, early);
  assertEquals((await at(b, event("e"))).sessionId, first.sessionId);
  const anonymous = { type: "track", payload: { name: "e" } };
  const headers = { "user-agent": chrome, "x-forwarded-for": "203.0.113.9" };
  assertEquals(await at(a, anonymous, headers), await at(b, anonymous, headers));
});

/** What a daemon counts of its claims. */
async function claimsOf(daemon: Daemon): Promise<{ taken: number; lost: number; done: number }> {
  const { text } = await send(`${daemon.adminUrl}/metrics`);
  const count = (event: string): number =>
    Number(text.match(new RegExp(`^weir_claims_total\\{event="${event}"\\} (\\d+)$`, "m"))?.[1] ?? 0);
  return { taken: count("taken"), lost: count("lost"), done: count("done") };
}

Deno.test("An insert id is stored by one daemon, and answered by the other as the first was", async () => {
  await using house = await startTwo();
  const { a, b } = house;
  const row = (name: string, device: string): Row =>
    event(name, { __insertId: "order-1", __deviceId: device });
  const first = (await postOne(a, row("first", "d1"))).json as Row;
  const again = (await postOne(b, row("again", "d2"))).json as Row;
  assertEquals(again, { ...first, duplicate: true });
  const rows = Array.from({ length: 60 }, (_, i) => event("raced", { __insertId: `r${i}` }));
  const replies = await Promise.all([
    postBatch(a, rows),
    postBatch(b, rows),
    postBatch(a, rows),
    postBatch(b, rows),
  ]);
  assertEquals(replies.map(({ accepted }) => accepted), [60, 60, 60, 60]);
  const stored = await eventRows(a, b);
  // 61 ids and the starts of 2 sessions. Requests of one daemon at once share its claims, each counting for itself.
  const [inA, inB] = await Promise.all([claimsOf(a), claimsOf(b)]);
  assertEquals(inA.done + inB.done, 63);
  assert(inA.taken + inB.taken >= 63 && inB.lost > 0, JSON.stringify([inA, inB]));
  assertEquals(stored.filter(({ name }) => name === "first").length, 1);
  assertEquals(stored.filter(({ name }) => name === "again").length, 0);
  assertEquals(stored.filter(({ name }) => name === "raced").length, 60);
});

Deno.test("A request with an Idempotency-Key is run by one daemon", async () => {
  await using house = await startTwo();
  const { a, b } = house;
  const post = (daemon: Daemon, name: string, key: string): Promise<{ text: string }> =>
    send(`${daemon.url}/track`, event(name), { headers: { "idempotency-key": key } });
  const first = await post(a, "first", "key-1");
  assertEquals((await post(b, "second", "key-1")).text, first.text);
  await Promise.all([post(a, "raced", "key-2"), post(b, "raced", "key-2"), post(b, "raced", "key-2")]);
  assertNotEquals((await post(b, "other", "key-3")).text, "");
  const names = (await eventRows(a, b)).map(({ name }) => name).sort();
  assertEquals(names, ["first", "other", "raced"]);
});
