import { assertEquals } from "@std/assert";
import { shapeOf } from "../../src/parse/row_shape.ts";
import { toText } from "./verdicts.ts";

/** The pieces as text, or undefined. */
function piecesOf(row: unknown, hasSpaces = false): string[] | undefined {
  return shapeOf(row, { hasSpaces })?.pieces.map(toText);
}

Deno.test("shapeOf() leaves out the values, and what they hold", () => {
  assertEquals(piecesOf({ a: "x", b: { c: 1, d: [{ e: 2 }], f: {} } }), [
    '{"a":',
    ',"b":{"c":',
    ',"d":',
    ',"f":',
    "}}",
  ]);
  assertEquals(piecesOf({ a: 1, b: { c: null } }, true), ['{"a": ', ', "b": {"c": ', "}}"]);
});

Deno.test("shapeOf() is undefined for what is no object with members", () => {
  for (const row of [null, 1, "a", true, [], [{ a: 1 }], {}]) assertEquals(piecesOf(row), undefined);
});

Deno.test("shapeOf() is undefined for a member that an expression would make the prototype", () => {
  for (const text of ['{"__proto__":{"a":1}}', '{"a":{"__proto__":1,"b":2}}']) {
    assertEquals(piecesOf(JSON.parse(text)), undefined);
  }
});

Deno.test("shapeOf() takes what lies deep, or in an object with many members, for a value", () => {
  let row: unknown = { end: 1 };
  for (let depth = 0; depth < 20; depth++) row = { a: row };
  assertEquals(piecesOf(row), ['{"a":'.repeat(9), "}".repeat(9)]);
  const many = Object.fromEntries(Array.from({ length: 65 }, (_, i) => [`key${i}`, i]));
  assertEquals(piecesOf({ many }), ['{"many":', "}"]);
});

Deno.test("shapeOf() is undefined for more than an expression should hold", () => {
  const row = Object.fromEntries(Array.from({ length: 60 }, (_, i) => [`key${i}`.repeat(40), i]));
  assertEquals(piecesOf(row), undefined);
});

Deno.test("RowShape.build() makes the row that JSON.parse makes, whatever its keys are", () => {
  const keys = [
    "a",
    "",
    "1",
    '"',
    "\\",
    "`${x}`",
    "*/}];(",
    "\u2028",
    "\n",
    "é😀",
    "\ud83d",
    "constructor",
    "get",
  ];
  const text = `{${keys.map((key, i) => `${JSON.stringify(key)}:{"n":${i}}`).join(",")}}`;
  const shape = shapeOf(JSON.parse(text), { hasSpaces: false })!;
  assertEquals(shape.valueCount, keys.length);
  // Keys that are numbers come first.
  const values = [2, 0, 1, ...keys.map((_, i) => i).slice(3)];
  assertEquals(JSON.stringify(shape.build(["left out", ...values], 1)), JSON.stringify(JSON.parse(text)));
});
