import { assert, assertEquals, assertInstanceOf, assertStringIncludes, assertThrows } from "@std/assert";
import { WeirError } from "../../src/base/errors.ts";
import { JsonRows } from "../../src/parse/json_rows.ts";
import type { RowLimits } from "../../src/parse/window.ts";
import {
  assertSameVerdict,
  cutAt,
  inPieces,
  judge,
  readJson,
  rowBytes,
  toBytes,
  toText,
  wide,
  windowsOf,
} from "./verdicts.ts";

const bodies = [
  '{"events":[]}',
  '{"events":[1]}',
  '{"events":[1,2,3],"a":4}',
  ' { "a" : [ 1 , [ 2 ] ] , "events" : [ 1.5e-3 , "x" , null , { "a" : "]" } ] , "b" : { "events" : [ 9 ] } } \n',
  '{"events":["\\"","\\\\","\\\\\\"],[","\\u00e9\\ud83d\\ude00é😀"]}',
  '{"\\u0065vents":[{"k":"v"}]}',
  '{"event\\u0073"\n:\r\n[\n{\r\n"k"\t:\n[\n]\n}\n]\n}',
  '{"é":1,"events":[-0,12345678901234567890]}',
  '{"events":null}',
  '{"events":{"0":[1]},"a":"events"}',
  '{"events":"[1]"}',
  '{"a":{"events":[1]}}',
  "{}",
  " {\n} ",
  "[1,2]",
  '"events"',
  "12",
  "-",
  "nul",
  "null",
  "",
  " ",
  "{",
  '{"events":[1,2',
  '{"events":[1,2]',
  '{"events":[1,2]}}',
  '{"events":[1,2]},',
  '{"events":[1,2}',
  '{"events":[1,2]]',
  '{"events":[1,]}',
  '{"events":[,1]}',
  '{"events":[,]}',
  '{"events":[1,,2]}',
  '{"events":[ , ]}',
  '{"events":[1 2]}',
  '{"events":[1:2]}',
  '{"events":[{]}]}',
  '{"events":[[}]]}',
  '{"events":["a]}',
  '{"events":["\\x"]}',
  '{"events":["\\u12"]}',
  '{"events":[01]}',
  '{"events":[+1]}',
  '{"events":[1]"a":2}',
  '{"events":[1],}',
  '{"events":[1],"a"}',
  '{"events":[1],"a":}',
  '{"events":[1],"a":1:2}',
  '{"events":x[1]}',
  '{x"events":[1]}',
  '{"a" "events":[1]}',
  '{"events""":[1]}',
  '{"events" :[1] [2]}',
  '{:"events":[1]}',
  '{,"events":[1]}',
  '{"a":1,,"events":[1]}',
  '{"a","events":[1]}',
  '{"a":"b"\n"events":[1]}',
  "{'events':[1]}",
  '{"events":[\u00a01]}',
  '{"events":[1]}\u0000',
  '\ufeff{"events":[1]}',
  '{"events":[\ufeff1]}',
  '{"events":[1\ufeff]}',
  '{"events":[1],"events":[2]}',
  '{"events":[1],"\\u0065vents":2}',
  '{"events":1,"events":[2]}',
  '{"events":1,"events":2}',
  '{"a":[1],"a":[2],"__proto__":{"x":1},"events":[{"__proto__":1}]}',
  '{"events":["a\nb"]}',
  '{"events":[1\n,\r2]}',
];

for (const text of bodies) {
  Deno.test(`JsonRows says what JSON.parse says of ${JSON.stringify(text)}, cut anywhere`, () => {
    const body = toBytes(text);
    const expected = judge(body, ["events"]);
    assertSameVerdict(readJson([body.slice()]), expected, body);
    assertSameVerdict(readJson(inPieces(body, 1)), expected, body);
    for (let a = 0; a <= body.length; a++) {
      for (let b = a; b <= body.length; b++) {
        assertSameVerdict(readJson(cutAt(body, [a, b])), expected, body);
      }
    }
  });
}

Deno.test("JsonRows refuses bytes that are not UTF-8, wherever they stand and wherever it is cut", () => {
  for (
    const bad of [[0xff], [0xc3], [0xe2, 0x82], [0xed, 0xa0, 0x80], [0xc0, 0x80], [0xf5, 0x80, 0x80, 0x80]]
  ) {
    for (
      const [before, behind] of [['{"events":["', '"]}'], ['{"a":"', '","events":[1]}'], ['{"', '":[1]}']]
    ) {
      const body = new Uint8Array([...toBytes(before), ...bad, ...toBytes(behind)]);
      for (let cut = 0; cut <= body.length; cut++) {
        assertEquals(readJson(cutAt(body, [cut])), { error: "invalid_utf8" });
      }
    }
  }
});

