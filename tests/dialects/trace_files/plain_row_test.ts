import { assert, assertEquals } from "@std/assert";
import fc from "fast-check";
import { type PlainRow, readPlainRow } from "../../../src/dialects/trace_files/plain_row.ts";
import { rowKernelSource } from "../../../src/dialects/trace_files/row_kernel_wasm.ts";
import { kernelPlans, sourceHash } from "../../../src/kernel_build.ts";

const encoder = new TextEncoder();
const decoder = new TextDecoder("utf-8", { fatal: true, ignoreBOM: true });

/** Reads a row that has other bytes, all that a text may hold, on both sides. */
function read(row: string | Uint8Array): PlainRow | undefined {
  const bytes = typeof row === "string" ? encoder.encode(row) : row;
  const around = new Uint8Array(bytes.length + 64).fill(0x22);
  around.set(bytes, 32);
  return readPlainRow(around, 32, 32 + bytes.length);
}

/** The same by way of the value; undefined when that is no file. */
function readSlowly(row: string): { fileName: unknown; directory: unknown; content: string } | undefined {
  let value;
  try {
    value = JSON.parse(row);
  } catch {
    return undefined;
  }
  const { traceData, fileName, outputDirectory } = value ?? {};
  if (traceData === undefined || traceData === null) return undefined;
  const content = typeof traceData === "string" ? traceData : JSON.stringify(traceData, undefined, 2);
  return { fileName, directory: outputDirectory || undefined, content };
}

/** Is the row left to the other way, or read as that would? Tells whether it was read. */
function agrees(row: string): boolean {
  const plain = read(row);
  if (plain === undefined) return false;
  const { fileName, directory, bytes } = plain;
  assertEquals({ fileName, directory, content: decoder.decode(bytes) }, readSlowly(row), row);
  return true;
}

function rowOf(traceData: string): string {
  return `{"traceData":${traceData},"fileName":"a.json"}`;
}

Deno.test("readPlainRow() reads name, directory and content of a row, whatever its members' order", () => {
  const texts = ['"a\\"b\\\\c\\/d\\n\\t\\r\\b\\f é😀\u2028\u007f"', '""', '"x"', `"${"long ".repeat(40)}"`];
  const objects = [
    "{}",
    '{"a":[],"b":{},"c":[1,[2,{"d":null}],true,false]}',
    '[ 1 ,\t{ "a" : "x" } ]',
    "[\n]",
  ];
  const numbers = ["0", "-1", "12.5", "123456789012345", "0.000001", "-0.25", "false", "true"];
  for (const value of [...texts, ...objects, ...numbers]) {
    assert(agrees(rowOf(value)), value);
    for (const place of ["", ',"outputDirectory":""', ',"outputDirectory":"a/é"']) {
      assert(
        agrees(`{"fileName":"ü","originalTrace":{"traceData":[1]},"traceData":${value}${place}}`),
        value,
      );
      assert(agrees(`{ "traceData" : ${value} ${place} ,"more":[],"fileName" : "n" }`), value);
    }
  }
});

Deno.test("readPlainRow() leaves to others what JSON.stringify spells in another way, and what is no file", () => {
  const spelt = [
    "1e3",
    "1E3",
    "1.0",
    "-0",
    "-0.0",
    "0.0000001",
    "1234567890123456",
    "12345678901.23456",
    "1.50",
  ];
  const texts = ['["\\/"]', '["\\u0041"]', '"\\u00e9"', '"\\ud83d"'];
  const keys = [
    '{"a":1,"b":2,"a":3}',
    '{"":1,"":2}',
    '{"longer than 8":1,"b":2,"longer than 8":3}',
    '{"b":1,"1":2}',
    '{"a":{"c":1,"c":1}}',
    '{"\\u0061":1}',
  ];
  const wrong = [
    "01",
    "-",
    "1.",
    ".5",
    "tru",
    "nul",
    "{",
    "[1,]",
    '{"a":1,}',
    '{"a"}',
    "{1:2}",
    "[1 2]",
    '"\n"',
    "",
  ];
  const deep = "[".repeat(40) + "]".repeat(40);
  const wide = JSON.stringify(Object.fromEntries(Array.from({ length: 33 }, (_, i) => [`k${i}`, i])));
  for (const value of [...spelt, ...texts, ...keys, ...wrong, "null", deep, wide]) {
    assertEquals(read(rowOf(value)), undefined, value);
  }
  const rows = ["{}", "[]", "1", "", '{"traceData":1}', '{"fileName":"a"}', '{"traceData":1,"fileName":""}'];
  const twice = [
    '{"traceData":1,"traceData":2,"fileName":"a"}',
    '{"traceData":1,"fileName":"a","fileName":"b"}',
  ];
  const odd = ['{"traceData":1,"fileName":5}', '{"traceData":1,"fileName":"a","outputDirectory":null}'];
  const cut = [
    '{"traceData":1,"fileName":"a"',
    '{"traceData":1,"fileName":"a"}}',
    '{"traceData":1,"fileName":"a",}',
  ];
  const escaped = ['{"trace\\u0044ata":1,"fileName":"a"}', '{"traceData":1,"fileName":"a\\n"}'];
  for (const row of [...rows, ...twice, ...odd, ...cut, ...escaped]) assertEquals(read(row), undefined, row);
});

