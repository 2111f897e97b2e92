import { assert, assertEquals, assertThrows } from "@std/assert";
import { WeirError } from "../../src/base/errors.ts";
import { NdjsonRows } from "../../src/parse/ndjson_rows.ts";
import type { RowLimits } from "../../src/parse/window.ts";
import {
  cutAt,
  inPieces,
  judgeLines,
  readLines,
  rowBytes,
  toBytes,
  toText,
  wide,
  windowsOf,
} from "./verdicts.ts";

const bodies = [
  "",
  "\n",
  "\r\n \n\t\r\n",
  "1",
  "1\n",
  "1\n2",
  "1\r\n2\r\n",
  "\n\n1\n\n \n2\n\n",
  ' {"a":[1,2]} \n "é😀\\ud83d\\ude00" \n-0',
  "1,2\n[3\n4]\n5",
  '1\n"a\nb"\n2',
  "[1\n2]",
  '{"a":"\n"}',
  '"\\\n"',
  "1\nnul\n2",
  "1\n2 3\n4",
  "]\n[\n}\n{\n,\n:\n1",
  "[}\n{]\n[1}",
  "1\n\ufeff2\n3",
  "\ufeff1\n2",
  "1\n\u00a0\n2",
  "[\r1\r]\r\n2",
  '"a\rb"\n1',
];

for (const text of bodies) {
  Deno.test(`NdjsonRows says what JSON.parse says of each line of ${JSON.stringify(text)}, cut anywhere`, () => {
    const body = toBytes(text);
    const expected = judgeLines(body);
    assertEquals(readLines(inPieces(body, 1)), expected);
    for (let a = 0; a <= body.length; a++) {
      for (let b = a; b <= body.length; b++) assertEquals(readLines(cutAt(body, [a, b])), expected);
    }
  });
}

Deno.test("NdjsonRows refuses only the line that is not UTF-8", () => {
  const body = new Uint8Array([...toBytes('"é"\n"'), 0xc3, ...toBytes('"\n"\u20ac"')]);
  for (let cut = 0; cut <= body.length; cut++) {
    assertEquals(readLines(cutAt(body, [cut])), [{ value: "é" }, "malformed", { value: "€" }]);
  }
});

Deno.test("NdjsonRows says why a line is malformed, and nothing of what it holds", () => {
  const source = new NdjsonRows({ limits: { ...wide, maxDepth: 2 } });
  const body = new Uint8Array([...toBytes('1\n[[[]]]\nsecret\n"'), 0xff, ...toBytes('"\n[[]]\n{"a"\n')]);
  const [window] = windowsOf(source, [body]);
  assertEquals(Array.from({ length: 6 }, (_, i) => window.malformed(i)), [
    undefined,
    "Nested too deeply: at most 2 levels",
    "Not valid JSON",
    "Not valid UTF-8",
    undefined,
    "Not valid JSON",
  ]);
  assertEquals(Array.from({ length: 6 }, (_, i) => window.value(i)), [
    1,
    undefined,
    undefined,
    undefined,
    [[]],
    undefined,
  ]);
  window.settle();
});

Deno.test("NdjsonRows refuses a line of a million levels without parsing it", () => {
  const lines = readLines([toBytes("1\n" + "[".repeat(1_000_000) + "\n2")]);
  assertEquals(lines, [{ value: 1 }, "malformed", { value: 2 }]);
});

Deno.test("NdjsonRows.push() gives the rows that are complete, and finish() the one without a line break", () => {
  const source = new NdjsonRows({ limits: wide });
  const rows = (windows: Iterable<{ firstIndex: number; count: number }>) =>
    Array.from(windows, (window) => [window.firstIndex, window.count]);
  assertEquals(rows(source.push(toBytes("1\n2\n3"))), [[0, 2]]);
  assertEquals(rows(source.push(toBytes("4"))), []);
  assertEquals(rows(source.push(toBytes("\n\n5"))), [[2, 1]]);
  assertEquals(rows(source.finish()), [[3, 1]]);
  assertEquals([source.rows, source.bytes], [4, 9]);
  assertThrows(() => source.push(toBytes("6")));
  assertThrows(() => source.finish());
});

Deno.test("NdjsonRows gives windows of at most 50 rows", () => {
  const counts = (rows: number) => {
    const source = new NdjsonRows({ limits: wide });
    return Array.from(windowsOf(source, [toBytes("{}\n".repeat(rows))]), (window) => window.count);
  };
  assertEquals([counts(49), counts(50), counts(51), counts(101)], [[49], [50], [50, 1], [50, 50, 1]]);
});

