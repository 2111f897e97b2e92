/**
 * `weir send` against a real daemon: forms of files, verdicts, what goes wrong.
 * @module
 */

import { assert, assertEquals, assertMatch } from "@std/assert";
import { runWeir, startDaemon } from "../support/daemon.ts";
import { ownEnv, repositoryRoot, startFlags } from "../support/daemon_process.ts";
import { tempDir } from "../support/temp.ts";
import { flush, storedEvents } from "../e2e/track_requests.ts";
import { recordingIo } from "./recording_io.ts";
import { assertStoredOnce, countsOf, ndjson, row, rows, type Run, run } from "./sending.ts";

/** Runs it as a process of its own, with `pieces` as its standard input, written one after the other. */
async function pipe(pieces: Uint8Array[], args: string[]): Promise<Run> {
  const child = new Deno.Command(Deno.execPath(), {
    args: [...await startFlags(), `${repositoryRoot}main.ts`, "send", ...args],
    clearEnv: true,
    env: ownEnv(),
    stdin: "piped",
    stdout: "piped",
    stderr: "piped",
  }).spawn();
  const writer = child.stdin.getWriter();
  for (const piece of pieces) await writer.write(piece as Uint8Array<ArrayBuffer>);
  await writer.close();
  const { code, stdout, stderr } = await child.output();
  return { code, out: new TextDecoder().decode(stdout), err: new TextDecoder().decode(stderr) };
}

Deno.test("sendVerb() takes every form of file", async (t) => {
  await using daemon = await startDaemon();
  await using dir = await tempDir();
  const path = `${dir.path}/rows`;
  const forms: [string, (values: unknown[]) => string][] = [
    ["an array", (values) => JSON.stringify(values)],
    ["a spread-out array", (values) => `\r\n\t ${JSON.stringify(values, null, 2)}\n`],
    ["an object", (events) => JSON.stringify({ events })],
    [
      "an object whose rows come late",
      (payload) => JSON.stringify({ type: "batch", more: {}, payload }, null, 2),
    ],
    ["lines", ndjson],
    ["lines, the last one without its end", (values) => ndjson(values).trimEnd()],
    [
      "lines with blank ones between and CRLF",
      (values) => "\n \n" + ndjson(values).replaceAll("\n", "\r\n\n"),
    ],
    ["text with a byte order mark", (values) => "\ufeff" + JSON.stringify(values)],
    ["lines with a byte order mark", (values) => "\ufeff" + ndjson(values)],
  ];
  for (const [form, write] of forms) {
    await t.step(form, async () => {
      await Deno.writeTextFile(path, write(rows(form, 25)));
      const { code, out, err } = await run([path, "--url", daemon.url, "--batch", "10"]);
      assertEquals([code, err], [0, ""]);
      assertMatch(out, /^25 rows in .* 25 accepted, 0 of them known before, 0 rejected\n$/);
      await assertStoredOnce(daemon, form, 25);
      assertEquals([...Deno.readDirSync(dir.path)].map(({ name }) => name), ["rows"]);
    });
  }

  await t.step("a single row", async () => {
    await Deno.writeTextFile(path, JSON.stringify(row("alone")));
    assertEquals((await run([path, "--url", `${daemon.url}/`])).code, 0);
    await assertStoredOnce(daemon, "alone", 1);
  });

  await t.step("nothing at all, and white space only", async () => {
    for (const text of ["", " \n\n\t", "[]", '{"events":[]}']) {
      await Deno.writeTextFile(path, text);
      const { code, out } = await run([path, "--url", daemon.url]);
      assertEquals(code, 0, text);
      assertMatch(out, /^0 rows in /);
    }
  });

  await t.step("standard input that comes byte by byte at first", async () => {
    const bytes = new TextEncoder().encode("\ufeff \n" + JSON.stringify(rows("piped", 3)));
    const pieces = [...Array.from({ length: 12 }, (_, i) => bytes.subarray(i, i + 1)), bytes.subarray(12)];
    const { code, out, err } = await pipe(pieces, ["-", "--url", daemon.url]);
    assertEquals([code, err], [0, ""]);
    assertMatch(out, /^3 rows /);
    await assertStoredOnce(daemon, "piped", 3);
  });

  await t.step("standard input twice is sent twice", async () => {
    const text = new TextEncoder().encode(ndjson(rows("twice", 2)));
    for (let i = 0; i < 2; i++) assertEquals((await pipe([text], ["-", "--url", daemon.url])).code, 0);
    assertEquals([...await countsOf(daemon, "twice")], [["twice 0", 2], ["twice 1", 2]]);
  });

  await t.step("the same file twice is stored once", async () => {
    await Deno.writeTextFile(path, ndjson(rows("again", 20)));
    await run([path, "--url", daemon.url]);
    const { code, out } = await run([path, "--url", daemon.url, "--restart"]);
    assertEquals(code, 0);
    assertMatch(out, /20 accepted, 20 of them known before/);
    await assertStoredOnce(daemon, "again", 20);
  });
});

