import { assert, assertEquals } from "@std/assert";
import { type Daemon, startDaemon } from "../support/daemon.ts";
import { send } from "../support/http.ts";
import { createProject, type PlaywrightEnd, requestsIn, runPlaywright } from "./playwright_project.ts";

/** 100 tests of 5 steps: with the steps of the hooks 1602 events. */
const hundred = `
import { test } from "@playwright/test";
for (let i = 0; i < 100; i++) {
  test("test " + i, async () => {
    for (let step = 0; step < 5; step++) await test.step("step " + step, async () => {});
  });
}
`;

/** One passes, one fails at first, one always, one is slow; with an attachment and output. */
const mixed = `
import { test, expect } from "@playwright/test";
test("passes", async ({}, info) => {
  console.log("hello");
  await info.attach("small", { body: "tiny", contentType: "text/plain" });
  await info.attach("large", { body: Buffer.alloc(5 << 20), contentType: "application/octet-stream" });
});
test("fails first", async ({}, info) => {
  await test.step("same", async () => {});
  await test.step("same", async () => { await test.step("inner", async () => {}); });
  expect(info.retry).toBe(1);
});
test("always fails", { tag: "@red" }, () => { throw new Error("never good"); });
test("takes too long", async () => {
  test.setTimeout(50);
  await new Promise((resolve) => setTimeout(resolve, 10_000));
});
test.skip("is skipped", () => {});
`;

/** Goes on for a while, so that things can happen meanwhile. */
const slow = `
import { test } from "@playwright/test";
for (let i = 0; i < 30; i++) {
  test("test " + i, async () => {
    for (let step = 0; step < 5; step++) {
      await test.step("step " + step, () => new Promise((resolve) => setTimeout(resolve, 50)));
    }
  });
}
`;
/** run.start, run.end, and of each test begin, end, and begin and end of 5 own steps and 2 of hooks. */
const slowEvents = 2 + 30 * (2 + 2 * 7);

// deno-lint-ignore no-explicit-any -- looked into as a client would
async function runOf(daemon: Daemon, id: string): Promise<any> {
  const { status, json } = await send(`${daemon.url}/v1/test-runs/${id}`);
  assertEquals(status, 200);
  return json;
}

async function eventsOf(daemon: Daemon, id: string): Promise<{ seq: number; type: string; id: string }[]> {
  const { text } = await send(`${daemon.url}/v1/test-runs/${id}/events`);
  return text.trimEnd().split("\n").map((line) => JSON.parse(line));
}

/** All events of one sender are there, once, in the order in which they were sent. */
async function assertWhole(daemon: Daemon, id: string, expected: number): Promise<void> {
  const events = await eventsOf(daemon, id);
  assertEquals(events.length, expected);
  assertEquals(events.map(({ seq }) => seq), Array.from({ length: expected }, (_, i) => i + 1));
  assertEquals(new Set(events.map((event) => event.id)).size, expected);
  assertEquals([events[0].type, events.at(-1)!.type], ["run.start", "run.end"]);
  const { completeness, status } = await runOf(daemon, id);
  assertEquals([completeness.missing, completeness.orphan_count, status], [0, 0, "PASSED"]);
}

Deno.test("Playwright: 100 tests of 5 steps arrive whole and in order, batched in at most 80 requests, and one by one", async () => {
  await using daemon = await startDaemon();
  await using project = await createProject({ "a.spec.js": hundred });
  const url = daemon.url;
  const batched = await runPlaywright(project, { reporter: { url, runId: "batched", verbose: true } });
  assertEquals(batched.code, 0, batched.output);
  await assertWhole(daemon, "batched", 1602);
  assert(requestsIn(batched) <= 80, batched.output);
  const single = await runPlaywright(project, {
    reporter: { url, runId: "single", verbose: true, enableBatching: false },
  });
  await assertWhole(daemon, "single", 1602);
  assert(requestsIn(single) >= 1602, single.output);
  const { counts } = await runOf(daemon, "batched");
  assertEquals([counts.tests, counts.passed, counts.steps], [100, 100, 700]);
});

