import { assertEquals, assertThrows } from "@std/assert";
import { isDeepStrictEqual } from "node:util";
import { kernelPlans, sourceHash } from "../../src/kernel_build.ts";
import { type ParsableRows, RowShapes } from "../../src/parse/row_shapes.ts";
import { rowShapesSource } from "../../src/parse/row_shapes_wasm.ts";
import { TextMaker } from "./json_texts.ts";
import { assertSameVerdict, inPieces, judge, judgeLines, readJson, readLines, toBytes } from "./verdicts.ts";

/** Rows as they lie in a window, something around them. */
function layRows(texts: readonly string[], between = ","): ParsableRows {
  const parts = texts.map(toBytes);
  const bytes = toBytes(`[[${texts.join(between)}"`);
  const starts: number[] = [];
  let at = 2;
  for (const part of parts) {
    starts.push(at);
    at += part.length + between.length;
  }
  return { bytes, count: parts.length, start: (i) => starts[i], end: (i) => starts[i] + parts[i].length };
}

/** What each row is; parsed again and again, so that shapes are learnt on the way. */
function assertParsed(shapes: RowShapes, texts: readonly string[], between?: string): void {
  const expected = texts.map((text) => JSON.parse(text) as unknown);
  for (let time = 0; time < 4; time++) {
    const values = shapes.parse(layRows(texts, between));
    if (!isDeepStrictEqual(values, expected)) assertEquals(values, expected, texts.join("\n"));
  }
}

/** How many of the rows have a shape that is known. */
function countKnown(shapes: RowShapes, texts: readonly string[]): number {
  const before = JSON.parse;
  let known = 0;
  try {
    JSON.parse = (text: string): unknown => {
      const values = before(text) as unknown[];
      const isRow = (value: unknown): boolean => typeof value === "object" && !Array.isArray(value);
      known = texts.length - values.filter(isRow).length;
      return values;
    };
    shapes.parse(layRows(texts));
  } finally {
    JSON.parse = before;
  }
  return known;
}

/** Rows of one shape, as compact as they come. */
function rowsLike(key: string, count = 6): string[] {
  return Array.from({ length: count }, (_, i) => JSON.stringify({ [key]: i, text: `no. ${i}` }));
}

Deno.test("RowShapes.parse() leaves the keys out of rows whose shape it has seen", () => {
  const shapes = new RowShapes();
  const rows = rowsLike("a");
  assertEquals([1, 2, 3].map(() => countKnown(shapes, rows)), [0, 6, 6]);
  assertEquals(countKnown(shapes, [...rowsLike("b", 2), ...rows]), 6);
});

Deno.test("RowShapes.parse() learns shapes of texts with a space behind commas and colons", () => {
  const shapes = new RowShapes();
  const rows = rowsLike("a").map((text) => text.replaceAll(":", ": ").replaceAll(",", ", "));
  assertParsed(shapes, rows, " , ");
  assertEquals(countKnown(shapes, rows), 6);
});

Deno.test("RowShapes.parse() learns a shape that stands behind a row that has none", () => {
  const shapes = new RowShapes();
  const rows = ['{ "a" :1}', ...rowsLike("a")];
  for (let time = 0; time < rows.length + 1; time++) shapes.parse(layRows(rows));
  assertEquals(countKnown(shapes, rows), rows.length - 1);
});

Deno.test("RowShapes.parse() forgets the shape that was of no use for longest, and learns seldom", () => {
  const shapes = new RowShapes();
  for (let i = 0; i < 15; i++) shapes.parse(layRows(rowsLike(`key${i}`)));
  // The shapes in use stay.
  for (let time = 0; time < 1000; time++) {
    shapes.parse(layRows([...rowsLike("key3"), ...rowsLike("key4")]));
    shapes.parse(layRows(rowsLike(`rare${time}`)));
  }
  assertEquals(["key3", "key4", "key5"].map((key) => countKnown(shapes, rowsLike(key))), [6, 6, 0]);
  const hits = [0, 1, 2, 3].map((i) => {
    shapes.parse(layRows(rowsLike(`other${i}`, 20)));
    return countKnown(shapes, rowsLike(`other${i}`));
  });
  assertEquals(hits.filter((known) => known > 0).length <= 1, true);
});

Deno.test("RowShapes.parse() leaves most calls out while rows have ever other shapes", () => {
  const shapes = new RowShapes();
  const parsed = Array.from({ length: 2000 }, (_, i) => shapes.parse(layRows(rowsLike(`key${i}`))));
  const last = parsed.slice(-200).filter((values) => values !== undefined).length;
  assertEquals([last < 50, last > 5], [true, true]);
  const rows = rowsLike("a", 100);
  for (let time = 0; time < 50; time++) shapes.parse(layRows(rows));
  assertEquals(countKnown(shapes, rows), 100);
});

