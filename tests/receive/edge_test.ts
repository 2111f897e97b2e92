import { assert, assertEquals, assertThrows } from "@std/assert";
import { type ErrorCode, errorTable, WeirError } from "../../src/base/errors.ts";
import { Unit } from "../../src/base/record.ts";
import { defaultConfig } from "../../src/config/schema.ts";
import type { Dialect } from "../../src/dialects/dialect.ts";
import { bodyFormat } from "../../src/receive/body_format.ts";
import { corsHeaders, preflight } from "../../src/receive/cors.ts";
import { DiskWatch } from "../../src/receive/disk_watch.ts";
import { firstHold, rowLimits } from "../../src/receive/limits.ts";
import { errorResponse, keepReply, repeatResponse, toResponse } from "../../src/receive/reply.ts";
import { tempDir } from "../support/temp.ts";

const page = "https://shop.example";

function formatOf(type: string | undefined, ndjson = true): string {
  const headers = new Headers(type === undefined ? {} : { "content-type": type });
  try {
    return bodyFormat(headers, { ndjson });
  } catch (error) {
    assert(error instanceof WeirError && error.status === 415);
    return error.code;
  }
}

Deno.test("bodyFormat() knows JSON and NDJSON by their types, whatever their parameters", () => {
  const json = [
    "application/json",
    "Application/JSON; charset=UTF-8",
    'application/json;charset="utf-8"',
    "application/json; charset=us-ascii",
    "application/vnd.shop.v1+json",
    "application/json;",
    "application/json; profile=x; charset=utf8",
  ];
  for (const type of json) assertEquals([formatOf(type), formatOf(type, false)], ["json", "json"], type);
  for (const type of ["application/x-ndjson", "application/ndjson; charset=utf-8", "application/jsonl"]) {
    assertEquals([formatOf(type), formatOf(type, false)], ["ndjson", "unsupported_media_type"], type);
  }
  const refused = [
    undefined,
    "",
    "text/plain",
    "application/x-www-form-urlencoded",
    "multipart/form-data; boundary=x",
    "application/json; charset=utf-16",
    "application/x-ndjson; charset=latin1",
    "application/jsonp",
    "application/json-seq",
    "+json",
    "application/json, text/plain",
  ];
  for (const type of refused) assertEquals(formatOf(type), "unsupported_media_type", type);
});

function corsOf(origin: string | undefined, allowed: string[]): Record<string, string> {
  const headers = new Headers(origin === undefined ? {} : { origin });
  return Object.fromEntries(corsHeaders(new Request("http://127.0.0.1/", { headers }), allowed));
}

Deno.test("corsHeaders() let pages of allowed origins read, and no others", () => {
  assertEquals(corsOf(page, ["*"]), { "access-control-allow-origin": "*" });
  assertEquals(corsOf(undefined, ["*"]), {});
  assertEquals(corsOf(page, [page]), { "access-control-allow-origin": page, vary: "Origin" });
  assertEquals(corsOf("https://www.shop.example", ["https://*.shop.example"]), {
    "access-control-allow-origin": "https://www.shop.example",
    vary: "Origin",
  });
  assertEquals(corsOf("https://evilshop.example", [page, "https://*.shop.example"]), {});
  assertEquals(corsOf(page, []), {});
});

Deno.test("preflight() answers 204, with what was asked for where the origin may ask", () => {
  const asked = { origin: page, "access-control-request-headers": "content-type,openpanel-client-id" };
  const request = new Request("http://127.0.0.1/track", { method: "OPTIONS", headers: asked });
  const allowed = preflight(request, ["*"]);
  assertEquals([allowed.status, Object.fromEntries(allowed.headers)], [204, {
    "access-control-allow-origin": "*",
    "access-control-allow-methods": "GET,HEAD,POST",
    "access-control-allow-headers": "content-type,openpanel-client-id",
    "access-control-max-age": "604800",
  }]);
  const refused = preflight(request, ["https://other.example"]);
  assertEquals([refused.status, [...refused.headers]], [204, []]);
});

Deno.test("errorResponse() gives every error the body and headers of the contract", async () => {
  for (const code of Object.keys(errorTable) as ErrorCode[]) {
    const { status, retryable } = errorTable[code];
    const response = errorResponse(new WeirError(code, "Text"), undefined);
    const body = await response.json();
    assertEquals([response.status, response.headers.get("content-type")], [
      status,
      "application/json; charset=utf-8",
    ]);
    assertEquals(body, { error: body.error, status, code, message: "Text", retryable });
    assert(body.error !== "Error" && /^[A-Z][A-Za-z ]+$/.test(body.error), code);
    const hasRetryAfter = response.headers.has("retry-after");
    assertEquals(hasRetryAfter, status === 429 || status === 503, code);
  }
});