Deno.test("NdjsonRows gives windows of at most 256 KiB, and a larger row by itself", () => {
  const half = 128 * 1024;
  const counts = (...sizes: number[]) => {
    const source = new NdjsonRows({ limits: wide });
    const body = toBytes(sizes.map((bytes) => '"' + "x".repeat(bytes - 2) + '"\n').join(""));
    return Array.from(windowsOf(source, [body]), (window) => window.count);
  };
  assertEquals(counts(half, half - 1), [2]);
  assertEquals(counts(half, half), [1, 1]);
  assertEquals(counts(10, 2 * half, 10), [1, 1, 1]);
  assertEquals(counts(10, 3 * half, 10, 10), [1, 1, 2]);
});

/** A limit, a body that just keeps it, one that does not, and the error. */
const limits: [string, Partial<RowLimits>, string, string, string][] = [
  ["maxRows", { maxRows: 2 }, "1\n\n2\n\n", "1\n2\n3", "too_many_rows"],
  ["maxRowBytes", { maxRowBytes: 4 }, '1\n"ab"\n2', '1\n"abc"\n2', "body_too_large"],
  ["maxRowBytes at the end", { maxRowBytes: 4 }, '1\n"ab"', '1\n"abc"', "body_too_large"],
  ["maxRowBytes of white space", { maxRowBytes: 4 }, "    \n1", "     \n1", "body_too_large"],
  ["maxBodyBytes", { maxBodyBytes: 4 }, "1\n2\n", "1\n2\n3", "body_too_large"],
];

for (const [name, limit, kept, broken, code] of limits) {
  Deno.test(`NdjsonRows takes a body at ${name} and ends one beyond, cut anywhere`, () => {
    for (let cut = 0; cut <= kept.length; cut++) {
      assertEquals(readLines(cutAt(toBytes(kept), [cut]), limit), judgeLines(toBytes(kept)));
    }
    for (let cut = 0; cut <= broken.length; cut++) {
      const error = assertThrows(() => readLines(cutAt(toBytes(broken), [cut]), limit), WeirError);
      assertEquals(error.code, code);
    }
  });
}

Deno.test("NdjsonRows refuses a line of 100 MB with a buffer no larger than its limits", () => {
  const source = new NdjsonRows({ limits: { ...wide, maxRowBytes: 1 << 20 } });
  const chunk = new Uint8Array(65536).fill(0x20);
  let pushed = 0;
  const error = assertThrows(
    () => {
      for (; pushed < 100e6; pushed += chunk.length) {
        for (const _ of source.push(chunk.slice())) assert(false);
      }
    },
    WeirError,
  );
  assertEquals(error.code, "body_too_large");
  assert(pushed <= (1 << 20) + 65536);
  assert(source.capacity <= 2 * ((1 << 20) + 2 * 65536), `capacity is ${source.capacity}`);
  assertThrows(() => source.push(chunk), WeirError);
});

Deno.test("NdjsonRows reads a long line byte by byte in time that grows with its length", () => {
  const body = toBytes(JSON.stringify("x".repeat(600_000)) + "\n1");
  const start = performance.now();
  assertEquals(readLines(inPieces(body, 1)), judgeLines(body));
  assert(performance.now() - start < 10_000, "600,000 pushes of one byte must not search the line each time");
});

Deno.test("NdjsonRows gives the bytes of malformed rows too", () => {
  const source = new NdjsonRows({ limits: wide });
  const [window] = windowsOf(source, [toBytes(" 1 \r\n oops \n")]);
  assertEquals([0, 1].map((i) => toText(rowBytes(window, i))), ["1", "oops"]);
});

Deno.test("NdjsonRows makes one list of lines with blank ones among them", () => {
  const [window] = windowsOf(new NdjsonRows({ limits: wide }), [toBytes("\n1\n\r\n\n2\n")]);
  assertEquals(toText(window.bytes), " 1,   2,");
});

Deno.test("NdjsonRows takes nothing more once its windows were given up half-way", () => {
  const source = new NdjsonRows({ limits: { ...wide, windowRows: 1 } });
  for (const _ of source.push(toBytes("1\n2\n3"))) break;
  assertThrows(() => source.push(toBytes("4")));
  const unpulled = new NdjsonRows({ limits: wide });
  unpulled.push(toBytes("1\n"));
  assertThrows(() => unpulled.push(toBytes("2\n")), Error, "not all pulled");
});
