import { assert, assertEquals } from "@std/assert";
import { EventClient, type EventClientOptions } from "../../src/client/event_client.ts";
import { GivenUpError } from "../../src/client/giving_up.ts";
import type { SpoolStorage } from "../../src/client/spool.ts";
import { TraceBatcher } from "../../src/client/trace_batcher.ts";
import { ManualClock, turns } from "./manual_clock.ts";

interface Sent {
  readonly path: string;
  readonly key: string | null;
  // deno-lint-ignore no-explicit-any -- looked into as a server would
  readonly body: any;
}

/** A server made of one function. */
class Server {
  readonly sent: Sent[] = [];
  answer: (sent: Sent) => Response = () => accepted();

  readonly fetch = async (url: string, init: RequestInit): Promise<Response> => {
    const request = new Request(url, init);
    const sent: Sent = {
      path: new URL(url).pathname,
      key: request.headers.get("idempotency-key"),
      body: await request.json(),
    };
    this.sent.push(sent);
    return this.answer(sent);
  };
}

function accepted(rejected: { index: number; reason: string }[] = []): Response {
  return Response.json({ accepted: 1, rejected }, { status: 202 });
}

/** A storage in memory that outlives its clients. */
function memoryStorage(): SpoolStorage & { readonly chunks: Map<string, string> } {
  const chunks = new Map<string, string>();
  return {
    chunks,
    keys: () => Promise.resolve([...chunks.keys()]),
    read: (key) => Promise.resolve(chunks.get(key)),
    write: (key, text) => Promise.resolve(void chunks.set(key, text)),
    remove: (key) => Promise.resolve(void chunks.delete(key)),
  };
}

function clientOf(server: Server, options: Partial<EventClientOptions> = {}): EventClient {
  return new EventClient(
    { fetch: server.fetch, gzip: false, clock: new ManualClock(), jitter: 0, ...options } as never,
  );
}

Deno.test("EventClient gives each event an id and the time at which it was queued", async () => {
  const server = new Server();
  const client = clientOf(server, { deviceId: "d", properties: { app: "x" } });
  client.identify({ profileId: "ann" });
  client.track("a", { n: 1 });
  client.track("b", {}, { time: 0, insertId: "own", profileId: "bob" });
  await client.stop();
  const [{ path, body: { events } }] = server.sent;
  assertEquals(path, "/track/batch");
  const [identify, first, second] = events;
  assertEquals([identify.type, identify.payload], ["identify", { profileId: "ann" }]);
  assertEquals(first.payload, {
    name: "a",
    properties: { __deviceId: "d", app: "x", n: 1, __timestamp: "2026-01-01T00:00:00.000Z" },
    profileId: "ann",
  });
  assertEquals([second.insertId, second.payload.properties.__timestamp], ["own", "1970-01-01T00:00:00.000Z"]);
  assert(/^[0-9a-f-]{36}$/.test(first.insertId));
});

Deno.test("EventClient halves what is too large, and drops a single row that is", async () => {
  const server = new Server();
  server.answer = ({ body: { events } }) =>
    events.length > 2 || events.some((row: { payload: { name: string } }) => row.payload.name === "5")
      ? new Response(null, { status: 413 })
      : accepted();
  const dropped: string[] = [];
  const client = clientOf(server, { onDrop: ({ payload }) => dropped.push(String(payload.name)) });
  for (let i = 0; i < 9; i++) client.track(String(i));
  const { delivered } = await client.stop();
  assertEquals([delivered, dropped], [8, ["5"]]);
  const taken = server.sent.map(({ body }) => body.events).filter((rows) => rows.length <= 2).flat()
    .map((row) => row.payload.name);
  assertEquals([...new Set(taken)], ["0", "1", "2", "3", "4", "5", "6", "7", "8"]);
  assertEquals(
    new Set(server.sent.map(({ key }) => key)).size,
    server.sent.length,
    "each body has its own key",
  );
});

