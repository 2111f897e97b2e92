/**
 * What dialect `trace_files` refuses as a whole, in which words, and that nothing is written then. Numbers are those of
 * the contract's cases.
 */

import { assert, assertEquals } from "@std/assert";
import { gzipSync } from "node:zlib";
import { startDaemon } from "../support/daemon.ts";
import { openRaw, requestHead, send } from "../support/http.ts";
import { type Answer, assertRefused, writeBatch, writeOne, written } from "./trace_file_requests.ts";

Deno.test("a body without a list of files is refused, and nothing written (3)", async () => {
  await using daemon = await startDaemon();
  for (const traces of [undefined, [], "x", {}, null, 5]) {
    const reply = await writeBatch(daemon, { traces });
    assertRefused(reply, { status: 400, code: "invalid_body", error: "Missing or empty traces array" });
    assertEquals(reply.json.details, "Request body must contain a non-empty array of traces");
  }
  const reply = await writeBatch(daemon, { files: [] });
  assertRefused(reply, { status: 400, code: "invalid_body", error: "Missing or empty files array" });
  for (const body of ["[]", "5", '"x"', "null"]) {
    assertRefused(await writeBatch(daemon, body), { status: 400, code: "invalid_body" });
    assertRefused(await writeOne(daemon, body), { status: 400, code: "invalid_body" });
  }
  assertEquals(await written(daemon), []);
});

Deno.test("every incomplete item is named, and nothing written (4)", async () => {
  await using daemon = await startDaemon();
  const traces = [{ traceData: "x", fileName: "a" }, { traceData: "x" }, { fileName: "c" }];
  const reply = await writeBatch(daemon, { traces });
  assertRefused(reply, { status: 400, code: "validation", error: "Validation failed" });
  assertEquals(reply.json.details, [
    "Trace 1: missing required fields (traceData, fileName)",
    "Trace 2: missing required fields (traceData, fileName)",
  ]);
  const files = [{ traceData: "x", fileName: "a", outputDirectory: "d" }, { traceData: "x", fileName: "b" }];
  const other = await writeBatch(daemon, { files });
  assertEquals(other.json.details, [
    "File 1: missing required fields (traceData, fileName, outputDirectory)",
  ]);
  const many = Array.from(
    { length: 100 },
    (_, i) => i % 2 === 0 ? { traceData: "x".repeat(10_000), fileName: `${i}` } : {},
  );
  assertEquals(((await writeBatch(daemon, { traces: many })).json.details as string[]).length, 50);
  assertEquals(await written(daemon), []);
});

Deno.test("a directory outside of the root is refused on both routes, and not made (5)", async () => {
  await using daemon = await startDaemon();
  for (
    const outputDirectory of [
      "../../x",
      "..",
      "/",
      "/tmp/weir-nowhere",
      "a/../../../b",
      `${daemon.dataDir}/x`,
    ]
  ) {
    const refusal = { status: 403, code: "invalid_directory", error: "Invalid output path" };
    assertRefused(await writeOne(daemon, { traceData: "x", fileName: "a", outputDirectory }), refusal);
    const traces = [{ traceData: "x", fileName: "a" }, { traceData: "y", fileName: "b" }];
    assertRefused(await writeBatch(daemon, { traces, outputDirectory }), refusal);
  }
  assertEquals([...Deno.readDirSync(`${daemon.dataDir}/files`)], []);
  await Deno.stat(`${daemon.dataDir}/x`).then(() => assert(false), () => undefined);
});

Deno.test("values of the wrong type are refused by name, never with 500 (16)", async () => {
  await using daemon = await startDaemon();
  const good = { traceData: "x", fileName: "a" };
  const batches: [unknown, string][] = [
    [{ traces: [null] }, "Trace 0: must be an object"],
    [{ traces: [good, 1] }, "Trace 1: must be an object"],
    [{ traces: [good, [good]] }, "Trace 1: must be an object"],
    [{ traces: [{ traceData: 1, fileName: 5 }] }, "Trace 0: fileName must be a string"],
    [{ traces: [{ traceData: 1, fileName: {} }] }, "Trace 0: fileName must be a string"],
    [{ traces: [good], outputDirectory: 5 }, "outputDirectory must be a string"],
    [{ traces: [good], outputDirectory: [] }, "outputDirectory must be a string"],
    [{ files: [{ ...good, outputDirectory: 5 }] }, "File 0: outputDirectory must be a string"],
  ];
  for (const [body, detail] of batches) {
    const reply = await writeBatch(daemon, body);
    assertRefused(reply, { status: 400, code: "validation" });
    assertEquals(reply.json.details, [detail]);
  }
  for (
    const [body, detail] of [[{ traceData: 1, fileName: 5 }, "fileName"], [
      { ...good, outputDirectory: 5 },
      "outputDirectory",
    ]] as const
  ) {
    const reply = await writeOne(daemon, body);
    assertRefused(reply, { status: 400, code: "invalid_body" });
    assertEquals(reply.json.details, `${detail} must be a string`);
  }
  assertEquals(await written(daemon), []);
});