Deno.test("JsonRows names the key that held the rows when there may be several", () => {
  const keys = ["files", "traces"];
  const read = (text: string) => readJson([toBytes(text)], keys);
  assertEquals(read('{"traces":[1],"a":2}'), {
    rowsKey: "traces",
    rows: [1],
    envelope: { traces: [], a: 2 },
  });
  assertEquals(read('{"files":null,"traces":[1]}'), {
    rowsKey: "traces",
    rows: [1],
    envelope: { files: null, traces: [] },
  });
  assertEquals(read('{"files":[1],"traces":null}'), {
    rowsKey: "files",
    rows: [1],
    envelope: { files: [], traces: null },
  });
  assertEquals(read('{"files":[1],"traces":[]}'), { error: "duplicate_rows_key" });
  assertEquals(read('{"files":1,"files":[]}'), { error: "duplicate_rows_key" });
});

Deno.test("JsonRows keeps the order of the outer object's keys and the last of two equal ones", () => {
  const verdict = readJson([toBytes('{"b":1,"events":[1],"a":2,"b":3}')]);
  assertEquals(
    JSON.stringify(verdict),
    '{"rowsKey":"events","rows":[1],"envelope":{"b":3,"events":[],"a":2}}',
  );
});

const row = (bytes: number) => '"' + "x".repeat(bytes - 2) + '"';

/** A limit, a body that just keeps it, one that does not, and the error. */
const limits: [string, Partial<RowLimits>, string, string, string][] = [
  ["maxRows", { maxRows: 3 }, '{"events":[1,2,3]}', '{"events":[1,2,3,4]}', "too_many_rows"],
  ["maxRows 0", { maxRows: 0 }, '{"events":[ ]}', '{"events":[1]}', "too_many_rows"],
  [
    "maxRowBytes",
    { maxRowBytes: 40 },
    `{"events":[1,${row(40)},${row(40)}]}`,
    `{"events":[1,${row(41)}]}`,
    "body_too_large",
  ],
  ["maxDepth in rows", { maxDepth: 4 }, '{"events":[[{}]]}', '{"events":[[{"a":[]}]]}', "too_deep"],
  ["maxDepth beside rows", { maxDepth: 4 }, '{"a":[[[]]]}', '{"a":[[[{}]]]}', "too_deep"],
  ["maxDepth of the rows", { maxDepth: 2 }, '{"events":[]}', '{"events":[{}]}', "too_deep"],
  ["maxDepth of the array", { maxDepth: 1 }, '{"events":1}', '{"events":[]}', "too_deep"],
  [
    "maxEnvelopeBytes",
    { maxEnvelopeBytes: 19 },
    '{"events":[1],"a":2}',
    '{"events":[1],"a":22}',
    "body_too_large",
  ],
  ["maxEnvelopeBytes alone", { maxEnvelopeBytes: 8 }, '{"ab":1}', '{"abc":1}', "body_too_large"],
  ["maxBodyBytes", { maxBodyBytes: 14 }, '{"events":[1]}', '{"events":[1]} ', "body_too_large"],
];

for (const [name, limit, kept, broken, code] of limits) {
  Deno.test(`JsonRows takes a body at ${name} and refuses one beyond, cut anywhere`, () => {
    for (let cut = 0; cut <= kept.length; cut++) {
      const expected = judge(toBytes(kept), ["events"]);
      assertSameVerdict(readJson(cutAt(toBytes(kept), [cut]), ["events"], limit), expected, toBytes(kept));
    }
    for (let cut = 0; cut <= broken.length; cut++) {
      assertEquals(readJson(cutAt(toBytes(broken), [cut]), ["events"], limit), { error: code });
    }
    assertEquals(readJson(inPieces(toBytes(broken), 1), ["events"], limit), { error: code });
  });
}

Deno.test("JsonRows names the limit in the message, and nothing of the body", () => {
  const source = new JsonRows({ rowsKey: "events", limits: { ...wide, maxRowBytes: 5 } });
  const error = assertThrows(
    () => [...source.push(toBytes('{"events":["secret"]}'))],
    WeirError,
    "max_row_bytes: 5 bytes",
  );
  assertEquals(error.status, 413);
  const broken = new JsonRows({ rowsKey: "events", limits: wide });
  const windows = [...broken.push(toBytes('{"events":[1,secret]}')), ...broken.finish()];
  const malformed = assertThrows(() => windows[0].value(0), WeirError, "row 1 ");
  assertEquals([malformed.code, malformed.cause], ["malformed_json", undefined]);
  assert(!malformed.message.includes("secret"));
});