Deno.test("EventClient sends rows again that failed inside the server, and drops those that do not fit", async () => {
  const server = new Server();
  const clock = new ManualClock();
  const dropped: string[] = [];
  const client = clientOf(server, {
    clock,
    onDrop: ({ payload }, why) => dropped.push(`${payload.name} ${why}`),
  });
  let calls = 0;
  server.answer = () =>
    calls++ === 0
      ? accepted([{ index: 0, reason: "validation" }, { index: 2, reason: "internal" }])
      : accepted();
  for (const name of ["a", "b", "c"]) client.track(name);
  const stopped = client.stop({ deadlineMs: 10_000 });
  await clock.advance(2_000);
  assertEquals((await stopped).delivered, 2);
  assertEquals(dropped, ["a rejected"]);
  assertEquals(server.sent.map(({ body }) => body.events.map((row: Sent["body"]) => row.payload.name)), [
    ["a", "b", "c"],
    ["c"],
  ]);
});

Deno.test("EventClient waits as long as it is told, and tries again what may be mended", async () => {
  const server = new Server();
  const clock = new ManualClock();
  const client = clientOf(server, { clock });
  const answers = [
    new Response(null, { status: 503, headers: { "retry-after": "7" } }),
    new Response(null, { status: 401 }),
    new Response(null, { status: 400 }),
  ];
  server.answer = () => answers.shift() ?? accepted();
  client.track("a");
  await clock.advance(1_000);
  assertEquals(server.sent.length, 1);
  await clock.advance(6_900);
  assertEquals(server.sent.length, 1);
  await clock.advance(100);
  assertEquals(server.sent.length, 2);
  await clock.advance(60_000);
  assertEquals([server.sent.length, client.stats.dropped], [3, 1]);
  assertEquals(new Set(server.sent.map(({ key }) => key)).size, 1, "the same batch has the same key");
});

Deno.test("EventClient finds its queue again after a restart, torn lines left out", async () => {
  const storage = memoryStorage();
  const down = new Server();
  down.answer = () => new Response(null, { status: 503 });
  const clock = new ManualClock();
  const first = clientOf(down, { spool: storage, clock });
  for (const name of ["a", "b"]) first.track(name);
  await clock.advance(100);
  assertEquals(storage.chunks.size, 1);
  first.track("c");
  const stopped = first.stop({ deadlineMs: 100 });
  await clock.advance(100);
  assertEquals((await stopped).undelivered, 3);
  assertEquals(storage.chunks.size, 2);
  storage.chunks.set("9-torn", `{"type":"track","payload":{"na`);
  const up = new Server();
  const second = clientOf(up, { spool: storage });
  await second.flush();
  assertEquals(up.sent[0].body.events.map((row: Sent["body"]) => row.payload.name), ["a", "b", "c"]);
  await second.stop();
  assertEquals(storage.chunks.size, 0);
});

Deno.test("EventClient goes on without a spool that fails", async () => {
  const server = new Server();
  const fail = (): Promise<never> => Promise.reject(new Error("flash is worn out"));
  const errors: unknown[] = [];
  const spool = { keys: fail, read: fail, write: fail, remove: fail };
  const clock = new ManualClock();
  const client = clientOf(server, { spool, clock, onError: (error) => errors.push(error) });
  client.track("a");
  await clock.advance(200);
  assertEquals((await client.stop()).delivered, 1);
  assert(errors.length > 0);
});

/** Queues an event, and lets it be refused with 500 until it is given up. */
async function giveUpOne(options: Partial<EventClientOptions>): Promise<string[]> {
  const server = new Server();
  server.answer = ({ body: { events } }) =>
    events[0].payload.name === "poison" ? new Response(null, { status: 500 }) : accepted();
  const clock = new ManualClock();
  const told: string[] = [];
  const client = clientOf(server, {
    ...{ clock, batchSize: 1, giveUpAfterMs: 60_000, ...options },
    onDrop: ({ payload }, reason) => told.push(`${payload.name} ${reason}`),
    onError: (error) => error instanceof GivenUpError && told.push(error.message.replace(/.*: /, "")),
  });
  client.track("poison");
  client.track("behind it");
  await clock.advance(200_000);
  assertEquals([client.stats.delivered, client.stats.dropped], [1, 1]);
  await client.stop();
  return told;
}

Deno.test("EventClient drops what the server always fails on, says so, and sends what is behind it", async () => {
  assertEquals(await giveUpOne({}), ["the server answered 500", "poison exhausted"]);
});

