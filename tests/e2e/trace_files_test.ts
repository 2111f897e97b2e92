/**
 * Trace files on a started daemon (contract `trace_files`, section 6; the numbers are its cases).
 * @module
 */

import { assert, assertEquals } from "@std/assert";
import { startDaemon } from "../support/daemon.ts";
import { send } from "../support/http.ts";
import { metric } from "../faults/health.ts";
import {
  type Answer,
  assertRefused,
  list,
  read,
  writeBatch,
  writeOne,
  written,
} from "./trace_file_requests.ts";

Deno.test("write-batch writes a text as it is and an object as JSON, where the body says (1)", async () => {
  await using daemon = await startDaemon();
  const object = { é: [1, { b: null }], t: "x" };
  const traces = [{ traceData: "as\r\nit is", fileName: "a.txt", originalTrace: { x: 1 } }, {
    traceData: object,
    fileName: "b.json",
  }];
  const { status, json } = await writeBatch(daemon, { traces, outputDirectory: "./t1" });
  assertEquals([status, json.success, json.partial], [200, true, false]);
  assertEquals(json.results[0], {
    index: 0,
    fileName: "a.txt",
    success: true,
    filePath: "t1/a.txt",
    size: 9,
    bytesWritten: 9,
  });
  assertEquals(await read(daemon, "t1/a.txt"), "as\r\nit is");
  assertEquals(await read(daemon, "t1/b.json"), JSON.stringify(object, undefined, 2));
  const { processingTime, ...summary } = json.summary!;
  assert(processingTime > 0);
  const totalBytes = json.results[0].size! + json.results[1].size!;
  assertEquals(summary, { totalFiles: 2, successful: 2, failed: 0, totalBytes });
  assertEquals([json.successCount, json.failureCount, json.totalSize], [2, 0, totalBytes]);
});

Deno.test("without a directory files go to traces/ (2)", async () => {
  await using daemon = await startDaemon();
  const batch = await writeBatch(daemon, { traces: [{ traceData: "x", fileName: "a.txt" }] });
  assertEquals(batch.json.results[0].filePath, "traces/a.txt");
  const one = await writeOne(daemon, { traceData: { a: 1 }, fileName: "b.json" });
  assertEquals([one.status, one.json.success, one.json.path, one.json.size], [
    200,
    true,
    "traces/b.json",
    12,
  ]);
  assertEquals(one.json.message, "Trace file written successfully");
  assertEquals(await read(daemon, "traces/b.json"), '{\n  "a": 1\n}');
});

Deno.test("a target that is a directory costs only its own file; all of them, and none is written (7, 8)", async () => {
  await using daemon = await startDaemon();
  await Deno.mkdir(`${daemon.dataDir}/files/traces/taken/below`, { recursive: true });
  await Deno.mkdir(`${daemon.dataDir}/files/traces/empty`);
  const traces = ["taken", "good.txt"].map((fileName) => ({ traceData: fileName, fileName }));
  const { status, json } = await writeBatch(daemon, { traces });
  assertEquals([status, json.success, json.partial, json.successCount, json.failureCount], [
    200,
    true,
    true,
    1,
    1,
  ]);
  assertEquals(json.results[0].code, "is_a_directory");
  assertEquals(await read(daemon, "traces/good.txt"), "good.txt");
  assert((await Deno.stat(`${daemon.dataDir}/files/traces/taken/below`)).isDirectory);
  const all = await writeBatch(daemon, { traces: [traces[0], { traceData: "x", fileName: "empty" }] });
  assertEquals([all.status, all.json.success, all.json.partial], [200, false, false]);
  assertEquals([all.json.successCount, all.json.failureCount], [0, 2]);
  assertRefused(await writeOne(daemon, traces[0]), { status: 409, code: "is_a_directory" });
  assertEquals((await written(daemon)).length, 1);
});