Deno.test("JsonRows refuses nesting of a million levels while it scans", () => {
  const deep = toBytes("[".repeat(1_000_000));
  for (const before of ['{"events":[', '{"a":', ""]) {
    const source = new JsonRows({ rowsKey: "events", limits: wide });
    const chunk = new Uint8Array([...toBytes(before), ...deep.subarray(0, 1000)]);
    const error = assertThrows(() => [...source.push(chunk)], WeirError);
    assertEquals(error.code, "too_deep");
  }
  assertEquals(readJson([toBytes('{"events":['), deep]), { error: "too_deep" });
});

Deno.test("JsonRows reads nesting of a million levels when it may", () => {
  const rows = "[".repeat(1_000_000) + "]".repeat(1_000_000);
  const limits = { ...wide, maxDepth: 2_000_000 };
  const source = new JsonRows({ rowsKey: "events", limits });
  let count = 0;
  for (const window of windowsOf(source, inPieces(toBytes(`{"events":[${rows}]}`), 65536))) {
    window.settle();
    count += window.count;
  }
  assertEquals(count, 1);
});

for (const [where, before] of [["a row", '{"events":["'], ["the envelope", '{"a":"'], ["a key", '{"']]) {
  Deno.test(`JsonRows refuses a string of 100 MB in ${where} with a buffer no larger than its limits`, () => {
    const limits = { ...wide, maxRowBytes: 1 << 20, maxEnvelopeBytes: 1 << 16 };
    const source = new JsonRows({ rowsKey: "events", limits });
    const chunk = new Uint8Array(65536).fill(0x20);
    for (const _ of source.push(toBytes(before))) assert(false);
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
    assert(source.capacity <= 2 * ((1 << 20) + 3 * 65536), `capacity is ${source.capacity}`);
  });
}

Deno.test("JsonRows keeps its buffer small while megabytes of rows, white space and envelope pass", () => {
  const source = new JsonRows({ rowsKey: "events", limits: wide });
  const rows = toBytes(`{"a":"${"x".repeat(500)}"},`.repeat(121) + " ".repeat(5000));
  const space = new Uint8Array(65536).fill(0x20);
  let count = 0;
  const take = (chunk: Uint8Array) => {
    for (const window of source.push(chunk)) count += window.count;
  };
  take(toBytes('{"events":['));
  for (let i = 0; i < 101; i++) {
    take(rows.slice());
    take(space.slice());
    take(space.slice());
  }
  for (let i = 0; i < 40; i++) take(space.slice());
  take(toBytes('1],"a":"'));
  for (let i = 0; i < 40; i++) take(space.slice());
  take(toBytes('"}'));
  for (const window of source.finish()) count += window.count;
  assertEquals(count, 12222);
  assert(source.capacity <= 2 * (256 * 1024 + 3 * 65536), `capacity is ${source.capacity}`);
});

Deno.test("JsonRows reads a long row byte by byte in time that grows with its length", () => {
  const text = JSON.stringify({ events: [{ a: "x".repeat(600_000) }, 1] });
  const start = performance.now();
  assertEquals(readJson(inPieces(toBytes(text), 1)), judge(toBytes(text), ["events"]));
  assert(performance.now() - start < 10_000, "600,000 pushes of one byte must not copy the row each time");
});

/** Row counts of the windows of a body. */
function windowCounts(text: string, chunkBytes: number, limits: Partial<RowLimits> = {}): number[] {
  const source = new JsonRows({ rowsKey: "events", limits: { ...wide, ...limits } });
  return Array.from(windowsOf(source, inPieces(toBytes(text), chunkBytes)), (window) => window.count);
}

Deno.test("JsonRows gives windows of 50 rows, the same at each chunking", () => {
  const body = (rows: number) => JSON.stringify({ events: Array.from({ length: rows }, (_, i) => ({ i })) });
  for (const chunkBytes of [1, 2, 3, 7, 64, 1000, 100_000]) {
    assertEquals(windowCounts(body(49), chunkBytes), [49]);
    assertEquals(windowCounts(body(50), chunkBytes), [50]);
    assertEquals(windowCounts(body(51), chunkBytes), [50, 1]);
    assertEquals(windowCounts(body(101), chunkBytes), [50, 50, 1]);
    assertEquals(windowCounts(body(0), chunkBytes), []);
  }
});