Deno.test("EventClient leaves what the server always fails on to the spool, and sends it after a restart", async () => {
  const spool = memoryStorage();
  assertEquals(await giveUpOne({ spool }), ["the server answered 500", "poison spooled"]);
  const mended = new Server();
  const second = clientOf(mended, { spool });
  await second.flush();
  await second.stop();
  assert(mended.sent.some(({ body }) => body.events[0].payload.name === "poison"));
  assertEquals(spool.chunks.size, 0);
});

Deno.test("EventClient drops what it gives up where the spool cannot be written", async () => {
  const spool = { ...memoryStorage(), write: () => Promise.reject(new Error("flash is worn out")) };
  assertEquals((await giveUpOne({ spool })).at(-1), "poison exhausted");
});

Deno.test("EventClient leaves no more to the spool than it may queue", async () => {
  const spool = memoryStorage();
  const server = new Server();
  server.answer = () => new Response(null, { status: 500 });
  const clock = new ManualClock();
  const told: string[] = [];
  const client = clientOf(server, {
    ...{ clock, spool, maxEvents: 2, giveUpAfterMs: 0 },
    onDrop: ({ payload }, reason) => told.push(`${payload.name} ${reason}`),
  });
  for (const name of ["a", "b", "c"]) {
    client.track(name);
    await clock.advance(2_000);
  }
  assertEquals(told, ["a spooled", "b spooled", "c exhausted"]);
  assertEquals(spool.chunks.size, 2);
  await client.stop();
});

Deno.test("EventClient keeps what it queued however long the server is out of reach", async () => {
  const clock = new ManualClock();
  let isUp = false;
  const server = new Server();
  const fetch: typeof server.fetch = (url, init) =>
    isUp ? server.fetch(url, init) : Promise.reject(new TypeError("connection refused"));
  const client = clientOf(server, { clock, fetch });
  client.track("a");
  await clock.advance(24 * 3_600_000);
  isUp = true;
  await clock.advance(120_000);
  assertEquals(client.stats.delivered, 1);
  await client.stop();
});

Deno.test("TraceBatcher numbers batches from 0, by events and by bytes, and says at the end how many there are", async () => {
  const server = new Server();
  const options = { fetch: server.fetch, gzip: false, clock: new ManualClock() };
  const batcher = new TraceBatcher({ ...options, sessionId: "S 1", maxBatchEvents: 150, maxBatchBytes: 100 });
  const trace = batcher.begin({ rid: "R", method: "GET", url: "/a", actionId: "A" });
  for (let i = 0; i < 5; i++) trace.event({ text: "x".repeat(30) });
  trace.event({ self: 1n, error: new TypeError("t") });
  const circular: unknown[] = [];
  circular.push(circular);
  trace.event(circular);
  trace.end({ status: 200, durMs: 5 });
  trace.end({ status: 500 });
  trace.event("late");
  await batcher.stop();
  const [{ path, body: { entries } }] = server.sent;
  assertEquals(path, "/v1/sessions/S%201/backend");
  assertEquals(entries.map((entry: Sent["body"]) => [entry.traceBatchIndex, entry.traceBatch.total]), [
    ...[[0, undefined], [1, undefined], [2, undefined]],
    [3, 4],
  ]);
  const { request: first } = entries[0];
  assertEquals([first.rid, first.method, first.status, entries[1].request], [
    "R",
    "GET",
    undefined,
    undefined,
  ]);
  assertEquals(entries.at(-1).request, { rid: "R", status: 200, durMs: 5 });
  for (const { trace, requestRid, actionId } of entries) {
    assert(trace.length <= 102 || JSON.parse(trace).length === 1);
    assertEquals([requestRid, actionId], ["R", "A"]);
  }
  assertEquals(entries.flatMap(({ trace }: Sent["body"]) => JSON.parse(trace)).length, 6);
});

Deno.test("nothing that a client queues keeps a program alive", async () => {
  const clock = new ManualClock();
  const client = clientOf(new Server(), { clock, spool: memoryStorage() });
  client.track("a");
  await turns();
  assertEquals(clock.timers.holding, 0);
  await client.stop();
});
