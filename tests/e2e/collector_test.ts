import { durationFromMs, timestampFromMs } from "@bufbuild/protobuf/wkt";
import { Code } from "@connectrpc/connect";
import { assertEquals } from "@std/assert";
import { TestStatus } from "../../src/dialects/test_events/messages/testsystem/v1/common_pb.ts";
import type { RunStep } from "../../src/flush/run_model.ts";
import { startDaemon } from "../support/daemon.ts";
import { openRaw, requestHead, send } from "../support/http.ts";
import { type Collector, collectorOf, failureOf, transports } from "./collector_client.ts";
import { readEvents, readRun, servicePath, throughAll, wholeRun } from "./test_events.ts";

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
  assertEquals((await failureOf(client.reportEvents({}))).code, Code.InvalidArgument);
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
  for (const call of calls) assertEquals((await failureOf(call)).code, Code.InvalidArgument);
  assertEquals((await client.reportStdError({ runId: "r", message: "of the run" })).success, true);
  assertEquals((await send(`${daemon.url}${servicePath}/ReportNothing`, {})).status, 404);
  const coded = await send(`${daemon.url}${servicePath}/Heartbeat`, "{}", {
    headers: { "content-type": "application/json", "content-encoding": "snappy" },
  });
  assertEquals((coded.json as { code: string }).code, "unimplemented");
  const broken = await send(`${daemon.url}${servicePath}/Heartbeat`, "{");
  assertEquals((broken.json as { code: string }).code, "invalid_argument");
});

/** The method that takes an event of a batch. */
const methodOf: Record<string, string> = {
  "run.start": "ReportRunStart",
  "run.end": "ReportRunEnd",
  "test.begin": "ReportTestBegin",
  "test.end": "ReportTestEnd",
  "step.begin": "ReportStepBegin",
  "step.end": "ReportStepEnd",
};

Deno.test("Contract case 1: 1602 calls on one connection, none of which waits for another, are stored in send order", async () => {
  await using daemon = await startDaemon();
  const rows = wholeRun("r1", { tests: 100, steps: 7 });
  using connection = await openRaw(daemon.url);
  const sent = rows.map(({ type, data }) => {
    const body = JSON.stringify(data);
    return requestHead(`${daemon.url}${servicePath}/${methodOf[type]}`, body.length) + body;
  });
  const writing = connection.write(sent.join(""));
  for (const { type } of rows) {
    const reply = await connection.readReply();
    assertEquals([reply?.status, reply?.json], [200, { success: true, message: "ok" }], type);
  }
  await writing;
  await throughAll(daemon, async () => {
    const events = await readEvents(daemon, "r1");
    assertEquals(
      events.map(({ seq, type }) => [seq, type]),
      rows.map(({ seq, type }) => [seq, type] as [number, string]),
    );
    const { status, counts, completeness } = await readRun(daemon, "r1");
    assertEquals([status, counts.passed, counts.steps], ["PASSED", 100, 700]);
    assertEquals([completeness.received, completeness.missing, completeness.orphan_count], [1602, 0, 0]);
  });
});

Deno.test("Contract case 3, by calls: attempts are told apart with and without retry_index", async () => {
  await using daemon = await startDaemon();
  const client = collectorOf(daemon);
  for (const [runId, again] of [["without", {}], ["with", { retryIndex: 1 }]] as const) {
    const test = { id: "t1", runId };
    await client.reportTestBegin({ testCase: test });
    await client.reportTestEnd({ testCase: { ...test, status: TestStatus.FAILED } });
    // The reporter numbers the attempt where it begins, and never where it ends.
    await client.reportTestBegin({ testCase: { ...test, retryIndex: 1 } });
    await client.reportTestEnd({ testCase: { ...test, ...again, status: TestStatus.PASSED } });
    const [{ tests: [{ status, attempts }] }] = (await readRun(daemon, runId)).executions;
    assertEquals([status, attempts.map((each: { status: string }) => each.status)], [
      ...["FLAKY", ["FAILED", "PASSED"]],
    ]);
  }
});

Deno.test("Contract case 4, by calls: steps of one id have their own start, duration, attempt and parent", async () => {
  await using daemon = await startDaemon();
  const client = collectorOf(daemon);
  const report = async (s: number, more: { retryIndex?: number } = {}, within?: () => Promise<void>) => {
    const step = { id: "s", runId: "r", testCaseId: "t", startTime: timestampFromMs(1000 * s), ...more };
    await client.reportStepBegin({ step });
    await within?.();
    await client.reportStepEnd({ step: { ...step, duration: durationFromMs(10 * s) } });
  };
  const child = (retryIndex: number) => async (): Promise<void> => {
    const step = { id: "child", parentStepId: "s", runId: "r", testCaseId: "t", retryIndex };
    await client.reportStepBegin({ step });
  };
  await report(1);
  await report(2, {}, child(0));
  await report(3, { retryIndex: 1 }, child(1));
  await throughAll(daemon, async () => {
    const [{ tests: [{ attempts }] }] = (await readRun(daemon, "r")).executions;
    const shown = attempts.map(({ steps }: { steps: RunStep[] }) =>
      steps.map(({ occurrence, started_at, duration_ms, steps }) => [
        ...[occurrence, started_at, duration_ms, steps.map(({ id }) => id)],
      ])
    );
    assertEquals(shown, [
      [[0, "1970-01-01T00:00:01.000Z", 10, []], [1, "1970-01-01T00:00:02.000Z", 20, ["child"]]],
      [[0, "1970-01-01T00:00:03.000Z", 30, ["child"]]],
    ]);
  });
});
