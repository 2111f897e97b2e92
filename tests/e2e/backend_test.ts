/**
 * Dialect `backend` from outside: the black-box cases of its contract (section 7), on a daemon of its own.
 * @module
 */

import { assert, assertEquals, assertMatch } from "@std/assert";
import { type Daemon, startDaemon } from "../support/daemon.ts";
import { openRaw, type RawConnection, type Reply, requestHead, send } from "../support/http.ts";
import { readParts, readRows } from "../support/parts.ts";

const path = "/v1/sessions/S1";
/** ms since the epoch. */
const t0 = Date.UTC(2026, 10, 20, 10);
/** The real client sends a batch for every so many events. */
const eventsABatch = 100;

function post(daemon: Daemon, entries: unknown[], headers: Record<string, string> = {}): Promise<Reply> {
  return send(`${daemon.url}${path}/backend`, { entries }, { headers });
}

/** Posts entries of which each must be accepted, one POST each. */
async function postEach(daemon: Daemon, ...entries: unknown[]): Promise<void> {
  for (const entry of entries) {
    const { status, json } = await post(daemon, [entry]);
    assertEquals([status, json], [201, { ok: true, accepted: 1, rejected: [] }]);
  }
}

// deno-lint-ignore no-explicit-any -- looked into as a client would
async function tracesOf(daemon: Daemon, headers: Record<string, string> = {}): Promise<any> {
  const { status, json } = await send(`${daemon.url}${path}/traces`, undefined, { headers });
  assertEquals(status, 200);
  return json;
}

async function flush(daemon: Daemon): Promise<void> {
  assertEquals((await send(`${daemon.adminUrl}/flush`, undefined, { method: "POST" })).status, 200);
}

/** Index and events of each batch of the first request of the first group. */
// deno-lint-ignore no-explicit-any -- see above
function batchesOf(traces: any): unknown[] {
  return traces.items[0].traces[0].batches.map((batch: { batchIndex: number; trace: unknown }) => [
    batch.batchIndex,
    batch.trace,
  ]);
}

/** Reads before a flush, after a crash, and after a flush must agree. */
async function assertTraces(daemon: Daemon, expected: unknown): Promise<void> {
  assertEquals(await tracesOf(daemon), expected);
  await daemon.restart();
  assertEquals(await tracesOf(daemon), expected);
  await flush(daemon);
  assertEquals(await tracesOf(daemon), expected);
}

Deno.test("Contract case 1: the document's example is stored, its gap reported, and survives crash and flush", async () => {
  await using daemon = await startDaemon();
  const { status, json } = await post(daemon, [
    {
      actionId: "A1",
      request: {
        rid: "R12",
        method: "POST",
        url: "/api/apply",
        status: 200,
        durMs: 140,
        key: "POST /api/apply",
      },
      t: 1710000000200,
    },
    {
      actionId: "A1",
      requestRid: "R12",
      trace: `[{"t":0,"type":"enter"}]`,
      traceBatchIndex: 1,
      t: 1710000000205,
    },
  ]);
  assertEquals([status, json], [201, { ok: true, accepted: 2, rejected: [] }]);
  await assertTraces(daemon, {
    sessionId: "S1",
    items: [{
      key: "POST /api/apply",
      traces: [{
        requestRid: "R12",
        request: { key: "POST /api/apply", durMs: 140, status: 200 },
        missing: [0],
        complete: false,
        batches: [{ traceId: "R12:1", batchIndex: 1, trace: [{ t: 0, type: "enter" }] }],
      }],
    }],
  });
  const [part] = await readParts(daemon.dataDir, "traces");
  const [{ app, sid, rid, method, url, action_id: actionId, events, missing }] = part.rows;
  assertEquals({ app, sid, rid, method, url, actionId, events, missing }, {
    app: "default",
    sid: "S1",
    rid: "R12",
    method: "POST",
    url: "/api/apply",
    actionId: "A1",
    events: [{ t: 0, type: "enter" }],
    missing: [0],
  });
});

Deno.test("Contract case 2: embedded batches add up, and what is absent clears nothing", async () => {
  await using daemon = await startDaemon();
  const request = { rid: "R1", method: "GET", url: "/a?x=1", status: 200, durMs: 5, key: "GET /a" };
  await postEach(
    daemon,
    { actionId: "A1", request: { ...request, trace: "[1]", traceBatchIndex: 0 }, t: 10 },
    { request: { rid: "R1", durMs: 9, trace: "[2]", traceBatchIndex: 1 }, t: 20 },
  );
  const traces = await tracesOf(daemon);
  assertEquals(traces.items.length, 1);
  assertEquals(traces.items[0].traces[0].request, { key: "GET /a", durMs: 9, status: 200 });
  assertEquals(batchesOf(traces), [[0, [1]], [1, [2]]]);
  await flush(daemon);
  const [row] = await readRows(daemon.dataDir, "traces");
  const { method, url, action_id: actionId, dur_ms: durMs, events } = row;
  assertEquals({ method, url, actionId, durMs, events }, {
    method: "GET",
    url: "/a?x=1",
    actionId: "A1",
    durMs: 9,
    events: [1, 2],
  });
});

