import { create, toBinary } from "@bufbuild/protobuf";
import { Code, createClient } from "@connectrpc/connect";
import { assert, assertEquals, assertLess } from "@std/assert";
import { TestStatus } from "../../src/dialects/test_events/messages/testsystem/v1/common_pb.ts";
import {
  HeartbeatEventRequestSchema,
  StdErrorEventRequestSchema,
} from "../../src/dialects/test_events/messages/testsystem/v1/events_pb.ts";
import { TestEventCollector } from "../../src/dialects/test_events/messages/testsystem/v1/observer_pb.ts";
import { isLive, readiness } from "../faults/health.ts";
import { type Daemon, startDaemon } from "../support/daemon.ts";
import { openRaw, type RawConnection, type Reply, requestHead, send } from "../support/http.ts";
import { runNode } from "../support/npm_client.ts";
import { readParts } from "../support/parts.ts";
import { tempDir } from "../support/temp.ts";
import { collectorOf, failureOf, transports } from "./collector_client.ts";
import { flush, post, readEvents, readRun, servicePath, throughAll } from "./test_events.ts";

/** As it is unless configured. */
const messageLimit = 16 * 1024 * 1024;

/** A message of exactly so many bytes. */
function messageOf(bytes: number, runId = "r"): Uint8Array {
  const encode = (message: string): Uint8Array =>
    toBinary(StdErrorEventRequestSchema, create(StdErrorEventRequestSchema, { runId, message }));
  // Where the length is as long as that of the whole, the rest is a matter of characters.
  const around = encode("x".repeat(bytes - 100)).length - (bytes - 100);
  const message = encode("x".repeat(bytes - around));
  assertEquals(message.length, bytes);
  return message;
}

/** A file where the folder of runs would be: no flush can write a run until it is removed. */
async function blockSink({ dataDir }: Daemon): Promise<() => Promise<void>> {
  await Deno.writeTextFile(`${dataDir}/runs`, "");
  return () => Deno.remove(`${dataDir}/runs`);
}

/** Ids of the events in the files, in no order. */
async function storedIds({ dataDir }: Daemon): Promise<string[]> {
  const rows = (await readParts(dataDir, "runs")).flatMap(({ rows }) => rows);
  return rows.flatMap(({ events }) => events as { id: string }[]).map(({ id }) => id);
}

Deno.test("Contract case 7: with a sink that is blocked, what was acked is stored exactly, and the rest is told at once to come again", async () => {
  const heldBytes = 8 * 1024 * 1024;
  await using daemon = await startDaemon({
    config: {
      flush: { interval_ms: 3_600_000 },
      journal: { segment_bytes: "1MiB", max_held_bytes: heldBytes },
      limits: { admission_wait_ms: 0 },
    },
  });
  const unblock = await blockSink(daemon);
  const client = collectorOf(daemon);
  const before = await daemon.rssKb();
  const acked: string[] = [];
  let refused = 0;
  const pad = "x".repeat(1_000);
  const callOf = async (first: number): Promise<void> => {
    const ids = Array.from({ length: 20 }, (_, i) => `e${first + i}`);
    const events = ids.map((id) => ({
      ...{ id, runId: "r", event: { case: "stdError" as const, value: { message: pad, runId: "r" } } },
    }));
    try {
      const { accepted } = await client.reportEvents({ events });
      assertEquals(accepted, ids.length);
      acked.push(...ids);
    } catch (error) {
      const { code, metadata } = await failureOf(Promise.reject(error));
      assertEquals([code, metadata.get("retry-after")], [Code.ResourceExhausted, "2"]);
      refused += ids.length;
    }
  };
  const total = 20_000;
  let next = 0;
  await Promise.all(Array.from({ length: 16 }, async () => {
    for (; next < total;) await callOf((next += 20) - 20);
  }));
  assertEquals(acked.length + refused, total);
  assert(acked.length > 1_000 && refused > 1_000, `${acked.length} acked, ${refused} refused`);
  // What is held is bounded by the limit and by what was on its way when it was reached.
  assertLess(acked.length * pad.length, heldBytes + 1024 * 1024);
  assertLess(await daemon.peakRssKb() - before, 160 * 1024);

  const single = await failureOf(client.reportStdError({ runId: "r", message: "one more" }));
  assertEquals([single.code, single.metadata.get("retry-after")], [Code.ResourceExhausted, "2"]);
  const batch = await post(daemon, [{ id: "b", runId: "r", type: "stderr", data: { message: "m" } }]);
  assertEquals([batch.status, batch.headers.get("retry-after")], [503, "2"]);
  const { status, failing } = await readiness(daemon);
  assertEquals([await isLive(daemon), status, failing.map(({ name }) => name)], [true, 503, ["journal"]]);
  const blocked = await send(`${daemon.adminUrl}/flush`, undefined, { method: "POST" });
  assertEquals((blocked.json as { code: string }).code, "flush_failed");

  await unblock();
  await flush(daemon);
  assertEquals((await readiness(daemon)).status, 200);
  assertEquals((await readEvents(daemon, "r")).map(({ id }) => id).sort(), acked.toSorted());
  assertEquals((await storedIds(daemon)).sort(), acked.toSorted());
  assertEquals((await client.reportStdError({ runId: "r", message: "one more" })).success, true);
});

