/**
 * A body whose stretches are offered, held against the same body scanned from end to end: whoever takes rows of it,
 * rightly, changes nothing of what the body is found to be.
 */

import { assert, assertEquals } from "@std/assert";
import { WeirError } from "../../src/base/errors.ts";
import { JsonRows } from "../../src/parse/json_rows.ts";
import { RowStretch } from "../../src/parse/row_stretch.ts";
import type { RowLimits } from "../../src/parse/window.ts";
import { TextMaker } from "./json_texts.ts";
import { cutAt, inPieces, toBytes, toText, wide } from "./verdicts.ts";

/** All that is seen of a body. */
interface Seen {
  rows: unknown[];
  envelope?: unknown;
  error?: string;
}

/** How a body is read. */
interface Reading {
  readonly chunks: readonly Uint8Array[];
  readonly limits: Partial<RowLimits>;
  /** How many rows of a stretch are taken; none is offered where it is undefined. */
  readonly taking?: (most: number) => number;
}

function read({ chunks, limits, taking }: Reading): { seen: Seen; taken: number; offered: number } {
  const rows = new JsonRows({ rowsKey: "events", limits: { ...wide, ...limits } });
  const source = taking === undefined ? rows : rows.offering();
  const seen: Seen = { rows: [] };
  let [taken, offered] = [0, 0];
  const takeAll = (pieces: ReturnType<typeof source.push>): void => {
    for (const piece of pieces) {
      assertEquals(piece.firstIndex, seen.rows.length);
      if (piece instanceof RowStretch) {
        assertEquals(rows.rows, seen.rows.length);
        const values = takeRows(piece, taking!(piece.maxRows));
        seen.rows.push(...values);
        taken += values.length;
        offered++;
        continue;
      }
      for (let i = 0; i < piece.count; i++) seen.rows.push(piece.value(i));
    }
  };
  try {
    for (const chunk of chunks) takeAll(source.push(chunk.slice()));
    takeAll(source.finish());
    seen.envelope = rows.envelope;
    assertEquals(rows.rows, seen.rows.length);
  } catch (error) {
    if (!(error instanceof WeirError)) throw error;
    seen.error = `${error.code}: ${error.message}`;
    seen.rows = [];
  }
  return { seen, taken, offered };
}

/** Takes at most so many rows, finding them in its own way: an array, an object or a string on one line. */
function takeRows(stretch: RowStretch, most: number): unknown[] {
  const text = toText(stretch.bytes.subarray(stretch.start, stretch.end));
  const values: unknown[] = [];
  const row = /[ \t\r\n]*((?:[[{](?:"(?:[^"\\]|\\.)*"|[^"])*?[\]}])|"(?:[^"\\]|\\.)*")[ \t\r\n]*([,\]])/y;
  while (values.length < most) {
    const found = valueAt(text, row);
    if (found === undefined) break;
    values.push(found.value);
    const isLast = text[row.lastIndex - 1] === "]";
    const behind = stretch.start + toBytes(text.slice(0, row.lastIndex)).length;
    stretch.take(values.length, { stop: isLast ? behind - 1 : behind, isLast });
    if (isLast) break;
  }
  return values;
}

/** The expression finds the shortest text that ends with a bracket; it is a row once it is JSON. */
function valueAt(text: string, row: RegExp): { value: unknown } | undefined {
  const from = row.lastIndex;
  const found = row.exec(text);
  if (found === null) return undefined;
  let end = from + found[0].length;
  const start = from + found[0].indexOf(found[1]);
  for (; end <= text.length; end++) {
    const piece = text.slice(start, end - 1);
    if (!/[,\]]/.test(text[end - 1]) || /[\r\n]/.test(piece)) continue;
    try {
      const value = JSON.parse(piece);
      row.lastIndex = end;
      return { value };
    } catch {
      // Longer, perhaps.
    }
  }
  return undefined;
}

Deno.test("JsonRows says the same of a body whoever takes rows of its stretches, at every cut", () => {
  const rows = ['{"a":"é😀],"}', '["x",[1]]', '"s\\"]"', " [ ] ", '{"b":{}}', "12", '{"c":[{}]}'];
  const ends = ["]}", '] , "more": 1 }', ",]}", "]", '{"d":1}]}', "", "]]"];
  let taken = 0;
  for (const end of ends) {
    const body = toBytes(`{"a":1,"events": [${rows.join(",")}${end}`);
    for (const limits of [{}, { maxRows: 7 }, { maxRows: 4 }, { windowRows: 2 }, { maxRowBytes: 9 }]) {
      for (let cut = 0; cut <= body.length; cut++) {
        const chunks = cutAt(body, [cut, Math.min(body.length, cut + 5)]);
        const scanned = read({ chunks, limits });
        for (const most of [0, 1, 2, Infinity]) {
          const offered = read({ chunks, limits, taking: (may) => Math.min(most, may) });
          assertEquals(offered.seen, scanned.seen, `cut at ${cut}, at most ${most}: ${toText(body)}`);
          taken += offered.taken;
        }
      }
    }
  }
  assert(taken > 10_000, `only ${taken} rows were taken`);
});