Deno.test("Contract case 3: batches and metadata may come in any order", async () => {
  await using daemon = await startDaemon();
  await postEach(
    daemon,
    { rid: "R", trace: `["b"]`, traceBatchIndex: 1 },
    { request: { rid: "R", key: "GET /x", status: 200, durMs: 4 } },
    { traceRid: "R", trace: ["a"], batchIndex: "0" },
  );
  const batch = (index: number, trace: unknown): unknown => ({
    traceId: `R:${index}`,
    batchIndex: index,
    trace,
  });
  await assertTraces(daemon, {
    sessionId: "S1",
    items: [{
      key: "GET /x",
      traces: [{
        requestRid: "R",
        request: { key: "GET /x", durMs: 4, status: 200 },
        missing: [],
        complete: false,
        batches: [batch(0, ["a"]), batch(1, ["b"])],
      }],
    }],
  });
});

Deno.test("Contract case 6: the real client's metadata beside a trace never appears as events, and a resend adds nothing", async () => {
  await using daemon = await startDaemon();
  const entry = {
    actionId: "A1",
    trace: `["t"]`,
    traceBatch: { rid: "R", index: 2, total: 4 },
    t: 1710000000000,
  };
  await postEach(daemon, entry);
  const again = await post(daemon, [entry]);
  assertEquals([again.status, again.json], [201, { ok: true, accepted: 1, rejected: [], duplicates: 1 }]);
  await assertTraces(daemon, {
    sessionId: "S1",
    items: [{
      key: null,
      traces: [{
        requestRid: "R",
        request: null,
        missing: [0, 1, 3],
        complete: false,
        total: 4,
        batches: [{ traceId: "R:2", batchIndex: 2, trace: ["t"] }],
      }],
    }],
  });
  const afterFlush = await post(daemon, [entry]);
  assertEquals((afterFlush.json as { duplicates: number }).duplicates, 1);
});

Deno.test("A batch without an index takes the next one, unless its events are stored; other events replace", async () => {
  await using daemon = await startDaemon();
  await postEach(
    daemon,
    { rid: "R", trace: "[1]" },
    { rid: "R", trace: "[2]" },
    { trace: "[3]", traceBatch: { rid: "R", index: 1 } },
  );
  const { json } = await post(daemon, [{ rid: "R", trace: "[1]" }]);
  assertEquals((json as { duplicates: number }).duplicates, 1);
  const traces = await tracesOf(daemon);
  assertEquals(batchesOf(traces), [[0, [1]], [1, [3]]]);
  const [{ replaced, batches }] = traces.items[0].traces;
  assertEquals([replaced, batches[0].indexAssumed, batches[1].indexAssumed], [1, true, undefined]);
});

Deno.test("Contract case 10: changes and mails are rows with defaults, stored once", async () => {
  await using daemon = await startDaemon();
  const entry = {
    actionId: "A1",
    db: [{ collection: "orders", pk: { _id: "1" }, before: null, after: { s: 1 } }],
    email: { to: "a@x.io" },
    t: 7,
  };
  await postEach(daemon, entry);
  await daemon.restart();
  await post(daemon, [entry]);
  await flush(daemon);
  await post(daemon, [entry]);
  await flush(daemon);
  const changes = await readRows(daemon.dataDir, "changes");
  const mails = await readRows(daemon.dataDir, "mails");
  assertEquals([changes.length, mails.length], [1, 1]);
  const { op, t, collection, pk, before, after, action_id: actionId } = changes[0];
  assertEquals({ op, t, collection, pk, before, after, actionId }, {
    op: "update",
    t: 7,
    collection: "orders",
    pk: { _id: "1" },
    before: null,
    after: { s: 1 },
    actionId: "A1",
  });
  const { to, provider, mail_kind: kind, subject, status_code: statusCode } = mails[0];
  assertEquals({ to, provider, kind, subject, statusCode }, {
    to: ["a@x.io"],
    provider: "sendgrid",
    kind: "send",
    subject: "",
    statusCode: null,
  });
});

