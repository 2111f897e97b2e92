/**
 * The verbs that look at requests and at the machine, as processes, against a running daemon.
 * @module
 */

import { assert, assertEquals, assertMatch, assertStringIncludes } from "@std/assert";
import { runWeir, startDaemon } from "../support/daemon.ts";
import { send } from "../support/http.ts";
import { tempDir } from "../support/temp.ts";

const t0 = Date.UTC(2026, 10, 20, 10);
const events = [
  {
    t: t0,
    type: "enter",
    fn: "handler",
    file: "/app/routes.js",
    line: 3,
    depth: 1,
    spanId: 1,
    parentSpanId: null,
  },
  { t: t0 + 1, type: "enter", fn: "load", depth: 2, spanId: 2, parentSpanId: 1, args: [42] },
  { t: t0 + 3, type: "exit", fn: "load", depth: 2, spanId: 2, parentSpanId: 1, returnValue: "“é”" },
  {
    t: t0 + 4,
    type: "exit",
    fn: "handler",
    depth: 1,
    spanId: 1,
    parentSpanId: null,
    threw: true,
    error: { message: "no" },
  },
];
const entry = {
  t: t0,
  request: { rid: "R1", method: "GET", url: "/a", status: 500, durMs: 4, key: "GET /a" },
  trace: JSON.stringify(events),
  traceBatch: { index: 0, total: 1 },
};

Deno.test("weir show and weir export find a request by its id alone", async () => {
  await using daemon = await startDaemon();
  const post = (sid: string): Promise<unknown> =>
    send(`${daemon.url}/v1/sessions/${sid}/backend`, { entries: [entry] }, {
      headers: { "x-app-id": "shop" },
    });
  await post("S1");
  const flags = ["--url", daemon.url, "--app", "shop"];
  const shown = await runWeir(["show", "R1", ...flags]);
  assertEquals([shown.code, shown.stderr, shown.stdout], [
    0,
    "",
    "GET /a\n500   4 ms   2026-11-20T10:00:00.000Z   session S1\n1 of 1 batches\n\n" +
    'handler() ✗ no  4 ms  routes.js:3\n└─ load(42) → "“é”"  2 ms\n',
  ]);
  const lines = await runWeir(["export", "R1", "--format", "ndjson", ...flags]);
  assertEquals(lines.stdout.trim().split("\n").map((line) => JSON.parse(line)), events);
  await using dir = await tempDir();
  for (const format of ["chrome", "speedscope", "otlp"]) {
    const output = `${dir.path}/${format}.json`;
    assertEquals((await runWeir(["export", "R1", "--format", format, "--output", output, ...flags])).code, 0);
    assertStringIncludes(await Deno.readTextFile(output), '"handler"');
    JSON.parse(await Deno.readTextFile(output));
  }
  assertEquals((await runWeir(["show", "R2", ...flags])).code, 1);
  assertEquals((await runWeir(["show", "R1", "--url", daemon.url])).code, 1);
  await post("S2");
  const both = await runWeir(["show", "R1", ...flags]);
  assertEquals(both.code, 1);
  assertMatch(both.stderr, /--session: S[12], S[12]/);
  assertEquals((await runWeir(["show", "R1", "--session", "S2", ...flags])).code, 0);
  for (const args of [["show"], ["show", "R1", "--depth", "0"], ["export", "R1", "--format", "svg"]]) {
    assertEquals((await runWeir(args)).code, 64);
  }
  await daemon.stop();
  assertEquals((await runWeir(["export", "R1", ...flags])).code, 69);
});

Deno.test("weir tail prints what is in the journal, and weir doctor finds machine and daemon well", async () => {
  await using daemon = await startDaemon({ config: { flush: { interval_ms: 3_600_000 } } });
  await send(`${daemon.url}/v1/sessions/S1/backend`, { entries: [entry] });
  await send(`${daemon.url}/track`, {
    type: "track",
    payload: { name: "hello", properties: { __deviceId: "me" } },
  });
  const { stdout } = await withTimeout(
    ["tail", "--all", "--data-dir", daemon.dataDir],
    (text) => text.includes("hello"),
  );
  assertMatch(stdout, /^2026-11-20T10:00:00.000Z {2}request {4}default {2}R1 /m);
  assertMatch(stdout, /^2026-11-20T10:00:00.000Z {2}batch {6}default {2}R1 #0 {2}4 events$/m);
  assertMatch(stdout, /event {6}default {2}hello/);

  const adminPort = new URL(daemon.adminUrl).port;
  const args = ["doctor", "--data-dir", daemon.dataDir, "--admin-port", adminPort];
  const well = await runWeir([...args, "--json"]);
  const findings = well.stdout.trim().split("\n").map((line) => JSON.parse(line));
  const checks = findings.map(({ check }) => check);
  assertEquals(checks, [
    "versions",
    "permissions",
    "data_dir",
    "catalog",
    "disk",
    "fsync",
    "clock",
    "redis",
    "daemon",
  ]);
  assertEquals(findings.filter(({ state }) => state === "fail"), []);
  assertEquals(well.code, 0);
  assertStringIncludes(findings[2].text, "a daemon runs on it");
  assertStringIncludes(findings[8].text, ": ok");
  const files = [...Deno.readDirSync(daemon.dataDir)].map(({ name }) => name);
  assert(!files.some((name) => name.startsWith(".weir-doctor")));

  await daemon.stop();
  const alone = await runWeir(args);
  assertMatch(alone.stdout, /^ok {4}daemon {8}none answers/m);
  assertMatch(alone.stdout, /no daemon runs on it/);
});

/** Runs a verb that does not end until its output says enough. */
async function withTimeout(
  args: string[],
  isEnough: (stdout: string) => boolean,
): Promise<{ stdout: string }> {
  const command = new Deno.Command(Deno.execPath(), {
    args: ["run", "-A", new URL("../../main.ts", import.meta.url).pathname, ...args],
    ...{ stdin: "null", stdout: "piped", stderr: "null" },
  });
  const child = command.spawn();
  const decoder = new TextDecoder();
  let stdout = "";
  const timer = setTimeout(() => child.kill("SIGKILL"), 20_000);
  for await (const piece of child.stdout) {
    stdout += decoder.decode(piece, { stream: true });
    if (isEnough(stdout)) break;
  }
  clearTimeout(timer);
  child.kill("SIGKILL");
  await child.status;
  return { stdout };
}
