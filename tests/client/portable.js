/**
 * What the packed client library does in whichever runtime runs this file: `<runtime> portable.js <daemon's url>`.
 * It prints "ok" at the end, and ends by itself.
 */

import { createServer } from "node:http";
import { existsSync, readdirSync, rmSync } from "node:fs";
import process from "node:process";
import {
  directorySpool,
  EventBuffer,
  EventClient,
  expressTracing,
  fetchTracing,
  TestEventClient,
  TraceBatcher,
  traceOf,
} from "weir";

const url = process.argv[2];
const spoolFolder = "./spool";
rmSync(spoolFolder, { recursive: true, force: true });

function check(actual, expected, what) {
  const [a, b] = [JSON.stringify(actual), JSON.stringify(expected)];
  if (a !== b) throw new Error(`${what}: ${a} instead of ${b}`);
}

async function getJson(path, headers = {}) {
  return await (await fetch(url + path, { headers })).json();
}

process.on("unhandledRejection", (error) => {
  process.exitCode = 1;
  process.stderr.write(`unhandled: ${error}\n`);
});

// A buffer that nobody stops must not keep the program alive.
const left = new EventBuffer({ flushIntervalMs: 3_600_000, onFlush: () => undefined });
left.add({ a: 1 });

// Order, one batch at a time, failures.
const got = [];
let fails = 2;
const buffer = new EventBuffer({
  maxSize: 10,
  firstDelayMs: 5,
  onFlush: async (events) => {
    await Promise.resolve();
    if (fails-- > 0) throw new Error("down");
    got.push(...events);
  },
});
for (let i = 0; i < 95; i++) buffer.add(i);
const report = await buffer.stop();
check([report.delivered, report.undelivered], [95, 0], "stop");
check(got, Array.from({ length: 95 }, (_, i) => i), "order");

// A week of readings of a device that was offline, over a restart: at most 6 requests.
const readings = 10_080;
const now = Date.now();
const offline = new EventClient({
  url: "http://127.0.0.1:1",
  clientId: "portable",
  deviceId: "sensor",
  spool: directorySpool(spoolFolder),
});
for (let i = 0; i < readings; i++) {
  offline.track("reading", { i }, { time: now - (readings - i) * 30_000 });
}
const stuck = await offline.stop({ deadlineMs: 200 });
check([stuck.delivered, stuck.undelivered], [0, readings], "offline");
const online = new EventClient({ url, clientId: "portable", spool: directorySpool(spoolFolder) });
await online.flush();
const drained = await online.stop({ deadlineMs: 30_000 });
check([drained.undelivered, drained.dropped], [0, 0], "drained");
check(online.stats.delivered, readings, "delivered");
if (online.stats.requests > 6) throw new Error(`${online.stats.requests} requests`);
check(existsSync(spoolFolder) ? readdirSync(spoolFolder) : [], [], "spool");

// Traces: batches, numbers, totals, both middlewares.
const batcher = new TraceBatcher({ url, sessionId: "portable", maxBatchEvents: 3 });
const handler = fetchTracing(batcher, (request) => {
  for (let i = 0; i < 7; i++) traceOf(request).event({ i });
  return new Response("ok", { status: 201 });
});
check((await handler(new Request("http://localhost/a?b=1"))).status, 201, "handler");
const middleware = expressTracing(batcher);
const server = createServer((req, res) => {
  middleware(req, res, () => {
    req.weirTrace.event({ express: true });
    res.statusCode = 202;
    res.end("ok");
  });
});
await new Promise((resolve) => server.listen(0, "127.0.0.1", resolve));
await (await fetch(`http://127.0.0.1:${server.address().port}/x`, { headers: { connection: "close" } }))
  .text();
await new Promise((resolve) => server.close(resolve));
const traced = await batcher.stop();
check([traced.undelivered, traced.dropped], [0, 0], "traces");
const { items } = await getJson("/v1/sessions/portable/traces");
const traces = new Map(items.flatMap(({ key, traces }) => traces.map((trace) => [key, trace])));
const first = traces.get("GET /a");
check([first.request.status, first.total, first.complete], [201, 3, true], "fetch trace");
check(
  first.batches.map(({ batchIndex, trace }) => [batchIndex, trace.length]),
  [[0, 3], [1, 3], [2, 1]],
  "batches",
);
check([traces.get("GET /x").request.status, traces.get("GET /x").complete], [202, true], "express trace");

// Test events.
const runId = `portable-${now}`;
const run = new TestEventClient({ url, runId });
run.report("run.start", { run_id: runId });
for (let i = 0; i < 500; i++) run.report("test.begin", { test_case: { id: `t${i}`, run_id: runId } });
run.report("run.end", { run_id: runId, final_status: "PASSED" });
check((await run.stop()).undelivered, 0, "run");
const { status, completeness } = await getJson(`/v1/test-runs/${runId}`);
check([status, completeness.received, completeness.missing], ["PASSED", 502, 0], "run");
if (run.stats.requests > 26) throw new Error(`${run.stats.requests} requests`);

process.stdout.write("ok\n");
