import { assertEquals, assertStringIncludes, assertThrows } from "@std/assert";
import fc from "fast-check";
import { WeirError } from "../../../src/base/errors.ts";
import { Outcomes } from "../../../src/base/outcome.ts";
import { Unit } from "../../../src/base/record.ts";
import { BackendIngest } from "../../../src/dialects/backend/apply.ts";
import { JsonRows } from "../../../src/parse/json_rows.ts";
import { NdjsonRows } from "../../../src/parse/ndjson_rows.ts";
import { batchesOf, postBody, postEntries, sceneOf } from "./post_entries.ts";

const wide = {
  maxRows: 100,
  maxRowBytes: 1e6,
  maxDepth: 20,
  maxEnvelopeBytes: 1e6,
  maxBodyBytes: 1e6,
  windowRows: 50,
  windowBytes: 1e6,
};

Deno.test("BackendIngest gives a verdict for each entry", () => {
  const posted = postEntries([
    { rid: "R", trace: "[1]", traceIndex: 0 },
    null,
    { rid: "R", trace: "[1]", traceIndex: -1 },
    { rid: "R", trace: "x" },
    { rid: "R", trace: "7" },
    { trace: "[1]" },
    { db: [{ collection: "c" }] },
    [],
    "entry",
    { actionId: {} },
    { request: "R", rid: "R" },
  ]);
  assertEquals([posted.status, posted.reply.ok, posted.reply.accepted], [201, true, 2]);
  const verdicts = posted.reply.rejected.map((
    row: { index: number; reason: string },
  ) => [row.index, row.reason]);
  assertEquals(verdicts, [
    [1, "validation"],
    [2, "bad_batch_index"],
    [3, "trace_not_json"],
    [4, "trace_not_an_array"],
    [5, "no_request_id"],
    [7, "validation"],
    [8, "validation"],
    [9, "validation"],
    [10, "validation"],
  ]);
  assertEquals(posted.records.map(({ json }) => json.kind), ["batch", "change"]);
});

Deno.test("BackendIngest takes entries without a request id only for their side data", () => {
  const db = [{ collection: "c" }];
  const reasons = [{}, { actionId: "A" }, { db: [] }, { db, trace: "[1]" }, { db, request: { status: 200 } }]
    .map(
      (entry) => postEntries([entry]).reply.rejected[0]?.reason,
    );
  assertEquals(reasons, Array(5).fill("no_request_id"));
  assertEquals(postEntries([{ db, request: {} }, { email: { to: "a" } }]).reply.accepted, 2);
});

Deno.test("BackendIngest answers 422 when every entry was refused, and 201 to none", () => {
  assertEquals(postEntries([{}, null]).status, 422);
  for (const body of ["{}", `{"entries":null}`, `{"entries":[]}`, `{"other":1}`]) {
    const { status, reply } = postBody(body);
    assertEquals([status, reply], [201, { ok: true, accepted: 0, rejected: [] }], body);
  }
});

Deno.test("BackendIngest refuses bodies that hold no entries where they must be", () => {
  for (const body of [`{"entries":{}}`, `{"entries":"[]"}`, `{"entries":0}`, "[]", "null", `"x"`]) {
    assertEquals(assertThrows(() => postBody(body), WeirError).status, 400, body);
  }
});

Deno.test("BackendIngest names no value of an entry in its verdicts", () => {
  const secret = "hunter2";
  const entries = [
    { rid: secret.repeat(50) },
    { rid: "R", trace: secret },
    { rid: "R", trace: `"${secret}"` },
    { rid: "R", trace: [1], traceIndex: `-1`, request: { [secret]: 1 } },
    { db: { [secret]: 1 } },
    { db: [{ collection: [secret] }] },
    { actionId: [secret] },
  ];
  const { reply } = postEntries(entries);
  assertEquals(reply.rejected.length, entries.length);
  assertEquals(JSON.stringify(reply).includes(secret), false);
});

Deno.test("BackendIngest names few of many problems", () => {
  const { reply } = postEntries([{ db: Array(1000).fill(null) }], { maxItems: 1000 });
  assertStringIncludes(reply.rejected[0].error, "entry/db/0 ");
  assertStringIncludes(reply.rejected[0].error, "and 997 more");
});

Deno.test("BackendIngest stores nothing for a sender that is refused, and tells a bad body first", () => {
  const ingest = new BackendIngest(new WeirError("forbidden", "Forbidden resource"));
  const unit = new Unit();
  const take = (body: string): void => {
    const rows = new JsonRows({ rowsKey: "entries", limits: wide });
    const windows = [...rows.push(new TextEncoder().encode(body)), ...rows.finish()];
    for (const window of windows) ingest.take(window, unit, new Outcomes());
  };
  take(`{"entries":[{"rid":"R","trace":"[1]"}]}`);
  assertEquals([unit.count, ingest.scope], [0, undefined]);
  assertThrows(() => ingest.admit(), WeirError, "Forbidden resource");
  assertEquals(assertThrows(() => take(`{"entries":[{"rid":x}]}`), WeirError).code, "malformed_json");
});

Deno.test("BackendIngest takes NDJSON, one entry a line", () => {
  const ingest = new BackendIngest(sceneOf());
  const rows = new NdjsonRows({ limits: wide });
  const unit = new Unit();
  const outcomes = new Outcomes();
  const body = `{"rid":"R","trace":[1, 2]}\r\nnot json\n{"rid":"R","trace":"[3]"}`;
  const windows = [...rows.push(new TextEncoder().encode(body)), ...rows.finish()];
  for (const window of windows) ingest.take(window, unit, outcomes);
  assertEquals([unit.count, outcomes.accepted], [2, 2]);
  assertEquals(outcomes.rejected.map(({ index, reason }) => [index, reason]), [[1, "malformed"]]);
});

Deno.test("BackendIngest takes whatever JSON comes as an entry without failing, and writes lines that are JSON", () => {
  const names = [
    ...[
      "request",
      "trace",
      "traceBatch",
      "traceBatches",
      "rid",
      "requestRid",
      "db",
      "email",
      "t",
      "actionId",
      "index",
    ],
    ...[
      "events",
      "data",
      "batchIndex",
      "total",
      "status",
      "headers",
      "respBody",
      "entryPoint",
      "__proto__",
      "toString",
    ],
  ];
  const { value } = fc.letrec((tie) => ({
    value: fc.oneof(
      { maxDepth: 4, depthSize: "small", withCrossShrink: true },
      fc.constantFrom<unknown>(
        null,
        true,
        0,
        -1,
        1.5,
        3,
        "R",
        "3",
        "",
        "[1]",
        "[",
        "{}",
        '["\\ud800"]',
        "\ud800",
      ),
      tie("list"),
      tie("members"),
    ),
    list: fc.array(tie("value"), { maxLength: 3 }),
    members: fc.array(fc.tuple(fc.constantFrom(...names), tie("value")), { maxLength: 6 })
      .map((entries) => Object.fromEntries(entries)),
  }));
  fc.assert(
    fc.property(fc.array(value, { minLength: 1, maxLength: 4 }), (entries) => {
      const posted = postEntries(entries);
      assertEquals(posted.reply.accepted + posted.reply.rejected.length, entries.length);
      batchesOf(posted).forEach(({ events }) => assertEquals(Array.isArray(events), true));
    }),
    { seed: 20261120, numRuns: 3000 },
  );
});