Deno.test("Contract case 7: past the requests in flight a call is told so at once with a hint", async () => {
  await using daemon = await startDaemon({
    config: { limits: { max_in_flight_requests: 1, admission_wait_ms: 0 } },
  });
  const path = `${daemon.url}${servicePath}/Heartbeat`;
  using slow = await openRaw(daemon.url);
  await slow.write(requestHead(path, 2) + "{");
  await untilInFlight(daemon, 1);
  const { code, metadata } = await failureOf(collectorOf(daemon).heartbeat({ sourceId: "w" }));
  assertEquals([code, metadata.get("retry-after")], [Code.ResourceExhausted, "1"]);
  await slow.write("}");
  // An empty heartbeat, and it had its turn.
  assertEquals((await slow.readReply())?.status, 400);
  assertEquals((await collectorOf(daemon).heartbeat({ sourceId: "w" })).success, true);
});

/** Resolves when so many requests are in flight. */
async function untilInFlight(daemon: Daemon, count: number): Promise<void> {
  for (;;) {
    const { json } = await send(`${daemon.adminUrl}/healthz`);
    const { checks } = json as { checks: { name: string; figures: Record<string, number> }[] };
    const { figures } = checks.find(({ name }) => name === "traffic")!;
    if (figures.in_flight_requests === count) return;
  }
}

/** A call whose last byte is not sent. */
async function holdCall(daemon: Daemon, runId: string): Promise<{
  end(): Promise<Reply | undefined>;
  close(): void;
}> {
  const connection = await openRaw(daemon.url);
  const body = JSON.stringify({ runId, message: "held" });
  await connection.write(
    requestHead(`${daemon.url}${servicePath}/ReportStdError`, body.length) + body.slice(0, -1),
  );
  await untilInFlight(daemon, 1);
  return {
    end: async () => {
      await connection.write(body.slice(-1)).catch(() => undefined);
      return await connection.readReply();
    },
    close: () => connection.close(),
  };
}

/** 500 events that wait for a flush, some by call and some in batches. */
async function queue500(daemon: Daemon): Promise<string[]> {
  const ids = Array.from({ length: 500 }, (_, i) => `e${i}`);
  const client = collectorOf(daemon);
  await Promise.all(Array.from({ length: 10 }, async (_, i) => {
    const events = ids.slice(50 * i, 50 * i + 50).map((id) => ({
      ...{ id, runId: "r", event: { case: "stdError" as const, value: { message: id, runId: "r" } } },
    }));
    assertEquals((await client.reportEvents({ events })).accepted, 50);
  }));
  return ids;
}

const noFlush = { flush: { interval_ms: 3_600_000 } };

Deno.test("Contract case 8: a stop with 500 events queued refuses new calls, lets one under way end, and files all", async () => {
  await using daemon = await startDaemon({ config: noFlush });
  const ids = await queue500(daemon);
  const held = await holdCall(daemon, "r");
  const startedAt = performance.now();
  daemon.signal("SIGTERM");
  await daemon.waitForLog("Stopping");
  const refused = await failureOf(collectorOf(daemon).reportStdError({ runId: "r", message: "late" }));
  assertEquals([refused.code, refused.metadata.get("retry-after")], [Code.Unavailable, "5"]);
  assertEquals((await held.end())?.json, { success: true, message: "ok" });
  held.close();
  assertEquals(await daemon.exit(), 0);
  // Within the grace that there is by default.
  assertLess(performance.now() - startedAt, 10_000);
  const stored = await storedIds(daemon);
  assertEquals([stored.length, ids.filter((id) => !stored.includes(id))], [501, []]);
});