Deno.test("RowShapes.parse() is undefined for few rows, for many, and for large ones", () => {
  const shapes = new RowShapes();
  const sizes = [3, 4, 256, 257];
  assertEquals(sizes.map((size) => shapes.parse(layRows(rowsLike("a", size)))?.length), [
    undefined,
    4,
    256,
    undefined,
  ]);
  const large = rowsLike("a").map((text) => text.replace("no.", "x".repeat(11_000)));
  assertEquals(shapes.parse(layRows(large)), undefined);
  const fitting = rowsLike("a").map((text) => text.replace("no.", "x".repeat(10_800)));
  assertParsed(shapes, fitting);
});

Deno.test("RowShapes.parse() finds the ends of strings and numbers at every length", () => {
  const shapes = new RowShapes();
  for (const filling of ["x", "é", '\\"', "\\\\", "\\n", "\\u00e9", "]}", ",", "{["]) {
    for (let length = 0; length < 40; length++) {
      const text = `"${filling.repeat(length)}"`;
      const number = `-${"1".repeat(length + 1)}.5e-${length + 1}`;
      const row = `{"a":${text},"b":${number},"c":[${text},{"d":${text}}],"e":${text}}`;
      assertParsed(shapes, [row, row, row, row]);
      assertEquals(countKnown(shapes, [row, row, row, row]), 4);
    }
  }
});

Deno.test("RowShapes.parse() finds keys of every length, and none that only begins like another", () => {
  for (let length = 0; length < 40; length++) {
    const shapes = new RowShapes();
    const key = "k".repeat(length);
    const rows = [key, `${key}x`, `${key}y`, `${key}xy`].map((name) => `{"${name}":1}`);
    assertParsed(shapes, rows);
    assertEquals(countKnown(shapes, rows), 4);
  }
});

Deno.test("RowShapes.parse() throws where a row of a known shape is no JSON", () => {
  const shapes = new RowShapes();
  const rows = rowsLike("a");
  assertParsed(shapes, rows);
  for (
    const value of [
      "",
      "x",
      "01",
      "1 2",
      "[1}",
      "{]",
      '"\n"',
      '"\\x"',
      "{1}",
      "[,]",
      "-",
      '"a"b',
      "1[",
      "nul",
    ]
  ) {
    const texts = [...rows, `{"a":${value},"text":"b"}`, ...rows];
    assertThrows(() => shapes.parse(layRows(texts)), SyntaxError);
  }
});

/** Makes rows of a few shapes, now and then in another order, with white space or with a member of another name. */
function rowOf(maker: TextMaker): string {
  const value = (): string => maker.value(maker.below(3)).replaceAll(/[\n\r]/g, " ");
  const space = (): string => maker.below(30) === 0 ? " " : "";
  const name = (key: string): string =>
    `${space()}"${maker.below(30) === 0 ? "b" : key}"${space()}:${space()}`;
  const inner = `{${name("c")}${value()},${name("a long key, longer than sixteen")}${value()}${space()}}`;
  switch (maker.below(5)) {
    case 0:
      return value();
    case 1:
      return `{${name("a")}${value()}}`;
    case 2:
      return `{${name("a")}${value()},${name("b")}${inner}}`;
    default:
      return `{${name("a")}${inner},${name("d")}${value()}${space()}}`;
  }
}

Deno.test("Rows of few shapes, valid and broken, are what JSON.parse says, in bodies and lines", () => {
  const counts = { valid: 0, broken: 0, lines: 0 };
  for (let seed = 0; seed < 2000; seed++) {
    const maker = new TextMaker(seed);
    const rows = Array.from({ length: 4 + maker.below(40) }, () => rowOf(maker));
    const broken = rows.map((row) => maker.below(10) === 0 ? maker.broken(row) : row);
    const text = `{"events":[${(seed % 3 === 0 ? broken : rows).join(",")}]}`;
    const body = maker.bytes(text);
    const expected = judge(body, ["events"]);
    counts["error" in expected ? "broken" : "valid"]++;
    for (const size of [body.length, 1 + maker.below(500)]) {
      assertSameVerdict(readJson(inPieces(body, size)), expected, body);
    }
    const lines = maker.bytes(broken.join("\n"));
    const said = judgeLines(lines);
    counts.lines += said.filter((line) => line === "malformed").length;
    assertEquals(readLines(inPieces(lines, 1 + maker.below(500))), said);
  }
  assertEquals(Object.values(counts).every((count) => count > 300), true, JSON.stringify(counts));
});

Deno.test("row_shapes_wasm.ts is compiled from row_shapes.as as it is", async () => {
  assertEquals(await sourceHash(kernelPlans.rowShapes), rowShapesSource, "run src/kernel_build.ts");
});
