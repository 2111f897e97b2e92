import { assert, assertEquals } from "@std/assert";
import type { TracePlace } from "../../../src/base/record.ts";
import { arrivedAt, postBody, postEntries } from "./post_entries.ts";

/** The columns that an entry gives; undefined when it gives no metadata. */
function fieldsOf(entry: Record<string, unknown>): unknown {
  const posted = postEntries([entry]);
  assertEquals(posted.reply, { ok: true, accepted: 1, rejected: [] });
  return posted.of("request")[0]?.json.fields;
}

Deno.test("A request's members become columns", () => {
  const request = {
    rid: "R12",
    method: "POST",
    url: "/api/apply?x=1",
    path: "/api/apply",
    status: 200,
    durMs: 14.5,
    headers: { a: "b" },
    key: "POST /api/apply",
    respBody: { ok: [1] },
    body: "text",
    params: {},
    query: null,
    entryPoint: { fn: " apply ", file: "/srv/a.js", line: 12.9, functionType: "", other: 1 },
    trace: "[]",
  };
  const posted = postEntries([{ actionId: " A1 ", request, t: 1710000000200 }]);
  const [{ json, place }] = posted.of("request");
  assertEquals(json, {
    kind: "request",
    app: "shop",
    sid: "S1",
    rid: "R12",
    index: -1,
    t: 1710000000200,
    fields: {
      action_id: "A1",
      method: "POST",
      key: "POST /api/apply",
      url: "/api/apply?x=1",
      status: 200,
      dur_ms: 14.5,
      entry_point: { fn: "apply", file: "/srv/a.js", line: 12 },
      headers: { a: "b" },
      resp_body: { ok: [1] },
      body: "text",
      params: {},
      query: null,
    },
  });
  const { family, kind, app, sid, rid, index, t } = place as TracePlace;
  assertEquals([family, kind, app, sid, rid, index, t], [
    "traces",
    "request",
    "shop",
    "S1",
    "R12",
    -1,
    1710000000200,
  ]);
});

Deno.test("What is absent or of the wrong type is left out, null is kept", () => {
  const table: [Record<string, unknown>, unknown][] = [
    [{ status: "200", durMs: "5", key: 7, method: {}, headers: "h", url: ["/"] }, {}],
    [{ url: null, key: null, respBody: null, headers: null }, {
      key: null,
      url: null,
      headers: {},
      resp_body: null,
    }],
    [{ path: "/p" }, { url: "/p" }],
    [{ path: "/p", url: null }, { url: null }],
    [{ path: null, status: 204 }, { status: 204 }],
    [{ entryPoint: null, method: null }, { method: null, entry_point: null }],
    [{ entryPoint: { fn: " ", line: "1" }, key: "k" }, { key: "k" }],
    [{ headers: [1], key: "k" }, { key: "k" }],
    [{ respBody: false }, { resp_body: false }],
  ];
  for (const [request, fields] of table) {
    assertEquals(fieldsOf({ request: { rid: "R", ...request } }), fields, JSON.stringify(request));
  }
});

Deno.test("An entry's entryPoint stands in for one in the request", () => {
  const entryPoint = { fn: "a" };
  assertEquals(fieldsOf({ request: { rid: "R", key: "k" }, entryPoint }), {
    key: "k",
    entry_point: entryPoint,
  });
  assertEquals(fieldsOf({ request: { rid: "R", entryPoint: { fn: "b" } }, entryPoint }), {
    entry_point: { fn: "b" },
  });
});

Deno.test("A request that only carries a trace gives no metadata, one member or an action does", () => {
  assertEquals(fieldsOf({ request: { rid: "R", trace: "[1]", traceBatchIndex: 0 } }), undefined);
  assertEquals(fieldsOf({ rid: "R", trace: "[1]" }), undefined);
  for (const name of ["method", "url", "path", "status", "durMs", "headers", "key", "respBody"]) {
    assert(fieldsOf({ request: { rid: "R", [name]: {} } }) !== undefined, name);
  }
  assertEquals(fieldsOf({ rid: "R", actionId: "A" }), { action_id: "A" });
});

Deno.test("The action is text, blank is null, and other scalars become text", () => {
  for (const [actionId, stored] of [[" A ", "A"], ["", null], [null, null], [7, "7"], [true, "true"]]) {
    assertEquals(fieldsOf({ rid: "R", actionId }), { action_id: stored });
  }
});

Deno.test("Metadata comes with the highest index of the batches that it came with", () => {
  const posted = postEntries([
    {
      request: {
        rid: "R",
        key: "k",
        traceBatches: [{ index: 3, events: [] }, { index: 1, events: [] }, [1]],
      },
    },
    { request: { rid: "R", key: "k" }, trace: "[1]" },
    { request: { rid: "R", key: "k" }, trace: "[1]", traceBatch: { rid: "other", index: 9 } },
  ]);
  assertEquals(posted.of("request").map(({ json }) => json.index), [3, -1, -1]);
  assertEquals(posted.of("request").map(({ place }) => (place as TracePlace).index), [3, -1, -1]);
});

Deno.test("The time of an entry is its own where a calendar has it, else that of arrival", () => {
  const table: [unknown, number][] = [
    [7, 7],
    [0, 0],
    ["1710000000200", 1710000000200],
    [1710000000200.9, 1710000000200],
    [253402300799999, 253402300799999],
    [253402300800000, arrivedAt],
    [-1, arrivedAt],
    [1e300, arrivedAt],
    ["", arrivedAt],
    [null, arrivedAt],
    [{}, arrivedAt],
    [undefined, arrivedAt],
  ];
  for (const [t, stored] of table) {
    assertEquals(postEntries([{ rid: "R", actionId: "A", t }]).records[0].json.t, stored, JSON.stringify(t));
  }
});

Deno.test("Bodies and headers are copied byte for byte, halves of surrogate pairs mended", () => {
  const raw = String.raw`{"a": 1.0,"b":[12345678901234567890 ,"\/\ud83d\ude00"]}`;
  const posted = postBody(
    `{"entries":[{"request":{"rid":"R","respBody":1,"respBody":${raw},"headers":{"x":"\\ud800"},"key":"\\udc00"}}]}`,
  );
  const [{ line, json }] = posted.of("request");
  assert(line.includes(`"resp_body":${raw}}`), line);
  const { key, headers } = json.fields as Record<string, unknown>;
  assertEquals([key, headers], ["\ufffd", { x: "\ufffd" }]);
});