Deno.test("Contract case 8: a grace too short for a call cuts it off, and what was acked is filed", async () => {
  await using daemon = await startDaemon({ config: { ...noFlush, shutdown: { grace_ms: 200 } } });
  const ids = await queue500(daemon);
  const held = await holdCall(daemon, "r");
  daemon.signal("SIGTERM");
  const { count, level } = await daemon.waitForLog("Requests cut off");
  assertEquals([count, level], [1, "warn"]);
  assertEquals(await daemon.exit(), 0);
  const reply = await held.end();
  held.close();
  assertEquals([reply?.status, (reply?.json as { code: string }).code], [503, "unavailable"]);
  assertEquals((await storedIds(daemon)).sort(), ids.toSorted());
});

Deno.test("Contract case 8: a stop whose sink takes nothing exits with 3, says how much is left, and the next start delivers it", async () => {
  await using daemon = await startDaemon({ config: { ...noFlush, shutdown: { grace_ms: 200 } } });
  const ids = await queue500(daemon);
  const unblock = await blockSink(daemon);
  assertEquals(await daemon.stop(), 3);
  const { level, count } = await daemon.waitForLog(({ message }) => /last flush failed/.test(message));
  assertEquals([level, count], ["error", ids.length]);
  assertEquals((await Deno.stat(`${daemon.dataDir}/runs`)).isFile, true);
  await unblock();
  await daemon.restart();
  assertEquals((await daemon.waitForLog("Journal read back")).count, ids.length);
  assertEquals(await daemon.stop(), 0);
  assertEquals((await storedIds(daemon)).sort(), ids.toSorted());
});

Deno.test("Contract case 8: a stop that is cut short exits with 130, and the next start delivers what was acked", async () => {
  await using daemon = await startDaemon({ config: noFlush });
  const ids = await queue500(daemon);
  const held = await holdCall(daemon, "r");
  daemon.signal("SIGTERM");
  await daemon.waitForLog("Stopping");
  daemon.signal("SIGTERM");
  assertEquals(await daemon.exit(), 130);
  held.close();
  await daemon.restart();
  assertEquals((await daemon.waitForLog("Journal read back")).count, ids.length);
  assertEquals(await daemon.stop(), 0);
  assertEquals((await storedIds(daemon)).sort(), ids.toSorted());
});

/** A call by hand, on this connection or one of its own. */
async function ask(
  connection: RawConnection,
  url: string,
  { body, headers }: { body: Uint8Array; headers: Record<string, string> },
): Promise<Reply> {
  await connection.write(requestHead(url, body.length, headers));
  await connection.write(body);
  return (await connection.readReply())!;
}

const heartbeat = toBinary(
  HeartbeatEventRequestSchema,
  create(HeartbeatEventRequestSchema, { sourceId: "w" }),
);

Deno.test("Contract case 9: a message of exactly the limit passes, one byte more does not", async () => {
  await using daemon = await startDaemon();
  const url = `${daemon.url}${servicePath}/ReportStdError`;
  const headers = { "content-type": "application/proto" };
  // The same with the frames of gRPC-Web, whose five bytes are not the message's.
  const web = { "content-type": "application/grpc-web+proto", "x-grpc-web": "1" };
  {
    using connection = await openRaw(daemon.url);
    const reply = await ask(connection, url, { body: messageOf(messageLimit + 1), headers });
    const { code } = reply.json as { code: string };
    assertEquals([reply.status, code], [429, "resource_exhausted"]);
    // HTTP/1.1 cannot leave out the rest of a body.
    assertEquals([reply.headers.get("connection"), await connection.readSome()], ["close", undefined]);
  }
  {
    using connection = await openRaw(daemon.url);
    const body = frameOf(messageOf(messageLimit + 1));
    assertEquals(grpcStatusOf(await ask(connection, url, { body, headers: web })), Code.ResourceExhausted);
  }
  using connection = await openRaw(daemon.url);
  const exact = messageOf(messageLimit);
  const reply = await ask(connection, url, { body: exact, headers });
  assertEquals([reply.status, reply.headers.get("content-type")], [200, "application/proto"]);
  assertEquals(grpcStatusOf(await ask(connection, url, { body: frameOf(exact), headers: web })), 0);
  assertEquals((await readRun(daemon, "r")).completeness.received, 2);
});

Deno.test("Contract case 9: frames that are cut or compressed in an unknown way are refused, and the daemon goes on", async () => {
  await using daemon = await startDaemon();
  using connection = await openRaw(daemon.url);
  const url = `${daemon.url}${servicePath}/Heartbeat`;
  const statusOf = async (body: Uint8Array, more: Record<string, string> = {}): Promise<number> => {
    const headers = { "content-type": "application/grpc-web+proto", "x-grpc-web": "1", ...more };
    return grpcStatusOf(await ask(connection, url, { body, headers }));
  };
  const whole = frameOf(heartbeat);
  assertEquals(await statusOf(whole.subarray(0, -1)), Code.InvalidArgument);
  assertEquals(await statusOf(whole.subarray(0, 3)), Code.InvalidArgument);
  assertEquals(await statusOf(whole), 0);
  // This one is refused for its head, and its body is not read any more.
  assertEquals(await statusOf(frameOf(heartbeat, 1), { "grpc-encoding": "snappy" }), Code.Unimplemented);
  assertEquals((await collectorOf(daemon).heartbeat({ sourceId: "w" })).success, true);
});

