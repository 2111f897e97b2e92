import { assertEquals, assertStrictEquals, assertThrows } from "@std/assert";
import { WeirError } from "../../src/base/errors.ts";
import { JsonRows } from "../../src/parse/json_rows.ts";
import { NdjsonRows } from "../../src/parse/ndjson_rows.ts";
import type { RowWindow } from "../../src/parse/window.ts";
import { toBytes, wide, windowsOf } from "./verdicts.ts";

function jsonWindow(rows: string): RowWindow {
  const source = new JsonRows({ rowsKey: "events", limits: wide });
  return [...windowsOf(source, [toBytes(`{"events":[${rows}]}`)])][0];
}

function ndjsonWindow(rows: string): RowWindow {
  return [...windowsOf(new NdjsonRows({ limits: wide }), [toBytes(rows)])][0];
}

Deno.test("RowWindow.value() parses a window once", () => {
  const window = jsonWindow('{"a":1},{"a":2}');
  const first = window.value(0);
  assertStrictEquals(window.value(0), first);
  assertEquals([first, window.value(1)], [{ a: 1 }, { a: 2 }]);
});

Deno.test("RowWindow.value() parses one row where others are trusted", () => {
  const window = jsonWindow("1,{},3");
  window.trust(0);
  assertStrictEquals(window.value(1), window.value(1));
  assertEquals([0, 1, 2].map((i) => window.value(i)), [1, {}, 3]);
});

Deno.test("RowWindow.value() throws for every row of a JSON body when one is no JSON", () => {
  for (const i of [0, 1, 2]) {
    const window = jsonWindow("1,x,3");
    assertEquals(assertThrows(() => window.value(i), WeirError, "row 1 ").code, "malformed_json");
    assertThrows(() => window.value(i), WeirError, "row 1 ");
    assertThrows(() => window.settle(), WeirError, "row 1 ");
  }
});

Deno.test("RowWindow.settle() finds the malformed row that nobody read", () => {
  for (const read of [[], [0], [0, 2]]) {
    const window = jsonWindow("1,x,3");
    read.forEach((i) => window.trust(i));
    assertEquals(assertThrows(() => window.settle(), WeirError, "row 1 ").code, "malformed_json");
  }
  const window = jsonWindow("1,x,3");
  window.trust(2);
  assertEquals(window.value(0), 1);
  assertThrows(() => window.settle(), WeirError, "row 1 ");
});

Deno.test("RowWindow.settle() takes the word of whoever trusted a row", () => {
  const window = jsonWindow("x,y");
  window.trust(0);
  window.trust(1);
  window.settle();
});

Deno.test("RowWindow.trust() does not hide a row that was found malformed", () => {
  const window = ndjsonWindow("1\nx\n]\n2\n");
  window.trust(0);
  window.trust(2);
  assertEquals(window.malformed(2), "Not valid JSON");
  assertEquals(window.malformed(1), "Not valid JSON");
  window.trust(1);
  assertEquals(window.malformed(1), "Not valid JSON");
  window.settle();
  assertEquals([0, 1, 2, 3].map((i) => window.value(i)), [1, undefined, undefined, 2]);
});

Deno.test("RowWindow.malformed() is undefined for every row of a JSON body", () => {
  assertEquals(jsonWindow("1,x").malformed(1), undefined);
});

Deno.test("RowWindow.settle() lets an NDJSON window with malformed rows pass", () => {
  const window = ndjsonWindow("1\nx\n2\n");
  window.settle();
  assertEquals([0, 1, 2].map((i) => window.malformed(i)), [undefined, "Not valid JSON", undefined]);
});

Deno.test("RowWindow.isFlawed() knows what the scan has seen, without parsing", () => {
  const window = ndjsonWindow("1\n[\nx\n");
  assertEquals([0, 1, 2].map((i) => window.isFlawed(i)), [false, true, false]);
  window.settle();
  assertEquals([0, 1, 2].map((i) => window.isFlawed(i)), [false, true, true]);
  for (const open of ["[1", '"a', '{"a":"']) assertEquals(ndjsonWindow(open).isFlawed(0), true);
});

Deno.test("RowWindow.value() leaves the bytes around the rows as they were", () => {
  for (const window of [jsonWindow("1,2"), ndjsonWindow("\n1\n2\n"), ndjsonWindow("1\n2")]) {
    const before = window.bytes.slice();
    window.value(0);
    assertEquals(window.bytes, before);
  }
});

Deno.test("RowWindow.copyFrom() keeps rows, their indexes and their faults when the bytes are overwritten", () => {
  for (const from of [0, 1, 2]) {
    for (const isRead of [false, true]) {
      const window = ndjsonWindow('{"a":1}\n {"a":"\\u00e9"} \n{"a":\n{"a":4}\n');
      if (isRead) window.value(0);
      const copy = window.copyFrom(from);
      window.bytes.fill(0x20);
      const rows = [{ a: 1 }, { a: "é" }, undefined, { a: 4 }].slice(from);
      assertEquals([copy.firstIndex, copy.count, copy.hasUnicodeEscape], [from, rows.length, true]);
      assertEquals(rows.map((_, i) => copy.value(i)), rows);
      assertEquals(copy.isFlawed(2 - from), true);
      assertEquals(
        new TextDecoder().decode(copy.bytes.subarray(copy.start(3 - from), copy.end(3 - from))),
        '{"a":4}',
      );
    }
  }
});
