/**
 * Dialect `backend` from outside: one large trace, as the real client sends it.
 * @module
 */

import { assert, assertEquals, assertMatch } from "@std/assert";
import { startDaemon } from "../support/daemon.ts";
import { openRaw, type RawConnection, requestHead, send } from "../support/http.ts";
import { readRows } from "../support/parts.ts";
import { flush, path, tracesOf } from "./backend_client.ts";

/** ms since the epoch. */
const t0 = Date.UTC(2026, 10, 20, 10);
/** The real client sends a batch for every so many events. */
const eventsABatch = 100;

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
