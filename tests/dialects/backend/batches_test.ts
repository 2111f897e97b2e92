import { assert, assertEquals, assertNotEquals } from "@std/assert";
import { createHash } from "node:crypto";
import type { TracePlace } from "../../../src/base/record.ts";
import { batchesOf, postBody, postEntries } from "./post_entries.ts";

/** Request id, index and events; -1 is an index that was left out. */
function shortOf(entry: unknown): unknown[] {
  const posted = postEntries([entry]);
  assertEquals(posted.reply, { ok: true, accepted: 1, rejected: [] });
  return batchesOf(posted).map(({ index, events }) => [index, events]);
}

function reasonOf(entry: unknown): string | undefined {
  const posted = postEntries([entry]);
  assertEquals(posted.records, []);
  return posted.reply.rejected[0]?.reason;
}

Deno.test("D0: the whole trace in request.trace, without an index", () => {
  assertEquals(shortOf({ request: { rid: "R", trace: "[1,2]" } }), [[-1, [1, 2]]]);
});

Deno.test("D1: a trace with its index, in the request or in the entry", () => {
  assertEquals(shortOf({ request: { rid: "R", trace: "[1]", traceBatchIndex: 3 } }), [[3, [1]]]);
  assertEquals(shortOf({ traceRid: "R", trace: ["a"], batchIndex: "0" }), [[0, ["a"]]]);
});

Deno.test("D1: wrappers give their events under any of four names, or are the events", () => {
  for (const name of ["events", "data", "trace", "payload"]) {
    assertEquals(shortOf({ rid: "R", traceBatch: { index: 2, [name]: ["x"] } }), [[2, ["x"]]]);
    assertEquals(shortOf({ rid: "R", traceBatch: { order: 2, [name]: `["x"]` } }), [[2, ["x"]]]);
  }
  assertEquals(shortOf({ rid: "R", traceBatch: { events: null, data: [1] } }), [[-1, [1]]]);
  assertEquals(shortOf({ rid: "R", traceBatch: [1] }), [[-1, [1]]]);
  assertEquals(shortOf({ rid: "R", traceBatch: "[1]" }), [[-1, [1]]]);
});

Deno.test("D1: several wrapped batches, those without an index last", () => {
  const traceBatches = [["bare"], null, { batchIndex: 5, events: ["five"] }, {
    index: 4,
    events: `["four"]`,
  }];
  assertEquals(shortOf({ rid: "R", traceBatches }), [[5, ["five"]], [4, ["four"]], [-1, ["bare"]]]);
  assertEquals(shortOf({ rid: "R", traceBatches: { events: [1] } }), []);
});

Deno.test("D1: of one index the entry beats its request, trace beats traceBatch, and that traceBatches", () => {
  const all = (from: string): Record<string, unknown> => ({
    traceBatches: [{ index: 0, events: [`${from} batches`] }],
    traceBatch: { index: 0, events: [`${from} batch`] },
    trace: [`${from} trace`],
    traceBatchIndex: 0,
  });
  const entry = all("entry");
  const request = { rid: "R", ...all("request") };
  assertEquals(shortOf({ ...entry, request }), [[0, ["entry trace"]]]);
  assertEquals(shortOf({ request }), [[0, ["request trace"]]]);
  assertEquals(shortOf({ rid: "R", ...entry, trace: null }), [[0, ["entry batch"]]]);
  assertEquals(shortOf({ rid: "R", traceBatches: [...entry.traceBatches as [], { index: 0, data: [9] }] }), [[
    0,
    [
      9,
    ],
  ]]);
  assertEquals(shortOf({ request, traceBatch: { index: 1, events: [] } }), [[0, ["request trace"]], [1, []]]);
});

Deno.test("D2: metadata beside a trace says which batch it is, and never appears as events", () => {
  const posted = postEntries([{
    actionId: "A1",
    trace: `["t"]`,
    traceBatch: { rid: "R", index: 2, total: 4 },
    t: 9,
  }]);
  assertEquals(batchesOf(posted), [{ rid: "R", index: 2, total: 4, events: ["t"] }]);
  assertEquals(posted.of("batch")[0].json.total, 4);
  assertEquals(shortOf({ rid: "R", trace: "[1]", traceBatch: {} }), [[-1, [1]]]);
  assertEquals(shortOf({ rid: "R", trace: "[1]", traceBatchIndex: 6, traceBatch: { total: 9 } }), [[6, [1]]]);
  assertEquals(shortOf({ request: { rid: "R", trace: "[1]", traceBatch: { index: 3 } } }), [[3, [1]]]);
});

Deno.test("A wrapper that holds no events is refused, not stored as events", () => {
  for (const traceBatch of [{}, { rid: "R", index: 0, total: 1 }, 7, true, { events: { events: [1] } }]) {
    assertEquals(reasonOf({ rid: "R", traceBatch }), "trace_not_an_array");
  }
});

Deno.test("A trace that is no array is refused, and one that is no JSON", () => {
  for (const trace of [{}, 1, false, "{}", "1", `"[1]"`, "null"]) {
    assertEquals(reasonOf({ rid: "R", trace }), "trace_not_an_array", JSON.stringify(trace));
  }
  for (const trace of ["", " ", "[", "[1,]", "[1]]", "[1] [2]", "['a']", "\ufeff[1]", "\u00a0[1]"]) {
    assertEquals(reasonOf({ rid: "R", trace }), "trace_not_json", JSON.stringify(trace));
  }
});

