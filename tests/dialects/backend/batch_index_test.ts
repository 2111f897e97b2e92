import { assertEquals, assertThrows } from "@std/assert";
import { indexBesideTrace, indexInWrapper, totalOf } from "../../../src/dialects/backend/batch_index.ts";
import { EntryRefusal } from "../../../src/dialects/backend/refusal.ts";

const missing = -1;

Deno.test("indexBesideTrace() coerces as JavaScript's Number() does, and knows what counts as left out", () => {
  const table: [unknown, number][] = [
    [3, 3],
    ["3", 3],
    [" 7 ", 7],
    ["0x10", 16],
    [true, 1],
    [false, 0],
    [[], 0],
    [["5"], 5],
    [-0, 0],
    [4294967295, 4294967295],
    [undefined, missing],
    [null, missing],
    ["", missing],
    ["  ", missing],
    ["abc", missing],
    [{}, missing],
    [{ valueOf: 3 }, missing],
    [[[1]], missing],
    [[1, 2], missing],
    [{ toString: 1, valueOf: 1 }, missing],
    [[{ toString: 1 }], missing],
  ];
  for (const [value, index] of table) {
    assertEquals(indexBesideTrace({ traceBatchIndex: value }), index, JSON.stringify(value));
  }
});

Deno.test("indexBesideTrace() refuses what is negative, fractional, not finite or too large", () => {
  for (const value of [-1, "-1", 1.5, "1.5", Infinity, "Infinity", -Infinity, 1e300, 4294967296]) {
    const refusal = assertThrows(() => indexBesideTrace({ traceBatchIndex: value }), EntryRefusal);
    assertEquals(refusal.reason, "bad_batch_index");
  }
});

Deno.test("Each place of an index has its names, and the first that is not null counts", () => {
  const tables: [(source: Record<string, unknown>) => number, string[]][] = [
    [indexBesideTrace, [
      ...["traceBatchIndex", "traceIndex", "traceSeq", "traceOrder", "batchIndex", "batch", "index"],
    ]],
    [indexInWrapper, ["batchIndex", "index", "seq", "batch", "order"]],
  ];
  for (const [read, names] of tables) {
    for (let first = 0; first < names.length; first++) {
      const source: Record<string, unknown> = {};
      names.slice(first).reverse().forEach((name) => source[name] = names.indexOf(name));
      names.slice(0, first).forEach((name) => source[name] = null);
      assertEquals(read(source), first);
    }
  }
  assertEquals(indexInWrapper({ traceBatchIndex: 3 }), missing);
  assertEquals(indexBesideTrace({ seq: 3, order: 3 }), missing);
});

Deno.test("totalOf() takes whole numbers from 1 on", () => {
  const table: [unknown, number][] = [
    [4, 4],
    ["4", 4],
    [0, -1],
    [-1, -1],
    [1.5, -1],
    ["x", -1],
    [null, -1],
    [undefined, -1],
    [Infinity, -1],
    [1e300, -1],
    [{ valueOf: 1 }, -1],
  ];
  for (const [total, expected] of table) assertEquals(totalOf({ total }), expected, JSON.stringify(total));
});