Deno.test("readPlainRow() agrees with JSON.parse and JSON.stringify on any value, and takes most", () => {
  let taken = 0;
  let seen = 0;
  const spaced = fc.tuple(fc.jsonValue({ maxDepth: 5 }), fc.constantFrom(undefined, 1, "\t", "\r\n "));
  fc.assert(
    fc.property(spaced, ([value, space]) => {
      seen++;
      if (agrees(rowOf(JSON.stringify(value, undefined, space)))) taken++;
    }),
    { seed: 11, numRuns: 3_000 },
  );
  assert(taken > seen / 5, `${taken} of ${seen}`);
});

Deno.test("readPlainRow() agrees with them on numbers of any spelling", () => {
  const digits = fc.stringMatching(/^-?\d{1,17}(\.\d{1,17})?([eE][+-]?\d{1,3})?$/);
  let taken = 0;
  fc.assert(fc.property(digits, (number) => void (taken += Number(agrees(rowOf(`[${number}]`))))), {
    seed: 12,
    numRuns: 5_000,
  });
  assert(taken > 300, String(taken));
});

Deno.test("readPlainRow() takes no row that JSON.parse does not, wherever a byte is changed or missing", () => {
  const row = encoder.encode(
    '{"traceData":{"ab":[1.5,-2,true,null,"x\\ny"],"cd":{"ab":"é","e":{}}},"outputDirectory":"d","fileName":"n"}',
  );
  assert(agrees(decoder.decode(row)));
  const others = [...'"\\{}[],:.-0e1 ntf\n\0'].map((letter) => letter.charCodeAt(0));
  for (let at = 0; at < row.length; at++) {
    if (row[at] >= 0x80) continue;
    for (const byte of others) agrees(decoder.decode(row.with(at, byte)));
    const without = [...row.subarray(0, at), ...row.subarray(at + 1)];
    agrees(decoder.decode(new Uint8Array(without)));
    assertEquals(read(row.subarray(0, at)), undefined);
  }
});

Deno.test("readPlainRow() leaves a row to others that is too large, or grows too large with its indent", () => {
  const most = 256 * 1024;
  const text = (bytes: number): string => rowOf(`"${"x".repeat(bytes - rowOf('""').length)}"`);
  assert(agrees(text(most)));
  assertEquals(read(text(most + 1)), undefined);
  // Two bytes become 66.
  const ones = "[".repeat(32) + "1,".repeat(7_000) + "1" + "]".repeat(32);
  assert(agrees(rowOf(ones)));
  assertEquals(read(rowOf(ones.replace("1", "1,".repeat(1_000) + "1"))), undefined);
  const keys = Array.from({ length: 32 }, (_, i) => `"key${i}":${i}`).join();
  assert(agrees(rowOf(`[${Array(100).fill(`{${keys}}`).join()}]`)));
});

Deno.test("row_kernel_wasm.ts is compiled from the kernel's source as it is", async () => {
  assertEquals(await sourceHash(kernelPlans.row), rowKernelSource, "run src/kernel_build.ts");
});
