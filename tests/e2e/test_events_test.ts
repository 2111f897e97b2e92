import { assert, assertEquals } from "@std/assert";
import { startDaemon } from "../support/daemon.ts";
import { send } from "../support/http.ts";
import { readParts } from "../support/parts.ts";
import {
  flush,
  post,
  postAll,
  readEvents,
  readRun,
  type Row,
  rowsOf,
  throughAll,
  wholeRun,
} from "./test_events.ts";

Deno.test("Contract case 1, over HTTP: 1602 events of a run are there in send order, before and after crash and flush", async () => {
  await using daemon = await startDaemon();
  await postAll(daemon, wholeRun("r1", { tests: 100, steps: 7 }));
  await throughAll(daemon, async () => {
    const events = await readEvents(daemon, "r1");
    assertEquals(events.map(({ seq }) => seq), Array.from({ length: 1602 }, (_, i) => i + 1));
    const { status, counts, completeness } = await readRun(daemon, "r1");
    assertEquals([status, counts.passed, counts.steps], ["PASSED", 100, 700]);
    assertEquals([completeness.received, completeness.missing, completeness.orphan_count], [1602, 0, 0]);
  });
  const parts = await readParts(daemon.dataDir, "runs");
  assertEquals(parts.flatMap(({ rows }) => rows).length, 1);
  const [{ run_id, status, event_count, version, events }] = parts[0].rows;
  assertEquals([run_id, status, event_count, version], ["r1", "PASSED", 1602, 1]);
  assertEquals((events as unknown[]).length, 1602);
  assert(/^runs\/date=\d{4}-\d{2}-\d{2}$/.test(parts[0].partition));
});

Deno.test("Contract case 3: attempts are told apart with and without retry_index", async () => {
  await using daemon = await startDaemon();
  for (
    const [runId, first, second] of [["without", {}, {}], ["with", { retry_index: 0 }, {
      retryIndex: 1,
    }]] as const
  ) {
    await postAll(
      daemon,
      rowsOf(runId, [
        ["test.begin", { test_case: { id: "t1", ...first } }],
        ["test.end", { test_case: { id: "t1", status: "FAILED", ...first } }],
        ["test.begin", { test_case: { id: "t1", ...second } }],
        ["test.end", { test_case: { id: "t1", status: "PASSED", ...second } }],
      ]),
    );
    const [{ tests: [test] }] = (await readRun(daemon, runId)).executions;
    assertEquals(test.status, "FLAKY");
    assertEquals(test.attempts.map(({ status }: { status: string }) => status), ["FAILED", "PASSED"]);
  }
});

Deno.test("Contract case 4: steps of one id are told apart by occurrence and attempt, each with its own times", async () => {
  await using daemon = await startDaemon();
  const step = (ms: number, more = {}): unknown => ({
    step: {
      id: "s",
      test_case_id: "t",
      start_time: new Date(1000 * ms).toISOString(),
      duration: `${ms}s`,
      ...more,
    },
  });
  await postAll(
    daemon,
    rowsOf("r", [
      ...[["step.begin", step(1)], ["step.end", step(1)], ["step.begin", step(2)]] as const,
      ["step.begin", { step: { id: "child", parent_step_id: "s", test_case_id: "t" } }],
      ["step.end", step(2)],
      ["step.begin", step(3, { retry_index: 1 })],
      ["step.end", step(3, { retry_index: 1 })],
    ]),
  );
  const [{ tests: [{ attempts }] }] = (await readRun(daemon, "r")).executions;
  const shown = attempts.map((
    { steps }: { steps: { occurrence: number; duration_ms: number; steps: unknown[] }[] },
  ) => steps.map(({ occurrence, duration_ms, steps }) => [occurrence, duration_ms, steps.length]));
  assertEquals(shown, [[[0, 1000, 0], [1, 2000, 1]], [[0, 3000, 0]]]);
});

Deno.test("Test events: rows are judged one by one, repeats change nothing, and gaps and orphans are told", async () => {
  await using daemon = await startDaemon();
  const good = { id: "a", seq: 2, type: "test.end", runId: "r", data: { test_case: { id: "t" } } };
  const bad: unknown[] = [
    { ...good, id: "" },
    { ...good, type: "test.over" },
    { ...good, seq: -1 },
    { ...good, runId: "x".repeat(257) },
    { ...good, time: "yesterday" },
    { ...good, data: { test_case: {} } },
    { ...good, data: { test_case: { id: 7 } } },
    { ...good, data: { test_case: { id: "t", run_id: "other" } } },
    { ...good, type: "stdout", data: { message: "without a test" } },
    7,
  ];
  const { status, json } = await post(daemon, [...bad, good, good]);
  const { accepted, duplicates, rejected } = json as {
    accepted: number;
    duplicates: number;
    rejected: Row[];
  };
  assertEquals([status, accepted, duplicates, rejected.length], [202, 2, 1, bad.length]);
  assert(!JSON.stringify(rejected).includes("yesterday"), "an error holds a value of the row");
  assertEquals((await post(daemon, [good])).json, { accepted: 1, rejected: [], duplicates: 1 });
  await throughAll(daemon, async () => {
    const { completeness } = await readRun(daemon, "r");
    assertEquals(completeness.gaps, [{ execution_id: "", from: 1, to: 1 }]);
    const [{ event_id, reason }] = completeness.orphans;
    assertEquals([event_id, reason], ["a", "its test.begin never came"]);
  });
  assertEquals((await post(daemon, [good])).json, { accepted: 1, rejected: [], duplicates: 1 });
  for (const body of [{}, { events: [] }, { events: 7 }]) {
    assertEquals((await send(`${daemon.url}/v1/test-events/batch`, body)).status, 400);
  }
  const many = Array.from({ length: 2001 }, (_, i) => ({ ...good, id: `m${i}` }));
  assertEquals((await post(daemon, many)).status, 400);
  const large = { ...good, type: "stderr", data: { message: "x".repeat(10 * 1024 * 1024) } };
  assertEquals((await post(daemon, [large])).status, 413);
  assertEquals((await send(`${daemon.url}/v1/test-runs/unknown`)).status, 404);
  assertEquals((await send(`${daemon.url}/v1/test-runs/unknown/events`)).status, 404);
});