Deno.test("sendVerb() names the rows that are refused, and loses no other", async () => {
  await using daemon = await startDaemon();
  await using dir = await tempDir();
  const path = `${dir.path}/rows.ndjson`;
  const rejects = `${dir.path}/rejects.ndjson`;
  const lines = rows("fine", 40).map((value) => JSON.stringify(value));
  lines[7] = "{not json";
  lines[23] = JSON.stringify(row(""));
  lines[39] = '{"type":"track","payload":{"name":"\\ud800"}}';
  await Deno.writeTextFile(path, lines.join("\n"));
  const { code, out } = await run([path, "--url", daemon.url, "--batch", "9", "--rejects", rejects]);
  assertEquals(code, 1);
  assertMatch(out, /^40 rows .* 37 accepted, 0 of them known before, 3 rejected\n {2}row 7: malformed: /);
  assertMatch(out, /\n {2}row 23: validation: .*\n {2}row 39: validation: /);
  const written = (await Deno.readTextFile(rejects)).trimEnd().split("\n").map((line) => JSON.parse(line));
  assertEquals(written.map(({ row, reason }) => [row, reason]), [
    [7, "malformed"],
    [23, "validation"],
    [39, "validation"],
  ]);
  await assertStoredOnce(daemon, "fine", 37);

  await Deno.writeTextFile(path, ndjson(Array.from({ length: 15 }, () => row(""))));
  const many = await run([path, "--url", daemon.url]);
  assertEquals(many.out.split("\n").length, 13);
  assertMatch(many.out, /\n {2}and 5 more\n$/);
});