Deno.test("An empty trace is a batch only when an index or a total says so", () => {
  assertEquals(shortOf({ request: { rid: "R", status: 200, trace: "[]" } }), []);
  assertEquals(shortOf({ rid: "R", trace: " [ ] " }), []);
  assertEquals(shortOf({ rid: "R", trace: "[]", traceIndex: 1 }), [[1, []]]);
  assertEquals(shortOf({ trace: "[]", traceBatch: { rid: "R", total: 1 } }), [[-1, []]]);
});

Deno.test("A bad index refuses the entry wherever it stands", () => {
  for (const index of [-1, 0.5, "Infinity"]) {
    assertEquals(reasonOf({ rid: "R", trace: "[1]", traceIndex: index }), "bad_batch_index");
    assertEquals(reasonOf({ rid: "R", traceBatch: { index, events: [] } }), "bad_batch_index");
    assertEquals(reasonOf({ trace: "[1]", traceBatch: { rid: "R", index } }), "bad_batch_index");
    assertEquals(reasonOf({ rid: "R", traceBatches: [[1], { seq: index, data: [] }] }), "bad_batch_index");
  }
});

Deno.test("The line of a batch says where its index and its events lie", () => {
  const text = ` \t\n[{"…":"\\n"},\r\n1 ]\n`;
  const posted = postEntries([
    { rid: "ré", trace: text, t: 5 },
    { rid: "ré", trace: text, traceBatchIndex: 12, t: "6" },
    { rid: "ré", traceBatch: { index: 1, total: 3, events: [{ "…": 1 }] } },
  ]);
  const [left, named, wrapped] = posted.of("batch");
  const bytesOf = (line: string, at: number, size: number): string =>
    new TextDecoder().decode(new TextEncoder().encode(line).subarray(at, at + size));
  for (const { line, place, json } of [left, named, wrapped]) {
    const { eventsOffset, eventsLength, hash, t } = place as TracePlace;
    assertEquals(line.indexOf("\n"), line.length - 1);
    assert(!line.includes("\r"));
    const events = bytesOf(line, eventsOffset, eventsLength);
    assertEquals(JSON.parse(events), json.events);
    assertEquals([events[0], events.at(-1)], ["[", "]"]);
    assertEquals(line.slice(line.indexOf(events) + events.length), "}\n");
    assertEquals(hash, createHash("sha256").update(events).digest().readUIntBE(0, 6));
    assertEquals([json.hash, json.t], [hash, t]);
    assertEquals(json, { ...json, kind: "batch", app: "shop", sid: "S1", rid: "ré" });
  }
  assertEquals([5, 6], [left, named].map(({ json }) => json.t));
  const { indexOffset, assumed, index } = left.place as TracePlace;
  assertEquals(bytesOf(left.line, indexOffset - 8, 19), `"index":${" ".repeat(10)},`);
  assertEquals({ assumed, index, flag: left.json.index_assumed }, { assumed: true, index: -1, flag: true });
  const { indexOffset: none, assumed: no } = named.place as TracePlace;
  assertEquals([none, no, named.json.index, "index_assumed" in named.json], [0, false, 12, false]);
});

Deno.test("Events that are an array in the body are copied byte for byte", () => {
  const events = String.raw`[ 1.0 , 12345678901234567890, "\u00e9\/…" ,{"a":1,"a":2} ]`;
  const bodies = [
    `{"rid":"R","trace":[0],"trace":${events}}`,
    `{"request":{"rid":"R","trace":${events}}}`,
    `{"rid":"R","traceBatch":{"events":${events}}}`,
    `{"rid":"R","traceBatches":[[0], {"index":3, "data" : ${events} , "x":[]}]}`,
  ];
  for (const entry of bodies) {
    assert(
      postBody(`{"entries":[${entry}]}`).records.some(({ line }) => line.includes(`"events":${events}}`)),
      entry,
    );
  }
});

Deno.test("Halves of surrogate pairs in events are mended, whole pairs and escaped backslashes are not touched", () => {
  const text = String.raw`["\ud83d\ude00","\ud83d","\ude00x","\\ud83d"]`;
  const mended = String.raw`["\ud83d\ude00","\ufffd","\ufffdx","\\ud83d"]`;
  for (const trace of [JSON.stringify(text), text]) {
    const { line } = postBody(`{"entries":[{"rid":"R","trace":${trace}}]}`).of("batch")[0];
    assert(line.includes(`"events":${mended}}`), line);
  }
  assertEquals(shortOf({ rid: "R", trace: `["a\ud83d😀\udc00"]` }), [[-1, ["a\ufffd😀\ufffd"]]]);
});

Deno.test("A trace that is text may nest as deeply as a body may", () => {
  const nested = (depth: number): string => "[".repeat(depth) + "]".repeat(depth);
  assertEquals(shortOf({ rid: "R", trace: nested(20) }).length, 1);
  assertEquals(reasonOf({ rid: "R", trace: nested(21) }), "validation");
  assertEquals(reasonOf({ rid: "R", trace: nested(10_000) }), "validation");
});

Deno.test("A list of batches is no longer than one of entries may be", () => {
  const batches = (count: number): unknown => ({ rid: "R", traceBatches: Array(count).fill([1]) });
  assertEquals(shortOf(batches(10)).length, 10);
  assertEquals(reasonOf(batches(11)), "validation");
  assertEquals(reasonOf({ request: batches(11) }), "validation");
});

Deno.test("The same events have the same hash, others another one", () => {
  const posted = postEntries([{ rid: "R", trace: "[1]" }, { rid: "R", trace: [1] }, {
    rid: "R",
    trace: "[2]",
  }]);
  const [text, array, other] = posted.of("batch").map(({ json }) => json.hash);
  assertEquals(text, array);
  assertNotEquals(text, other);
});