Deno.test("Test events: rows that arrive in any order are read as each sender sent them", async () => {
  await using daemon = await startDaemon();
  const rows = ["a", "b"].flatMap((executionId) =>
    wholeRun("r", { tests: 10, steps: 3 }).map((row) => ({ ...row, id: executionId + row.id, executionId }))
  );
  let seed = 7;
  const next = (): number => (seed = seed * 48_271 % 2_147_483_647) / 2_147_483_647;
  const shuffled = rows.map((row) => ({ row, at: next() })).sort((a, b) => a.at - b.at).map(({ row }) => row);
  for (let at = 0; at < shuffled.length; at += 60) await postAll(daemon, shuffled.slice(at, at + 60));
  await throughAll(daemon, async () => {
    const events = await readEvents(daemon, "r") as unknown as Row[];
    for (const sender of ["a", "b"]) {
      const seqs = events.filter(({ executionId, id }) => (executionId ?? id[0]) === sender).map(({ seq }) =>
        seq
      );
      assertEquals(seqs, Array.from({ length: rows.length / 2 }, (_, i) => i + 1));
    }
    const { status, counts, completeness, executions } = await readRun(daemon, "r");
    assertEquals([status, executions.length, counts.passed, counts.steps], ["PASSED", 2, 20, 60]);
    assertEquals([completeness.missing, completeness.orphan_count], [0, 0]);
  });
});

Deno.test("Test events: what comes after a flush is in a further line, which tells how the whole run is", async () => {
  await using daemon = await startDaemon({ config: { flush: { compression: "gzip" } } });
  const rows = wholeRun("r", { tests: 20, steps: 2 });
  await postAll(daemon, rows.slice(0, 60));
  await flush(daemon);
  assertEquals((await readRun(daemon, "r")).status, "RUNNING");
  assertEquals((await post(daemon, rows.slice(50))).json, {
    ...{ accepted: rows.length - 50, rejected: [], duplicates: 10 },
  });
  await flush(daemon);
  const lines = (await readParts(daemon.dataDir, "runs")).flatMap((part) => part.rows);
  assertEquals(lines.map(({ version, status }) => [version, status]).sort(), [[1, "RUNNING"], [2, "PASSED"]]);
  assertEquals(lines.map(({ event_count }) => event_count), [60, rows.length - 60]);
  assertEquals((await readEvents(daemon, "r")).map(({ seq }) => seq), rows.map(({ seq }) => seq));
  await daemon.stop();
  await Deno.remove(`${daemon.dataDir}/catalog.sqlite`);
  await daemon.restart();
  assertEquals((await readEvents(daemon, "r")).length, rows.length);
  assertEquals((await post(daemon, [rows[3], rows[70]])).json, { accepted: 2, rejected: [], duplicates: 2 });
});

Deno.test("Test events: NDJSON, odd names, halves of surrogate pairs, and projects that do not see each other", async () => {
  await using daemon = await startDaemon();
  const runId = `../a b/"ü"`;
  const rows = rowsOf(runId, [["stderr", { message: "\ud83d cut" }], ["heartbeat", { source_id: "w" }]]);
  const body = rows.map((row) => JSON.stringify(row)).join("\n") + "\nnot json\n";
  const headers = { "content-type": "application/x-ndjson", "x-app-id": "one" };
  const { status, text } = await send(`${daemon.url}/v1/test-events/batch`, body, { headers });
  assertEquals(status, 202);
  const { done, accepted, rejected } = JSON.parse(text.trim().split("\n").at(-1)!);
  assertEquals([done, accepted, rejected], [true, 2, 1]);
  assertEquals((await send(`${daemon.url}/v1/test-runs/${encodeURIComponent(runId)}`)).status, 404);
  const one = { headers: { "x-app-id": "one" } };
  await throughAll(daemon, async () => {
    const run = await send(`${daemon.url}/v1/test-runs/${encodeURIComponent(runId)}`, undefined, one);
    const { output } = run.json as { output: { message: string }[] };
    assertEquals(output[0].message, "\ufffd cut");
    const list = await send(`${daemon.url}/v1/test-runs?limit=1`, undefined, one);
    const { runs, total } = list.json as { runs: { run_id: string }[]; total: number };
    assertEquals([runs[0].run_id, total], [runId, 1]);
    const none = await send(`${daemon.url}/v1/test-runs`);
    assertEquals((none.json as { total: number }).total, 0);
  });
  assertEquals((await send(`${daemon.url}/v1/test-runs?limit=0`)).status, 400);
});

Deno.test("Test events: credentials are asked for where auth is on", async () => {
  await using daemon = await startDaemon({
    config: { auth: { enabled: true, apps: [{ id: "ci", secret: "s3cret" }] } },
  });
  const row = { id: "a", type: "stderr", runId: "r", data: { message: "m" } };
  assertEquals((await post(daemon, [row])).status, 403);
  const headers = { "x-app-id": "ci", "x-app-secret": "s3cret" };
  assertEquals((await post(daemon, [row], headers)).status, 202);
  assertEquals((await send(`${daemon.url}/v1/test-runs/r`)).status, 403);
  assertEquals((await send(`${daemon.url}/v1/test-runs/r`, undefined, { headers })).status, 200);
});
