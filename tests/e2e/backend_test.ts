/**
 * Dialect `backend` from outside: the black-box cases of its contract (section 7), on a daemon of its own.
 * @module
 */

import { assertEquals } from "@std/assert";
import { startDaemon } from "../support/daemon.ts";
import { send } from "../support/http.ts";
import { readParts, readRows } from "../support/parts.ts";
import { assertTraces, batchesOf, flush, path, post, postEach, tracesOf } from "./backend_client.ts";

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
    // deno-lint-ignore no-explicit-any -- looked into as a client would
    (await tracesOf(daemon)).items.map(({ key, traces }: any) => [
      key,
      // deno-lint-ignore no-explicit-any -- looked into as a client would
      traces.map(({ requestRid }: any) => requestRid),
    ]);
  const expected = [["GET /a", ["1", "4"]], [null, ["2"]], ["GET /b", ["3"]]];
  assertEquals(await groups(), expected);
  await flush(daemon);
  assertEquals(await groups(), expected);
});