Deno.test("50 files come back in their order; as many as max_batch_size are written, one more is none (9, 19)", async () => {
  await using daemon = await startDaemon({ config: { trace_files: { max_batch_size: 50 } } });
  const traces = Array.from({ length: 50 }, (_, i) => ({ traceData: { i }, fileName: `${i}.json` }));
  const { json } = await writeBatch(daemon, { traces });
  assertEquals(
    json.results.map(({ index, success, fileName }) => [index, success, fileName]),
    traces.map(({ fileName }, i) => [i, true, fileName]),
  );
  const more = await writeBatch(daemon, {
    traces: [...traces, { traceData: 1, fileName: "x" }],
    outputDirectory: "more",
  });
  assertRefused(more, { status: 400, code: "too_many_rows" });
  assertEquals((await written(daemon)).length, 50);
});

Deno.test("sizes are bytes of UTF-8 (10)", async () => {
  await using daemon = await startDaemon();
  const traces = ["é😀", "ascii", { é: "😀" }].map((traceData, i) => ({ traceData, fileName: `${i}` }));
  const { json } = await writeBatch(daemon, { traces });
  assertEquals(json.results.map(({ size, bytesWritten }) => [size, bytesWritten]), [[6, 6], [5, 5], [
    18,
    18,
  ]]);
  assertEquals([json.totalSize, (await Deno.stat(`${daemon.dataDir}/files/traces/2`)).size], [29, 18]);
});

Deno.test("an empty text is a file, null is none; every other value is JSON (11)", async () => {
  await using daemon = await startDaemon();
  const values = ["", 0, false, true, 5, [], {}, 1e300, "null"];
  const traces = values.map((traceData, i) => ({ traceData, fileName: `${i}` }));
  const { json } = await writeBatch(daemon, { traces });
  assertEquals(json.successCount, values.length);
  const texts = await Promise.all(values.map((_, i) => read(daemon, `traces/${i}`)));
  assertEquals(texts, ["", "0", "false", "true", "5", "[]", "{}", "1e+300", "null"]);
  assertRefused(await writeOne(daemon, { traceData: null, fileName: "x" }), {
    status: 400,
    code: "invalid_body",
    error: "Missing required fields: traceData and fileName",
  });
  assertRefused(await writeBatch(daemon, { traces: [{ traceData: null, fileName: "x" }] }), {
    status: 400,
    code: "validation",
  });
});

Deno.test("names that only look like parents are legal; the root's sibling is outside (15)", async () => {
  await using daemon = await startDaemon();
  await Deno.mkdir(`${daemon.dataDir}/files2`);
  await Deno.writeTextFile(`${daemon.dataDir}/files2/secret.json`, "{}");
  for (const outputDirectory of ["..foo", "a..b", "...", ".hidden"]) {
    const { status } = await writeOne(daemon, { traceData: "x", fileName: "a.txt", outputDirectory });
    assertEquals([status, (await list(daemon, outputDirectory)).json.count], [200, 1], outputDirectory);
  }
  const sibling = { traceData: "x", fileName: "a", outputDirectory: "../files2" };
  assertRefused(await writeOne(daemon, sibling), { status: 403, code: "invalid_directory" });
  assertRefused(await list(daemon, "../files2"), {
    status: 403,
    code: "invalid_directory",
    error: "Invalid directory path",
  });
});

Deno.test("a file over max_file_bytes costs only itself, also when its indents make it so", async () => {
  await using daemon = await startDaemon({ config: { trace_files: { max_file_bytes: 1_000 } } });
  const nested = JSON.parse(`${"[".repeat(60)}1,2,3,4${"]".repeat(60)}`);
  const traces = ["x".repeat(1_000), "é".repeat(501), nested, "ok"].map((traceData, i) => ({
    traceData,
    fileName: `${i}`,
  }));
  const { json } = await writeBatch(daemon, { traces });
  assertEquals(json.results.map(({ code }) => code), [
    undefined,
    "file_too_large",
    "file_too_large",
    undefined,
  ]);
  assertRefused(await writeOne(daemon, traces[1]), { status: 413, code: "file_too_large" });
});