Deno.test("sendVerb() draws a bar on a terminal only", async () => {
  await using daemon = await startDaemon();
  await using dir = await tempDir();
  const path = `${dir.path}/rows.ndjson`;
  await Deno.writeTextFile(path, ndjson(rows("drawn", 50)));
  const terminal = recordingIo();
  const { err, out } = await run([path, "--url", daemon.url, "--batch", "5"], { ...terminal, isTty: true });
  assertMatch(err.replaceAll("\x1b[K", ""), /\r\[#*-*\] \d+ % \d+ rows, \d+ rows\/s, 0 rejected/);
  assert(err.endsWith("\r\x1b[K"));
  assert(!out.includes("\x1b"));
  assertEquals((await run([path, "--url", daemon.url])).err, "");
});

Deno.test("sendVerb() tells what it cannot read, deliver or understand", async (t) => {
  await using daemon = await startDaemon();
  await using dir = await tempDir();
  const path = `${dir.path}/rows`;
  const send = (...args: string[]): Promise<Run> =>
    run([path, "--url", daemon.url, "--retries", "0", ...args]);

  await t.step("a file that is not there", async () => {
    const { code, out, stderr } = { ...await runWeir(["send", "gone.ndjson"], { cwd: dir.path }), out: "" };
    assertEquals([code, out], [66, ""]);
    assertMatch(stderr, /^Cannot read the rows: NotFound: .*gone\.ndjson/);
  });

  await t.step("a folder", async () => {
    const { code, err } = await run([dir.path, "--url", daemon.url]);
    assertEquals([code, err], [66, "Cannot read the rows: it is a folder\n"]);
  });

  await t.step("an array that is cut off: what came before is sent", async () => {
    await Deno.writeTextFile(path, JSON.stringify(rows("cut", 120)).slice(0, -50));
    const { code, err } = await send("--batch", "5");
    assertEquals(code, 66);
    assertMatch(err, /^Cannot read the rows: .* ends after \d+ bytes in the middle of a value\n$/);
    const { size } = await countsOf(daemon, "cut");
    assert(size >= 50, `only ${size} rows were sent`);
  });

  await t.step("UTF-16", async () => {
    await Deno.writeFile(path, Uint8Array.of(0xff, 0xfe, 0x5b, 0, 0x5d, 0));
    assertMatch((await send()).err, /^Cannot read the rows: it must be UTF-8/);
  });

  await t.step("a server that is no Weir", async () => {
    await Deno.writeTextFile(path, ndjson(rows("elsewhere", 1)));
    const server = Deno.serve(
      { hostname: "127.0.0.1", port: 0, onListen: () => {} },
      () => Response.json({}),
    );
    const { code, err } = await run([path, "--url", `http://127.0.0.1:${server.addr.port}`]);
    await server.shutdown();
    assertEquals(code, 69);
    assertMatch(err, /does not answer as \/track\/batch does/);
  });

  await t.step("a rejects file that cannot be written", async () => {
    assertMatch(
      (await send("--rejects", `${dir.path}/no/rejects`)).err,
      /^weir: --rejects cannot be written/,
    );
  });

  for (
    const [args, problem] of [
      [[], "send needs one file"],
      [["a", "b"], "send needs one file"],
      [["a", "--batch", "0"], "--batch must be 1 to 2000: current value is 0"],
      [["a", "--batch", "2001"], "--batch must be 1 to 2000"],
      [["a", "--retries", "-1"], "--retries must be 0 to 100"],
      [["a", "--url", "ftp://x"], "--url must be an http address"],
      [["a", "--ulr", "x"], "Unknown flag --ulr: did you mean --url"],
    ] as const
  ) {
    await t.step(`the command line ${args.join(" ") || "without a file"}`, async () => {
      const { code, out, err } = await run([...args]);
      assertEquals([code, out], [64, ""]);
      assert(err.startsWith(`weir: ${problem}`), err);
    });
  }

  await t.step("--help", async () => {
    const { code, out } = await run(["--help"]);
    assertEquals(code, 0);
    assertMatch(out, /--retries N/);
  });
});

Deno.test("sendVerb() shows the client's secret to the daemon alone", async () => {
  const id = "3f1c2b7e-5d0a-4a53-9f0e-2f6f4a1c9d10";
  const secret = "sec_0123456789abcdef0123";
  const clients = [{ id, secret, project: "shop" }];
  await using daemon = await startDaemon({ config: { auth: { enabled: true, clients } } });
  await using dir = await tempDir();
  const path = `${dir.path}/rows.ndjson`;
  await Deno.writeTextFile(path, ndjson(rows("secret", 3)));
  const args = [path, "--url", daemon.url, "--client-id", id];
  const refused = await run([...args, "--client-secret", "wrong"]);
  assertEquals(refused.code, 69);
  assertMatch(refused.err, /^Stopped after 0 rows: HTTP 401: Ingestion: Invalid cors or secret\n/);
  const taken = await run(args, recordingIo({ SEND_CLIENT_SECRET: secret }));
  assertEquals(taken.code, 0);
  assert(
    ![refused, taken].some(({ out, err }) => (out + err).includes("sec_") || (out + err).includes("wrong")),
  );
  await flush(daemon);
  assertEquals((await storedEvents(daemon)).map(({ project_id: project }) => project), [
    "shop",
    "shop",
    "shop",
  ]);
});