Deno.test("JsonRows gives windows of at most 256 KiB, and a larger row by itself", () => {
  const half = 128 * 1024;
  const body = (...sizes: number[]) => `{"events":[${sizes.map(row).join(",")}]}`;
  for (const chunkBytes of [1000, 65536, 1 << 20]) {
    assertEquals(windowCounts(body(half, half - 1), chunkBytes), [2]);
    assertEquals(windowCounts(body(half, half), chunkBytes), [1, 1]);
    assertEquals(windowCounts(body(10, 2 * half, 10), chunkBytes), [1, 1, 1]);
    assertEquals(windowCounts(body(10, 3 * half, 10, 10), chunkBytes), [1, 1, 2]);
    assertEquals(windowCounts(`{"events":[1,${" ".repeat(3 * half)}2,3]}`, chunkBytes), [1, 2]);
    assertEquals(windowCounts(`{"events":[1${" ".repeat(3 * half)},2,3]}`, chunkBytes), [1, 2]);
  }
});

Deno.test("JsonRows gives a full window from push(), and the last one from finish() after the verdict", () => {
  const source = new JsonRows({ rowsKey: "events", limits: { ...wide, windowRows: 2 } });
  const push = (text: string) => Array.from(source.push(toBytes(text)), (window) => window.count);
  assertEquals(push('{"events":[1,2'), []);
  assertEquals(push(",3"), [2]);
  assertEquals(push('],"a":1}'), []);
  assertEquals(source.rows, 3);
  assertEquals(source.bytes, 24);
  assertEquals(Array.from(source.finish(), (window) => [window.firstIndex, window.value(0)]), [[2, 3]]);
});

Deno.test("JsonRows gives no last window when the body is cut off", () => {
  const source = new JsonRows({ rowsKey: "events", limits: wide });
  assertEquals([...source.push(toBytes('{"events":[1,2]'))], []);
  const error = assertThrows(() => source.finish(), WeirError);
  assertEquals(error.code, "malformed_json");
  assertEquals(assertThrows(() => source.finish()), error);
  assertEquals(assertThrows(() => source.push(toBytes("}"))), error);
});

Deno.test("JsonRows.push() lays rows that span chunks end to end, at every cut", () => {
  const rows = ['{"a":"é😀\\u00e9"}', "-12.5e+10", '"\\ud83d\\ude00"'];
  const body = toBytes(`{"events":[${rows.join(" , ")}]}`);
  for (let a = 0; a <= body.length; a++) {
    for (let b = a; b <= body.length; b++) {
      const source = new JsonRows({ rowsKey: "events", limits: { ...wide, windowRows: 2 } });
      const texts: string[] = [];
      for (const window of windowsOf(source, cutAt(body, [a, b]))) {
        for (let i = 0; i < window.count; i++) texts.push(toText(rowBytes(window, i)));
      }
      assertEquals(texts, rows);
    }
  }
});

Deno.test("JsonRows says which windows hold a Unicode escape", () => {
  const flags = (rows: string) => {
    const source = new JsonRows({ rowsKey: "events", limits: { ...wide, windowRows: 1 } });
    return Array.from(
      windowsOf(source, inPieces(toBytes(`{"\\u0061":1,"events":[${rows}]}`), 1)),
      (w) => w.hasUnicodeEscape,
    );
  };
  assertEquals(flags('"\\u00e9",1,"\\\\u00e9",{"\\u0061":"\\n"},"u"'), [true, false, false, true, false]);
});

Deno.test("JsonRows.single() is the body without the space around it, on one line", () => {
  const source = new JsonRows({ rowsKey: [], limits: wide });
  assertEquals([...windowsOf(source, inPieces(toBytes(' {"a"\n:\r\n"\\u0061"\n} \n'), 3))], []);
  const window = source.single();
  assertEquals(toText(rowBytes(window, 0)), '{"a" :  "\\u0061" }');
  assertEquals([window.value(0), window.hasUnicodeEscape], [{ a: "a" }, true]);
  window.trust(0);
  window.settle();
  assertEquals(window.malformed(0), undefined);
});

Deno.test("JsonRows.push() throws when the last windows were not pulled", () => {
  const source = new JsonRows({ rowsKey: "events", limits: wide });
  source.push(toBytes("{"));
  assertStringIncludes(assertThrows(() => source.push(toBytes("}"))).message, "not all pulled");
});

Deno.test("JsonRows takes nothing more once its windows were given up half-way", () => {
  const source = new JsonRows({ rowsKey: "events", limits: { ...wide, windowRows: 1 } });
  for (const _ of source.push(toBytes('{"events":[1,2,3'))) break;
  assertThrows(() => source.push(toBytes("]}")));
  assertThrows(() => source.finish());
});

Deno.test("JsonRows.envelope and single() throw where they have no meaning", () => {
  const source = new JsonRows({ rowsKey: "events", limits: wide });
  assertInstanceOf(assertThrows(() => source.envelope), Error);
  assertThrows(() => source.single());
  assertEquals([...windowsOf(source, [toBytes('{"events":[]}')])], []);
  assertEquals(source.envelope, { events: [] });
  assertThrows(() => source.single());
  assertThrows(() => source.finish());
});