Deno.test("Playwright: retries, two projects and shards of one run are told apart", async () => {
  await using daemon = await startDaemon();
  await using project = await createProject({ "a.spec.js": mixed, "b.spec.js": hundred });
  const config = { retries: 1, projects: [{ name: "one" }, { name: "two" }] };
  const reporter = { url: daemon.url };
  const env = { STANTERPRISE_RUN_ID: "sharded", STANTERPRISE_TEST_RUN_NAME: "Nightly" };
  for (const shard of ["1/2", "2/2"]) {
    const { code, output } = await runPlaywright(project, {
      reporter,
      config,
      env,
      args: ["--shard", shard],
    });
    assert(code === 0 || code === 1, output);
  }
  const run = await runOf(daemon, "sharded");
  assertEquals([run.name, run.status, run.executions.length], ["Nightly", "FAILED", 2]);
  assertEquals([run.completeness.missing, run.completeness.orphan_count], [0, 0]);
  const { tests, passed, failed, flaky, skipped } = run.counts;
  assertEquals({ tests, passed, failed, flaky, skipped }, {
    ...{ tests: 210, passed: 202, failed: 4, flaky: 2, skipped: 2 },
  });
  const ofMixed = allTests(run).filter(({ location }) => location.includes("a.spec.js"));
  const flakyTest = ofMixed.find(({ name }) => name === "fails first")!;
  assertEquals(flakyTest.attempts.map(({ status }) => status), ["FAILED", "PASSED"]);
  const steps = flakyTest.attempts[1].steps.filter(({ title }) => title === "same");
  assertEquals([steps.length, steps[1].steps[0].title], [2, "inner"]);
  const late = ofMixed.find(({ name }) => name === "takes too long")!;
  assertEquals(late.attempts.map(({ status }) => status), ["TIMEDOUT", "TIMEDOUT"]);
  const failing = ofMixed.find(({ name }) => name === "always fails")!;
  assertEquals([failing.tags, failing.attempts[0].errors[0].includes("never good")], [["@red"], true]);
  const passing = ofMixed.find(({ name }) => name === "passes")!;
  assertEquals(passing.attempts[0].attachments.map(({ name, bytes }) => [name, bytes]), [["small", 4], [
    "large",
    0,
  ]]);
  assertEquals(passing.attempts[0].output[0].message, "hello\n");
});

interface Test {
  name: string;
  location: string;
  tags: string[];
  attempts: {
    status: string;
    errors: string[];
    output: { message: string }[];
    attachments: { name: string; bytes: number }[];
    steps: { title: string; steps: { title: string }[] }[];
  }[];
}

// deno-lint-ignore no-explicit-any -- see above
function allTests(run: any): Test[] {
  // deno-lint-ignore no-explicit-any -- see above
  const of = (suite: any): Test[] => [...suite.tests, ...suite.suites.flatMap(of)];
  return run.executions.flatMap(of);
}

Deno.test("Playwright: a run with nothing but an error while loading is reported", async () => {
  await using daemon = await startDaemon();
  await using project = await createProject({ "a.spec.js": `throw new Error("cannot be loaded");` });
  const { code } = await runPlaywright(project, { reporter: { url: daemon.url, runId: "broken" } });
  assertEquals(code, 1);
  const { status, output, executions } = await runOf(daemon, "broken");
  assertEquals([status, executions.length], ["FAILED", 1]);
  assert(output[0].message.includes("cannot be loaded"));
});

Deno.test("Playwright: a daemon that is down at first, and killed in the middle, has the whole run in the end", async () => {
  await using daemon = await startDaemon();
  const port = Number(new URL(daemon.url).port);
  await daemon.kill9();
  await using project = await createProject({ "a.spec.js": slow });
  const url = `http://127.0.0.1:${port}`;
  const running = runPlaywright(project, {
    reporter: { url, runId: "down", verbose: true },
    config: { workers: 1 },
  });
  await new Promise((resolve) => setTimeout(resolve, 3_000));
  await daemon.restart({ port });
  await new Promise((resolve) => setTimeout(resolve, 1_500));
  await daemon.restart({ port });
  const { code, output } = await running;
  assertEquals(code, 0, output);
  await assertWhole(daemon, "down", slowEvents);
});

Deno.test("Playwright: a daemon behind one that answers 503, or answers late, or breaks off, has each event once", async () => {
  await using daemon = await startDaemon();
  await using project = await createProject({ "a.spec.js": slow });
  let count = 0;
  const proxy = Deno.serve({ port: 0, hostname: "127.0.0.1", onListen: () => {} }, async (request) => {
    count++;
    const { pathname } = new URL(request.url);
    const { headers } = request;
    const body = await request.bytes();
    if (count % 3 === 0) return new Response(null, { status: 503, headers: { "retry-after": "0" } });
    const response = await fetch(daemon.url + pathname, { method: "POST", headers, body });
    const text = await response.text();
    // The daemon has taken it, and the client does not hear of it.
    if (count % 5 === 0) return new Response(null, { status: 502 });
    if (count % 7 === 0) await new Promise((resolve) => setTimeout(resolve, 1_500));
    return new Response(text, { status: response.status, headers: response.headers });
  });
  let end: PlaywrightEnd;
  try {
    const url = `http://127.0.0.1:${proxy.addr.port}`;
    end = await runPlaywright(project, {
      reporter: { url, runId: "shaky", verbose: true, grpcTimeout: 1_000 },
    });
  } finally {
    await proxy.shutdown();
  }
  assertEquals(end.code, 0, end.output);
  assert(count > 10, "too few requests to go wrong");
  await assertWhole(daemon, "shaky", slowEvents);
});

Deno.test("Playwright: a reporter without a daemon holds nothing up for longer than it is told, and fails no run", async () => {
  await using project = await createProject({ "a.spec.js": hundred });
  const reporter = { url: "http://127.0.0.1:1", stopDeadlineMs: 500 };
  const { code, output } = await runPlaywright(project, { reporter });
  assertEquals(code, 0, output);
  assert(output.includes("1602 events were not delivered"), output);
  const off = await runPlaywright(project, { reporter, env: { STANTERPRISE_GRPC_ENABLED: "False" } });
  assertEquals([off.code, off.output.includes("weir")], [0, false]);
});