Deno.test("files with a directory each: the one outside fails alone (22)", async () => {
  await using daemon = await startDaemon();
  const files = ["d1", "../../x", "d2/e", "/etc", "d1"].map((outputDirectory, i) => ({
    traceData: `${i}`,
    fileName: `${i}.txt`,
    outputDirectory,
  }));
  const { status, json } = await writeBatch(daemon, { files });
  assertEquals([status, json.success, json.partial], [200, true, true]);
  assertEquals(json.results.map(({ filePath, code }) => code ?? filePath), [
    "d1/0.txt",
    "invalid_directory",
    "d2/e/2.txt",
    "invalid_directory",
    "d1/4.txt",
  ]);
  assertEquals(await written(daemon), ["./d1/0.txt", "./d1/4.txt", "./d2/e/2.txt"]);
});

Deno.test("names that are no plain segment fail alone; names: basename takes their last segment", async () => {
  await using daemon = await startDaemon();
  const names = [
    "a/b.txt",
    "..",
    ".",
    "c\\d.txt",
    "nul\0.txt",
    "x".repeat(256),
    "/etc/passwd",
    "\ud800",
    "good.txt",
  ];
  const traces = names.map((fileName) => ({ traceData: "x", fileName }));
  const { json } = await writeBatch(daemon, { traces });
  assertEquals(json.results.map(({ code }) => code), [
    ...names.slice(1).map(() => "invalid_file_name"),
    undefined,
  ]);
  assertEquals(json.results[6].fileName, "passwd");
  assertRefused(await writeOne(daemon, traces[0]), { status: 400, code: "invalid_file_name" });
  await daemon.restart({ config: { trace_files: { names: "basename" } } });
  const { json: base } = await writeBatch(daemon, { traces: [traces[0], traces[6], traces[1]] });
  assertEquals(base.results.map(({ filePath, code }) => code ?? filePath), [
    "traces/b.txt",
    "traces/passwd",
    "invalid_file_name",
  ]);
});

Deno.test("of two items with one target the first is written, in whatever words the directory is given", async () => {
  await using daemon = await startDaemon();
  await Deno.mkdir(`${daemon.dataDir}/files/real`, { recursive: true });
  await Deno.symlink("real", `${daemon.dataDir}/files/link`);
  const files = ["real", "./real/", "x/../real", "link", `${await Deno.realPath(daemon.dataDir)}/files/real`]
    .map((outputDirectory, i) => ({ traceData: `${i}`, fileName: "a", outputDirectory }));
  const { json } = await writeBatch(daemon, { files });
  assertEquals(json.results.map(({ code }) => code), [
    undefined,
    ...files.slice(1).map(() => "duplicate_path"),
  ]);
  assertEquals(await read(daemon, "real/a"), "0");
});

Deno.test("ill-formed text fails alone", async () => {
  await using daemon = await startDaemon();
  const body =
    '{"traces":[{"traceData":"a\\ud800","fileName":"a"},{"traceData":{"x":["\\udc00"]},"fileName":"b"},' +
    '{"traceData":"\\ud83d\\ude00","fileName":"c"}]}';
  const { json } = await writeBatch(daemon, body);
  assertEquals(json.results.map(({ code }) => code), ["ill_formed_text", "ill_formed_text", undefined]);
  assertEquals(await read(daemon, "traces/c"), "😀");
});

Deno.test("the directory may stand behind the files, and a body that turns out bad has written nothing", async () => {
  await using daemon = await startDaemon();
  const items = Array.from(
    { length: 40 },
    (_, i) => ({ traceData: "x".repeat(50_000), fileName: `${i}.txt` }),
  );
  const body = `{"traces":${JSON.stringify(items)},"outputDirectory":"late"}`;
  assertEquals((await writeBatch(daemon, body.slice(0, -1))).status, 400);
  assertEquals(await written(daemon), []);
  const { json } = await writeBatch(daemon, body);
  assertEquals([json.successCount, json.results[39].filePath], [40, "late/39.txt"]);
});

