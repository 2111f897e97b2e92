import { timestampFromMs } from "@bufbuild/protobuf/wkt";
import { type Client, Code, ConnectError, createClient, type Transport } from "@connectrpc/connect";
import { createConnectTransport as nodeTransport } from "@connectrpc/connect-node";
import { createConnectTransport, createGrpcWebTransport } from "@connectrpc/connect-web";
import { assert, assertEquals } from "@std/assert";
import { TestEventCollector } from "../../src/dialects/test_events/messages/testsystem/v1/observer_pb.ts";
import { TestStatus } from "../../src/dialects/test_events/messages/testsystem/v1/common_pb.ts";
import { type Daemon, startDaemon } from "../support/daemon.ts";
import { send } from "../support/http.ts";
import { readEvents, readRun, servicePath, throughAll } from "./test_events.ts";

type Collector = Client<typeof TestEventCollector>;

const transports: Record<string, (baseUrl: string) => Transport> = {
  "connect-web, JSON": (baseUrl) => createConnectTransport({ baseUrl }),
  "connect-web, proto": (baseUrl) => createConnectTransport({ baseUrl, useBinaryFormat: true }),
  "gRPC-Web": (baseUrl) => createGrpcWebTransport({ baseUrl }),
  "connect-node": (baseUrl) => nodeTransport({ baseUrl, httpVersion: "1.1", useBinaryFormat: true }),
};

function collectorOf(daemon: Daemon, transport = "connect-web, proto"): Collector {
  return createClient(TestEventCollector, transports[transport](daemon.url));
}

async function codeOf(call: Promise<unknown>): Promise<ConnectError> {
  try {
    await call;
  } catch (error) {
    return ConnectError.from(error);
  }
  throw new Error("the call went well");
}

/** A run of tests with steps, one call an event. */
async function reportRun(client: Collector, runId: string, tests: number): Promise<number> {
  let calls = 0;
  const acked = async (call: Promise<{ success: boolean }>): Promise<void> => {
    calls++;
    assertEquals((await call).success, true);
  };
  await acked(client.reportRunStart({ runId, totalTests: tests, testSuites: [{ id: "s", name: "suite" }] }));
  for (let i = 0; i < tests; i++) {
    const testCase = { id: `t${i}`, runId, testSuiteId: "s", name: `test ${i}` };
    const step = { id: "step", runId, testCaseId: `t${i}`, startTime: timestampFromMs(1000 * i) };
    await acked(client.reportTestBegin({ testCase }));
    for (let n = 0; n < 2; n++) {
      await acked(client.reportStepBegin({ step }));
      await acked(client.reportStepEnd({ step: { ...step, status: TestStatus.PASSED } }));
    }
    await acked(client.reportTestEnd({ testCase: { ...testCase, status: TestStatus.PASSED } }));
  }
  await acked(client.reportRunEnd({ runId, finalStatus: TestStatus.PASSED }));
  return calls;
}

for (const transport of Object.keys(transports)) {
  Deno.test(`Collector over ${transport}: a run of single calls is there, numbered by arrival`, async () => {
    await using daemon = await startDaemon();
    const calls = await reportRun(collectorOf(daemon, transport), "r1", 5);
    await throughAll(daemon, async () => {
      const seqs = (await readEvents(daemon, "r1")).map(({ seq }) => seq);
      assertEquals(seqs, Array.from({ length: calls }, (_, i) => i + 1));
      const { status, counts, executions } = await readRun(daemon, "r1");
      assertEquals([status, counts.passed, counts.steps], ["PASSED", 5, 10]);
      assertEquals(executions[0].suites[0].tests.length, 5);
    });
  });
}

Deno.test("Collector: ReportEvents takes many events, judges each, and knows repeats", async () => {
  await using daemon = await startDaemon();
  const client = collectorOf(daemon);
  const events = [
    { id: "a", seq: 1n, event: { case: "runStart" as const, value: { runId: "r", name: "n" } } },
    { id: "b", seq: 2n, event: { case: "testBegin" as const, value: { testCase: { id: "", runId: "r" } } } },
    { id: "c", seq: 3n, runId: "r", event: { case: "heartbeat" as const, value: { sourceId: "w" } } },
    {
      id: "d",
      seq: 4n,
      event: { case: "runEnd" as const, value: { runId: "r", finalStatus: TestStatus.FAILED } },
    },
  ];
  const { accepted, duplicates, rejected } = await client.reportEvents({ events });
  assertEquals([accepted, duplicates], [3, 0]);
  assertEquals(rejected.map(({ index, reason }) => [index, reason]), [[1, "validation"]]);
  assertEquals((await client.reportEvents({ events })).duplicates, 3);
  const { status, completeness } = await readRun(daemon, "r");
  assertEquals([status, completeness.missing, completeness.received], ["FAILED", 1, 3]);
  assertEquals((await codeOf(client.reportEvents({}))).code, Code.InvalidArgument);
});

Deno.test("Collector: plain curl with JSON works, and a repeat with an Idempotency-Key is one event", async () => {
  await using daemon = await startDaemon();
  const curl = async (method: string, json: string): Promise<unknown> => {
    const { stdout } = await new Deno.Command("curl", {
      args: [
        ...["-s", "-H", "content-type: application/json", "-H", "idempotency-key: k1", "-d", json],
        `${daemon.url}${servicePath}/${method}`,
      ],
    }).output();
    return JSON.parse(new TextDecoder().decode(stdout));
  };
  assertEquals(await curl("Heartbeat", `{"sourceId":"w"}`), { success: true, message: "ok" });
  for (let i = 0; i < 2; i++) await curl("ReportStdError", `{"run_id":"r","message":"boom","unknown":1}`);
  const { output, completeness } = await readRun(daemon, "r");
  assertEquals([output[0].message, completeness.received], ["boom", 1]);
});