Deno.test("Contract case 11: what is no body of entries is refused with the original's form of error", async () => {
  await using daemon = await startDaemon({ config: { backend: { max_body_bytes: 100_000 } } });
  const url = `${daemon.url}${path}/backend`;
  const table: [string, number][] = [
    ["[", 400],
    ["[]", 400],
    [`{"entries":{}}`, 400],
    ["", 400],
    [`{"entries":[{"rid":"R","trace":"${" ".repeat(100_000)}[1]"}]}`, 413],
    [`{"entries":[{"rid":"R","trace":"[1]"}`, 400],
  ];
  for (const [body, status] of table) {
    const reply = await send(url, body);
    const { ok, statusCode, message, code } = reply.json as Record<string, unknown>;
    assertEquals([reply.status, statusCode, ok], [status, status, false], body.slice(0, 50));
    assertEquals([typeof message, typeof code], ["string", "string"]);
  }
  for (const body of ["{}", `{"entries":null}`]) {
    const { status, json } = await send(url, body);
    assertEquals([status, json], [201, { ok: true, accepted: 0, rejected: [] }]);
  }
  const refused = await post(daemon, [{ rid: "R", trace: "{" }, {}]);
  assertEquals(refused.status, 422);
  assertEquals((refused.json as { ok: boolean }).ok, false);
  assertEquals((await tracesOf(daemon)).items, []);
  for (const sid of ["a b", "%2e%2e%2fx", "a".repeat(129), "é"]) {
    const { status } = await send(`${daemon.url}/v1/sessions/${sid}/backend`, { entries: [] });
    assertEquals(status, 400, sid);
    assertEquals((await send(`${daemon.url}/v1/sessions/${sid}/traces`)).status, 400, sid);
  }
});

Deno.test("Contract case 11: with auth on, only the right secret writes or reads, and apps see only their own", async () => {
  const app = (id: string): unknown => ({ id, secret: `${id}-secret-0123456789` });
  await using daemon = await startDaemon({
    config: { auth: { enabled: true, apps: [app("shop"), app("mail")] } },
  });
  const headersOf = (id: string, secret = `${id}-secret-0123456789`): Record<string, string> => ({
    "x-app-id": id,
    "x-app-secret": secret,
  });
  const entry = { rid: "R", trace: "[1]" };
  for (const headers of [{}, headersOf("shop", "wrong"), headersOf("nobody"), { "x-app-id": "shop" }]) {
    const { status, json } = await post(daemon, [entry], headers);
    assertEquals([status, (json as { message: string }).message], [403, "Forbidden resource"]);
    const read = await send(`${daemon.url}${path}/traces`, undefined, { headers });
    assertEquals(read.status, 403);
  }
  const malformed = await send(`${daemon.url}${path}/backend`, "[", { headers: headersOf("shop", "wrong") });
  assertEquals(malformed.status, 400);
  assertEquals((await post(daemon, [entry], headersOf("shop"))).status, 201);
  assertEquals((await tracesOf(daemon, headersOf("shop"))).items.length, 1);
  assertEquals((await tracesOf(daemon, headersOf("mail"))).items, []);
});

Deno.test("Entries may come as NDJSON, one a line, each window with its verdict", async () => {
  await using daemon = await startDaemon();
  const lines = Array.from({ length: 120 }, (_, i) => JSON.stringify({ rid: "R", trace: [i], index: i }));
  lines[7] = "no json";
  const reply = await send(`${daemon.url}${path}/backend`, lines.join("\n"), {
    headers: { "content-type": "application/x-ndjson" },
  });
  assertEquals(reply.status, 202);
  const verdicts = reply.text.trim().split("\n").map((line) => JSON.parse(line));
  const { done, accepted, rejected } = verdicts.at(-1);
  assertEquals({ done, accepted, rejected }, { done: true, accepted: 119, rejected: 1 });
  const [{ missing, batches }] = (await tracesOf(daemon)).items[0].traces;
  assertEquals([missing, batches.length], [[7], 119]);
});

/** A batch of the real client, as the contract measured it: 100 events, most of 210 bytes, the first of a request 44 KB. */
function clientBatch(index: number): string {
  const events = Array.from({ length: eventsABatch }, (_, i) => {
    const isExit = i % 2 === 1;
    const spanId = index * eventsABatch + i - Number(isExit);
    return {
      ...{ t: t0 + (spanId >> 8), type: isExit ? "exit" : "enter", fn: `priceOf${i >> 1}` },
      ...{ file: "/srv/app/services/price_rules.js", line: 10 + i, depth: 1 + i % 7 },
      ...{ spanId, parentSpanId: spanId === 0 ? null : 0, functionType: "function" },
      args: [{ note: `“${"x".repeat(index === 0 ? 180 : 20)}…(12 more chars)` }],
      ...(isExit ? { returnValue: i, threw: false, error: null, unawaited: false } : {}),
    };
  });
  return JSON.stringify(events);
}

