import { assertEquals, assertThrows } from "@std/assert";
import { EntryRefusal } from "../../../src/dialects/backend/refusal.ts";
import { asRequestId, requestIdOf } from "../../../src/dialects/backend/request_id.ts";
import { batchesOf, postEntries } from "./post_entries.ts";

const order = [
  ["request", "rid"],
  ["request", "requestRid"],
  ["request", "requestId"],
  ["entry", "requestRid"],
  ["entry", "request_id"],
  ["entry", "requestId"],
  ["entry", "rid"],
  ["entry", "traceRid"],
  ["entry", "reqRid"],
] as const;

Deno.test("requestIdOf() takes the first candidate of the contract's order", () => {
  for (let first = 0; first < order.length; first++) {
    const request: Record<string, unknown> = {};
    const entry: Record<string, unknown> = { request };
    // Written backwards, so that the order of members cannot be what decides.
    for (const [on, name] of order.slice(first).reverse()) {
      (on === "request" ? request : entry)[name] = `${on}.${name}`;
    }
    assertEquals(requestIdOf(entry), order[first].join("."));
  }
  assertEquals(requestIdOf({ request: {} }), undefined);
  assertEquals(requestIdOf({ request: null, rid: "R" }), "R");
});

Deno.test("requestIdOf() passes over candidates that are blank or no id", () => {
  for (const blank of ["", "  ", "\n", null, true, {}, ["R"], Infinity]) {
    assertEquals(requestIdOf({ request: { rid: blank, requestId: "R" } }), "R");
  }
});

Deno.test("asRequestId() trims texts and makes texts of numbers", () => {
  const table: [unknown, string | undefined][] = [
    [" R ", "R"],
    [17, "17"],
    [0, "0"],
    [1.5, "1.5"],
    ["x".repeat(256), "x".repeat(256)],
    [" ", undefined],
    [undefined, undefined],
  ];
  for (const [value, rid] of table) assertEquals(asRequestId(value), rid);
});

Deno.test("asRequestId() refuses ids that are too long or hold half a surrogate pair", () => {
  for (const rid of ["x".repeat(257), "a\ud800"]) assertThrows(() => asRequestId(rid), EntryRefusal);
});

Deno.test("An entry's traceBatch.rid names the request when nothing else does, and beats all for the batch", () => {
  const traceBatch = { rid: "T", index: 0, total: 1 };
  assertEquals(batchesOf(postEntries([{ trace: "[1]", traceBatch }]))[0].rid, "T");
  const both = postEntries([{ request: { rid: "R", status: 200 }, trace: "[1]", traceBatch }]);
  assertEquals(both.of("request").map(({ json }) => json.rid), ["R"]);
  assertEquals(batchesOf(both).map(({ rid }) => rid), ["T"]);
});