Deno.test("list gives JSON and text, newest first, and stumbles over nothing", async () => {
  await using daemon = await startDaemon();
  assertEquals(
    (await list(daemon, "nowhere")).json,
    { success: true, files: [], message: "Directory does not exist" } as never,
  );
  for (const fileName of ["1.json", "2.txt", "3.bin", "4.json"]) {
    await writeOne(daemon, { traceData: fileName, fileName, outputDirectory: "d" });
    // Birth times have the resolution of the system's clock tick.
    const { birthtime } = await Deno.stat(`${daemon.dataDir}/files/d/${fileName}`);
    while (Date.now() - (birthtime?.getTime() ?? 0) < 12) {
      await new Promise((resolve) => setTimeout(resolve, 1));
    }
  }
  const root = `${daemon.dataDir}/files/d`;
  await Deno.mkdir(`${root}/folder.json`);
  await Deno.symlink("not-there", `${root}/dangling.json`);
  await Deno.symlink("/etc/hostname", `${root}/outside.txt`);
  await Deno.symlink("loop.json", `${root}/loop.json`);
  const { status, json } = await list(daemon, "d");
  assertEquals([status, json.success, json.directory, json.count], [200, true, "d", 3]);
  assertEquals(json.files.map(({ name, size }) => [name, size]), [["4.json", 6], ["2.txt", 5], [
    "1.json",
    6,
  ]]);
  assert(
    json.files.every(({ modified, created }) => !Number.isNaN(Date.parse(modified) + Date.parse(created))),
  );
  assertRefused(await list(daemon, "d/1.json"), { status: 403, code: "invalid_directory" });
  await writeOne(daemon, { traceData: "x", fileName: "default.txt" });
  assertEquals((await list(daemon)).json.directory, "traces");
});

Deno.test("with auth on, the app's credentials are asked for before the body is read", async () => {
  const auth = { enabled: true, apps: [{ id: "tool", secret: "s3cret" }] };
  await using daemon = await startDaemon({ config: { auth } });
  const body = { traceData: "x", fileName: "a" };
  for (const headers of [{}, { "x-app-id": "tool" }, { "x-app-id": "tool", "x-app-secret": "wrong" }]) {
    const given = headers as Record<string, string>;
    assertRefused(await writeOne(daemon, body, { headers: given }), { status: 403, code: "forbidden" });
    assertRefused(await writeBatch(daemon, { traces: [body] }, { headers: given }), {
      status: 403,
      code: "forbidden",
    });
    const listed = await send(`${daemon.url}/api/traces/list`, undefined, { headers: given }) as Answer;
    assertRefused(listed, { status: 403, code: "forbidden" });
  }
  const headers = { "x-app-id": "tool", "x-app-secret": "s3cret" };
  assertEquals((await writeOne(daemon, body, { headers })).status, 200);
  assertEquals(await written(daemon), ["./traces/a"]);
});

Deno.test("a batch leaves one line in the log and its figures in the metrics, no name and no content", async () => {
  await using daemon = await startDaemon();
  const traces = [{ traceData: "private-content", fileName: "private-name" }, {
    traceData: "x",
    fileName: "a/b",
  }];
  await writeBatch(daemon, { traces, outputDirectory: "private-folder" }, {
    headers: { "request-id": "r-1" },
  });
  await writeOne(daemon, traces[0]);
  const line = await daemon.waitForLog("Batch of trace files");
  const { count, failed, success_rate, bytes, request_id, duration_ms } = line;
  assertEquals([count, failed, success_rate, bytes, request_id], [2, 1, 0.5, 15, "r-1"]);
  assert(Number(duration_ms) > 0);
  assertEquals(await metric(daemon, 'weir_trace_file_batches_total{result="some"}'), 1);
  assertEquals(await metric(daemon, 'weir_trace_files_total{outcome="written"}'), 2);
  assertEquals(await metric(daemon, 'weir_trace_files_total{outcome="invalid_file_name"}'), 1);
  assertEquals(await metric(daemon, "weir_trace_file_bytes_total"), 30);
  assert(!/private|a\/b/.test(JSON.stringify(daemon.logs())));
});