Deno.test("bodies that are no JSON in UTF-8 get the same form of error (17)", async () => {
  await using daemon = await startDaemon();
  const cases: [unknown, Record<string, string>, number, string][] = [
    ["{}", { "content-type": "text/plain" }, 415, "unsupported_media_type"],
    ["{}", { "content-type": "application/json; charset=latin1" }, 415, "unsupported_media_type"],
    ["{}", { "content-type": "application/x-ndjson" }, 415, "unsupported_media_type"],
    ['{"traces":[{"traceData":"x","fileName":"a"}', {}, 400, "malformed_json"],
    ['{"traces":[{"traceData":"x","fileName":"a"}]}x', {}, 400, "malformed_json"],
    ['{"traces":[{"traceData":"x","fileName":"a"}],"outputDirectory":}', {}, 400, "malformed_json"],
    ['{"traces":[{"traceData":"x","fileName":"a"}],"traces":[]}', {}, 400, "duplicate_rows_key"],
    [new Uint8Array([0x7b, 0x22, 0xff, 0x22, 0x3a, 0x31, 0x7d]), {}, 400, "invalid_utf8"],
    ["{}", { "content-encoding": "gzip" }, 400, "bad_encoding"],
    ["{}", { "content-encoding": "snappy" }, 415, "unsupported_encoding"],
    [`{"traces":[{"fileName":"a","traceData":${"[".repeat(200)}${"]".repeat(200)}}]}`, {}, 400, "too_deep"],
  ];
  for (const [body, headers, status, code] of cases) {
    const reply = await writeBatch(daemon, body, { headers });
    assertRefused(reply, { status, code });
  }
  const nothing = await writeBatch(daemon);
  assert(nothing.status === 400 || nothing.status === 415);
  assertEquals([nothing.json.success, typeof nothing.json.details], [false, "string"]);
  assertEquals(await written(daemon), []);
});

Deno.test("a body over the limit is refused, announced or not, and the daemon goes on (18)", async () => {
  await using daemon = await startDaemon({ config: { trace_files: { max_body_bytes: 100_000 } } });
  const body = JSON.stringify({
    traces: [{ traceData: "x", fileName: "a" }, { traceData: "y".repeat(200_000), fileName: "b" }],
  });
  for (const route of ["write", "write-batch"]) {
    const url = `${daemon.url}/api/traces/${route}`;
    for (const length of [body.length, undefined]) {
      using connection = await openRaw(daemon.url);
      await connection.write(requestHead(url, length));
      if (length === undefined) {
        await connection.write(`${body.length.toString(16)}\r\n${body}\r\n0\r\n\r\n`).catch(() => undefined);
      } else await connection.write(body).catch(() => undefined);
      const reply = await connection.readReply() as Answer | undefined;
      assertRefused(reply!, { status: 413, code: "body_too_large" });
    }
    const bomb = gzipSync(new TextEncoder().encode(body));
    assertRefused(await send(url, bomb, { headers: { "content-encoding": "gzip" } }) as Answer, {
      status: 413,
      code: "body_too_large",
    });
  }
  assertEquals(await written(daemon), []);
  assertEquals((await writeOne(daemon, { traceData: "x", fileName: "a" })).status, 200);
});

Deno.test("GET on a route that writes is 405 with Allow, not 404 (24)", async () => {
  await using daemon = await startDaemon();
  for (const route of ["write", "write-batch"]) {
    for (const method of ["GET", "PUT", "DELETE", "PATCH"]) {
      const reply = await send(`${daemon.url}/api/traces/${route}`, undefined, { method }) as Answer;
      assertRefused(reply, { status: 405, code: "method_not_allowed" });
      assertEquals(reply.headers.get("allow"), "POST");
    }
  }
  const wrong = await send(`${daemon.url}/api/traces/list`, {}) as Answer;
  assertEquals([wrong.status, wrong.headers.get("allow")], [405, "GET, HEAD"]);
});