Deno.test("JsonRows says the same of bodies from a seed, valid and broken, whoever takes rows of them", () => {
  let taken = 0;
  let refused = 0;
  for (let seed = 0; seed < 4_000; seed++) {
    const maker = new TextMaker(seed);
    const list = Array.from(
      { length: maker.below(12) },
      () => maker.space() + maker.value(2) + maker.space(),
    );
    const text = `{"events":[${list.join(",")}]${maker.pick(["", "", ',"a":[1]'])}}`;
    const body = maker.bytes(maker.below(2) === 0 ? text : maker.broken(text));
    const limits = {
      windowRows: maker.pick([1, 2, 3, 50]),
      maxRows: maker.pick([5, Infinity, Infinity]),
      maxRowBytes: maker.pick([30, 1_000]),
    };
    for (
      const chunks of [[body], inPieces(body, 1), inPieces(body, 7), cutAt(body, maker.cuts(body.length, 4))]
    ) {
      const scanned = read({ chunks, limits });
      const offered = read({ chunks, limits, taking: (may) => maker.below(Math.min(may, 6) + 1) });
      assertEquals(
        offered.seen,
        scanned.seen,
        `seed ${seed}: ${JSON.stringify(new TextDecoder().decode(body))}`,
      );
      taken += offered.taken;
      if (offered.seen.error !== undefined) refused++;
    }
  }
  assert(taken > 2_500, `only ${taken} rows were taken`);
  assert(refused > 2_000, `only ${refused} bodies were refused`);
});

Deno.test("JsonRows says the same of large bodies from a seed, whoever takes rows of them", () => {
  let taken = 0;
  for (let seed = 0; seed < 60; seed++) {
    const maker = new TextMaker(seed);
    const list = Array.from({ length: 150 + maker.below(300) }, () => maker.value(3));
    const text = `{"events":[${list.join(maker.pick([",", ",\n"]))}],"a":1}`;
    const body = maker.bytes(seed % 3 > 0 ? text : maker.broken(text));
    const limits = { windowRows: maker.pick([3, 10, 50]) };
    for (const chunks of [[body], cutAt(body, maker.cuts(body.length, 4))]) {
      const scanned = read({ chunks, limits });
      const offered = read({ chunks, limits, taking: (may) => maker.below(Math.min(may, 40) + 1) });
      assertEquals(offered.seen, scanned.seen, `seed ${seed}`);
      taken += offered.taken;
    }
  }
  assert(taken > 1_500, `only ${taken} rows were taken`);
});

Deno.test("JsonRows.offering() offers all of a body that is taken as it comes, and scans a window where it is not", () => {
  const row = JSON.stringify({ a: "x".repeat(90) });
  const body = toBytes(`{"events":[${Array(3_000).fill(row).join(",")}]}`);
  const all = read({ chunks: inPieces(body, 65_536), limits: {}, taking: (may) => may });
  assertEquals(all.taken, 3_000);
  const none = read({ chunks: inPieces(body, 65_536), limits: {}, taking: () => 0 });
  assertEquals([none.taken, none.seen.rows.length], [0, 3_000]);
  assert(none.offered <= 3_000 / 50 + 5, `${none.offered} offers, each of which may be read in vain`);
});

Deno.test("JsonRows.offering() reads no byte often, however small the chunks of a long row are", () => {
  const body = toBytes(`{"events":["${"x".repeat(3_000)}"]}`);
  let offeredBytes = 0;
  const rows = new JsonRows({ rowsKey: "events", limits: wide });
  const source = rows.offering();
  for (const chunk of inPieces(body, 10)) {
    for (const piece of source.push(chunk)) {
      if (piece instanceof RowStretch) offeredBytes += piece.end - piece.start;
    }
  }
  for (const piece of source.finish()) {
    if (!(piece instanceof RowStretch)) assertEquals(piece.value(0), "x".repeat(3_000));
  }
  assert(offeredBytes < 100, `${offeredBytes} bytes were offered`);
});

Deno.test("JsonRows.offering() offers nothing that is no UTF-8, and no character cut in two", () => {
  const [good, bad] = [toBytes('{"events":["é😀€","a"]}'), toBytes('{"events":["a\u00ff"]}')];
  bad[bad.indexOf(0xc3) + 1] = 0x28;
  for (let cut = 0; cut <= good.length; cut++) {
    const { seen, offered } = read({ chunks: cutAt(good, [cut]), limits: {}, taking: (may) => may });
    assertEquals(seen, { rows: ["é😀€", "a"], envelope: { events: [] } });
    // Within one of the row's first two characters: what comes then is longer than what is there of the row.
    const isInCharacter = cut < 18 && good[cut] >= 0x80 && good[cut] < 0xc0;
    if (isInCharacter) assertEquals(offered, 2, `cut at ${cut}: each chunk has a stretch`);
  }
  const { seen, offered } = read({ chunks: [bad], limits: {}, taking: (may) => may });
  assertEquals([seen.error?.split(":")[0], offered], ["invalid_utf8", 0]);
});