Deno.test("Collector: what is not fit is refused as the contract says", async () => {
  await using daemon = await startDaemon();
  const client = collectorOf(daemon);
  const calls = [
    ...[
      client.reportTestBegin({}),
      client.reportStepEnd({ step: { runId: "r" } }),
      client.reportSuiteBegin({}),
    ],
    ...[client.reportRunStart({}), client.reportRunEnd({}), client.reportTestFailure({ runId: "r" })],
    ...[client.reportTestError({ runId: "r" }), client.reportStdOutput({ runId: "r" }), client.heartbeat({})],
  ];
  for (const call of calls) assertEquals((await codeOf(call)).code, Code.InvalidArgument);
  assertEquals((await client.reportStdError({ runId: "r", message: "of the run" })).success, true);
  assertEquals((await send(`${daemon.url}${servicePath}/ReportNothing`, {})).status, 404);
  const coded = await send(`${daemon.url}${servicePath}/Heartbeat`, "{}", {
    headers: { "content-type": "application/json", "content-encoding": "snappy" },
  });
  assertEquals((coded.json as { code: string }).code, "unimplemented");
  const broken = await send(`${daemon.url}${servicePath}/Heartbeat`, "{");
  assertEquals((broken.json as { code: string }).code, "invalid_argument");
});

Deno.test("Contract case 9: a message of exactly the limit passes, one byte more does not, and attachments come back equal", async () => {
  await using daemon = await startDaemon({ config: { test_events: { max_message_bytes: 6 * 1024 * 1024 } } });
  const client = collectorOf(daemon);
  const limit = 6 * 1024 * 1024;
  const frame = 4 + 4 + 1;
  const messageOf = (bytes: number): { runId: string; message: string } => {
    // The message's own bytes, its tag and length, and run_id with its own.
    return { runId: "r", message: "x".repeat(bytes - frame + 1) };
  };
  const sizes: [number, number | undefined][] = [];
  for (const extra of [-1, 0, 1, 2]) {
    const call = client.reportStdError(messageOf(limit + extra));
    sizes.push([extra, await call.then(() => undefined, (error) => ConnectError.from(error).code)]);
  }
  const passed = sizes.filter(([, code]) => code === undefined).map(([extra]) => extra);
  const refused = sizes.filter(([, code]) => code === Code.ResourceExhausted).map(([extra]) => extra);
  assert(
    passed.length > 0 && refused.length > 0 && passed.length + refused.length === 4,
    JSON.stringify(sizes),
  );
  assert(Math.max(...passed) + 1 === Math.min(...refused), JSON.stringify(sizes));
  const content = crypto.getRandomValues(new Uint8Array(65_536));
  const large = new Uint8Array(5 * 1024 * 1024);
  for (let at = 0; at < large.length; at += content.length) large.set(content, at);
  const attachments = [{ name: "a", mimeType: "x/y", payload: { case: "content" as const, value: large } }];
  await client.reportTestEnd({ testCase: { id: "t", runId: "big", status: TestStatus.PASSED, attachments } });
  await throughAll(daemon, async () => {
    const [{ data }] = await readEvents(daemon, "big");
    const stored = Uint8Array.from(atob(data.testCase.attachments[0].content), (char) => char.charCodeAt(0));
    assert(stored.length === large.length && stored.every((byte, i) => byte === large[i]));
    const [{ tests: [test] }] = (await readRun(daemon, "big")).executions;
    assertEquals(test.attempts[0].attachments, [{
      name: "a",
      mime_type: "x/y",
      uri: "",
      bytes: large.length,
    }]);
  });
});

Deno.test("Contract case 7: calls beyond the limit are told so at once with a hint, and what was acked is stored exactly", async () => {
  await using daemon = await startDaemon({
    config: { limits: { max_in_flight_requests: 8, admission_wait_ms: 0 } },
  });
  const client = collectorOf(daemon);
  let acked = 0;
  const refusals: ConnectError[] = [];
  await Promise.all(Array.from({ length: 1_000 }, async (_, i) => {
    try {
      await client.reportStdError({ runId: "r", message: `event ${i}` });
      acked++;
    } catch (error) {
      refusals.push(ConnectError.from(error));
    }
  }));
  assert(acked > 0 && refusals.length > 0, `${acked} acked, ${refusals.length} refused`);
  for (const { code, metadata } of refusals) {
    assertEquals([code, metadata.get("retry-after")], [Code.ResourceExhausted, "1"]);
  }
  assertEquals((await send(`${daemon.adminUrl}/healthz/live`)).status, 200);
  assertEquals((await readEvents(daemon, "r")).length, acked);
});

Deno.test("Contract case 8: a stop while events are on their way keeps what was acked, and tells others to come again", async () => {
  await using daemon = await startDaemon();
  const client = collectorOf(daemon);
  let acked = 0;
  const codes = new Set<Code>();
  const calls = Array.from({ length: 500 }, async (_, i) => {
    try {
      await client.reportStdError({ runId: "r", message: `event ${i}` });
      acked++;
    } catch (error) {
      codes.add(ConnectError.from(error).code);
    }
  });
  await Promise.race(calls);
  assertEquals(await daemon.stop(), 0);
  await Promise.all(calls);
  for (const code of codes) assertEquals(code, Code.Unavailable);
  await daemon.restart();
  const stored = (await readEvents(daemon, "r")).length;
  // A reply may be lost with its connection, after the event was stored.
  assert(stored >= acked && acked > 0, `${stored} stored, ${acked} acked`);
});