Deno.test("errorResponse() adds an error's own headers, and takes the form of the dialect", async () => {
  const error = new WeirError("method_not_allowed", "Text", { headers: { allow: "GET" } });
  assertEquals(errorResponse(error, undefined).headers.get("allow"), "GET");
  const dialect: Dialect = { name: "d", ingest: [], read: [], errorBody: ({ code }) => ({ only: code }) };
  assertEquals(await errorResponse(error, dialect).json(), { only: "method_not_allowed" });
  const busy = errorResponse(new WeirError("overloaded", "Text", { retryAfterS: 7 }), dialect);
  assertEquals(busy.headers.get("retry-after"), "7");
});

Deno.test("keepReply() keeps what repeatResponse() answers", async () => {
  const unit = new Unit();
  const reply = { status: 202, body: '{"accepted":1}', at: 5 };
  keepReply(unit, "/track\nshop\nkey", reply);
  const line = new TextDecoder().decode(unit.writer.view(unit.starts[0], unit.end(0)));
  const [place] = unit.places;
  assert(place.family === "replies" && line.endsWith("}\n") && line.indexOf("\n") === line.length - 1);
  assertEquals(JSON.parse(line), {
    kind: "reply",
    key: "/track\nshop\nkey",
    status: 202,
    content_type: "application/json; charset=utf-8",
    body: '{"accepted":1}',
    at: 5,
  });
  const repeated = repeatResponse(place.reply);
  const first = toResponse(reply);
  assertEquals([repeated.status, await repeated.text()], [first.status, await first.text()]);
  assertEquals(repeated.headers.get("content-type"), first.headers.get("content-type"));
  assertEquals(repeated.headers.get("idempotent-replayed"), "true");
});

Deno.test("firstHold() makes room for the buffers of what is announced, but for a stream for two windows", () => {
  const { limits } = defaultConfig();
  const shape = { rowsKey: "events", single: false, ndjson: true, maxBytes: 1_000_000, maxRows: 10 };
  const hold = (format: "json" | "ndjson", length?: string): number =>
    firstHold(new Headers(length === undefined ? {} : { "content-length": length }), {
      shape,
      format,
      limits,
    }).bytes;
  // Twice the body and 1 KiB, up to the next power of two, and what spans chunks.
  assertEquals([hold("json", "5"), hold("json", "2000000"), hold("json")], [
    2_048 + 10,
    2 ** 21 + 196_608,
    2 ** 18 + 131_072,
  ]);
  assertEquals([hold("ndjson", "5"), hold("ndjson", "999999999"), hold("ndjson")], [
    524_288,
    524_288,
    524_288,
  ]);
  assertThrows(() => hold("json", "many"), WeirError);
});

Deno.test("rowLimits() takes a route's own limit on rows before the configured one", () => {
  const { limits } = defaultConfig();
  const shape = { rowsKey: "events", single: false, ndjson: true, maxBytes: 7, maxRows: 10 };
  const wide = rowLimits(shape, limits);
  assertEquals([wide.maxRowBytes, wide.maxEnvelopeBytes, wide.maxBodyBytes, wide.maxRows], [
    limits.max_row_bytes,
    limits.max_envelope_bytes,
    7,
    10,
  ]);
  const single = rowLimits({ ...shape, single: true, maxRowBytes: 99 }, limits);
  assertEquals([single.maxRowBytes, single.maxEnvelopeBytes], [99, 99]);
});

Deno.test("DiskWatch knows the free space of the disk under a folder, and follows its limit", async () => {
  await using dir = await tempDir();
  let limit = 0;
  const disk = new DiskWatch(dir.path, () => limit);
  assertEquals([disk.freeBytes, disk.low], [Infinity, false]);
  await disk.start();
  assert(disk.freeBytes > 0 && Number.isFinite(disk.freeBytes));
  assertEquals(disk.low, false);
  limit = 2 ** 52;
  assertEquals(disk.low, true);
  disk.stop();
});

Deno.test("DiskWatch keeps its last answer where the system gives none", async () => {
  const dir = await tempDir();
  const disk = new DiskWatch(`${dir.path}/data`, () => 1);
  await Deno.mkdir(`${dir.path}/data`);
  await disk.look();
  const { freeBytes } = disk;
  await dir[Symbol.asyncDispose]();
  await disk.look();
  assertEquals(disk.freeBytes, freeBytes);
});