Deno.test("A trace of 3.2 MB lands over 129 connections that are open at once, as the real client sends it, at default limits", async () => {
  await using daemon = await startDaemon();
  const url = `${daemon.url}${path}/backend`;
  const rid = `${t0}-k3j9x2`;
  const traces = Array.from({ length: 128 }, (_, index) => clientBatch(index));
  const request = {
    ...{ rid, method: "GET", url: "/prices?all=1", path: "/prices?all=1", status: 200, durMs: 2030 },
    ...{ headers: { authorization: "[REDACTED]" }, key: "GET /prices", respBody: { ok: true } },
    ...{
      body: {},
      params: {},
      query: { all: "1" },
      entryPoint: { fn: "prices", file: "/srv/app/a.js", line: 3 },
    },
  };
  const bodies = [
    { entries: [{ actionId: "A1", request, t: t0 }] },
    ...traces.map((trace, index) => (
      { entries: [{ actionId: "A1", trace, traceBatch: { rid, index, total: 128 }, t: t0 + index }] }
    )),
  ].map((body) => new TextEncoder().encode(JSON.stringify(body)));
  const sum = new TextEncoder().encode(traces.join("")).length;
  assert(sum >= 3_200_000 && sum < 4_000_000, `${sum} bytes of events`);

  const connections: RawConnection[] = [];
  try {
    for (const _ of bodies) connections.push(await openRaw(url));
    // Each stands with half of its body sent before the first one goes on.
    await Promise.all(connections.map(async (connection, i) => {
      const head = requestHead(url, bodies[i].length, { "x-app-id": "shop", "x-app-secret": "unused" });
      await connection.write(head);
      await connection.write(bodies[i].subarray(0, bodies[i].length >> 1));
    }));
    const replies = await Promise.all(connections.map(async (connection, i) => {
      await connection.write(bodies[i].subarray(bodies[i].length >> 1));
      return await connection.readReply();
    }));
    for (const reply of replies) {
      assertEquals([reply?.status, reply?.json], [201, { ok: true, accepted: 1, rejected: [] }]);
    }
  } finally {
    connections.forEach((connection) => connection.close());
  }

  const headers = { "x-app-id": "shop" };
  const before = await tracesOf(daemon, headers);
  const [{ key, traces: [told] }] = before.items;
  assertEquals([key, told.request], ["GET /prices", { key: "GET /prices", durMs: 2030, status: 200 }]);
  assertEquals([told.requestRid, told.complete, told.missing, told.total], [rid, true, [], 128]);
  assertEquals(
    told.batches.map(({ batchIndex, trace }: Record<string, unknown>) => [batchIndex, trace]),
    traces.map((trace, index) => [index, JSON.parse(trace)]),
  );
  const whole = await send(`${daemon.url}${path}/requests/${rid}`, undefined, { headers });
  assertMatch(whole.headers.get("content-type") ?? "", /^application\/json/);
  const events = traces.flatMap((trace) => JSON.parse(trace));
  assertEquals((whole.json as { events: unknown[] }).events, events);
  await flush(daemon);
  assertEquals(await tracesOf(daemon, headers), before);
  const [row, ...others] = await readRows(daemon.dataDir, "traces");
  assertEquals([row.rid, row.complete, others], [rid, true, []]);
  assertEquals(row.events, events);
});

Deno.test("Traces are grouped by their keys, those without one under null, and sessions see only their own", async () => {
  await using daemon = await startDaemon();
  const request = (rid: string, key?: string): unknown => ({ request: { rid, key, trace: "[1]" } });
  await postEach(
    daemon,
    request("1", "GET /a"),
    request("2"),
    request("3", "GET /b"),
    request("4", "GET /a"),
  );
  await send(`${daemon.url}/v1/sessions/S2/backend`, { entries: [request("5", "GET /a")] });
  const groups = async (): Promise<unknown> =>
    // deno-lint-ignore no-explicit-any -- see above
    (await tracesOf(daemon)).items.map(({ key, traces }: any) => [
      key,
      // deno-lint-ignore no-explicit-any -- see above
      traces.map(({ requestRid }: any) => requestRid),
    ]);
  const expected = [["GET /a", ["1", "4"]], [null, ["2"]], ["GET /b", ["3"]]];
  assertEquals(await groups(), expected);
  await flush(daemon);
  assertEquals(await groups(), expected);
});