Deno.test("Contract case 9: over HTTP/2 the connection goes on after a message that is too large", async () => {
  const config = { test_events: { max_message_bytes: 20_000 } };
  await using daemon = await startDaemon({ config });
  await using folder = await tempDir();
  // Under Node: Deno's own client of HTTP/2 is not under test here.
  const script = `
    import { connect } from "node:http2";
    const session = connect("${daemon.url}");
    const ask = (method, bytes) => new Promise((resolve, reject) => {
      const path = "${servicePath}/" + method;
      const stream = session.request({ ":method": "POST", ":path": path, "content-type": "application/proto" });
      let status;
      stream.on("response", (headers) => status = headers[":status"]).on("error", reject);
      stream.on("close", () => resolve(status)).resume();
      stream.end(Buffer.from(bytes, "base64"));
    });
    const [large, exact, heartbeat] = process.env.BODIES.split(",");
    const statuses = [];
    for (const [method, bytes] of [["ReportStdError", large], ["ReportStdError", exact], ["Heartbeat", heartbeat]]) {
      statuses.push(await ask(method, bytes));
    }
    process.stdout.write(JSON.stringify({ statuses, closed: session.closed }));
    session.destroy();
  `;
  const bodies = [messageOf(20_001), messageOf(20_000), heartbeat].map((body) => body.toBase64());
  const env = { BODIES: bodies.join(",") };
  const { stdout, stderr } = await runNode(script, { packages: folder.path, env });
  assertEquals(JSON.parse(stdout || JSON.stringify(stderr)), { statuses: [429, 200, 200], closed: false });
});

/** A frame of gRPC-Web. */
function frameOf(message: Uint8Array, flags = 0): Uint8Array {
  const frame = new Uint8Array(5 + message.length);
  frame[0] = flags;
  new DataView(frame.buffer).setUint32(1, message.length);
  frame.set(message, 5);
  return frame;
}

/** The status in the headers, or in the trailers that end the body. */
function grpcStatusOf({ status, headers, text }: Reply): number {
  assertEquals(status, 200);
  return Number(headers.get("grpc-status") ?? text.match(/grpc-status: ?(\d+)/)?.[1]);
}

for (const transport of Object.keys(transports)) {
  Deno.test(`Contract case 9: over ${transport}, a method that there is not is unimplemented`, async () => {
    await using daemon = await startDaemon();
    const methods = { heartbeat: { ...TestEventCollector.method.heartbeat, name: "ReportNothing" } };
    const service = { ...TestEventCollector, method: methods, methods: [methods.heartbeat] };
    const client = createClient(
      service as unknown as typeof TestEventCollector,
      transports[transport](daemon.url),
    );
    assertEquals((await failureOf(client.heartbeat({ sourceId: "w" }))).code, Code.Unimplemented);
    assertEquals((await collectorOf(daemon, transport).heartbeat({ sourceId: "w" })).success, true);
  });
}

Deno.test("Contract case 9: an inline attachment of 5 MiB comes back byte by byte", async () => {
  await using daemon = await startDaemon();
  const noise = crypto.getRandomValues(new Uint8Array(65_536));
  const large = new Uint8Array(5 * 1024 * 1024);
  for (let at = 0; at < large.length; at += noise.length) large.set(noise, at);
  const attachments = [{ name: "a", mimeType: "x/y", payload: { case: "content" as const, value: large } }];
  await collectorOf(daemon).reportTestEnd({
    testCase: { id: "t", runId: "big", status: TestStatus.PASSED, attachments },
  });
  await throughAll(daemon, async () => {
    const [{ data }] = await readEvents(daemon, "big");
    const stored = Uint8Array.from(atob(data.testCase.attachments[0].content), (char) => char.charCodeAt(0));
    assert(stored.length === large.length && stored.every((byte, i) => byte === large[i]));
    const [{ tests: [test] }] = (await readRun(daemon, "big")).executions;
    assertEquals(test.attempts[0].attachments, [{
      ...{ name: "a", mime_type: "x/y", uri: "", bytes: large.length },
    }]);
  });
});
