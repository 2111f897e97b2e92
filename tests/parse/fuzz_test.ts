import { assertEquals } from "@std/assert";
import * as fc from "fast-check";
import { isDeepStrictEqual } from "node:util";
import { TextMaker } from "./json_texts.ts";
import {
  assertSameVerdict,
  cutAt,
  inPieces,
  judge,
  judgeLines,
  readJson,
  readLines,
  toBytes,
} from "./verdicts.ts";

const smallWindows = { windowRows: 2, windowBytes: 40 };

Deno.test("JsonRows says what JSON.parse says of bodies from a seed, valid and broken, in pieces", () => {
  const counts: Record<string, number> = {};
  for (let seed = 0; seed < 6000; seed++) {
    const maker = new TextMaker(seed);
    const text = maker.below(10) === 0 ? maker.value(3) : maker.body();
    const body = maker.bytes(maker.below(3) === 0 ? text : maker.broken(text));
    const expected = judge(body, ["events", "rows"]);
    const kind = "error" in expected ? expected.error : expected.rowsKey ?? "single";
    counts[kind] = (counts[kind] ?? 0) + 1;
    for (
      const chunks of [
        [body.slice()],
        inPieces(body, 1),
        inPieces(body, 7),
        cutAt(body, maker.cuts(body.length, 4)),
      ]
    ) {
      assertSameVerdict(readJson(chunks, ["events", "rows"], smallWindows), expected, body);
    }
  }
  // A generator that makes only one kind of body would find nothing.
  for (
    const kind of [
      "events",
      "rows",
      "single",
      "malformed_json",
      "invalid_body",
      "invalid_utf8",
      "duplicate_rows_key",
    ]
  ) {
    assertEquals([kind, counts[kind] > 50], [kind, true]);
  }
});

Deno.test("JsonRows says what JSON.parse says of large bodies from a seed, valid and broken, in pieces", () => {
  for (let seed = 0; seed < 250; seed++) {
    const maker = new TextMaker(seed);
    const indent = maker.pick(["", "", "\n", "\r\n  "]);
    const rows = Array.from({ length: 100 + maker.below(900) }, () => indent + maker.value(3));
    const text = `{"a":${maker.value(2)},"events":[${rows.join(",")}],"b":${
      maker.list(2, maker.below(200))
    }}`;
    const body = maker.bytes(seed % 2 === 0 ? text : maker.broken(text));
    const expected = judge(body, ["events"]);
    for (
      const chunks of [
        [body.slice()],
        inPieces(body, 65536),
        inPieces(body, 4096 + maker.below(8000)),
        cutAt(body, maker.cuts(body.length, 4)),
      ]
    ) {
      assertSameVerdict(readJson(chunks, ["events"], { windowBytes: 3000 }), expected, body);
    }
  }
});

Deno.test("JsonRows gives back the rows and envelope of any JSON value", () => {
  fc.assert(
    fc.property(
      fc.array(fc.jsonValue()),
      fc.dictionary(fc.string().filter((key) => key !== "events"), fc.jsonValue()),
      fc.constantFrom(undefined, 1, "\t"),
      fc.array(fc.nat(2000), { maxLength: 5 }),
      (rows, others, indent, places) => {
        const body = toBytes(JSON.stringify({ ...others, events: rows }, undefined, indent));
        const cuts = places.map((place) => place % (body.length + 1)).sort((a, b) => a - b);
        assertSameVerdict(
          readJson(cutAt(body, cuts), ["events"], smallWindows),
          judge(body, ["events"]),
          body,
        );
      },
    ),
    { seed: 1, numRuns: 500 },
  );
});

Deno.test("JsonRows says what JSON.parse says of any text", () => {
  const text = fc.array(
    fc.constantFrom(...'{}[],:"\\ \n10-.eunltrfas\u0000\ufeffé', '"events"', '"a"', "true", "\\u0065"),
    { maxLength: 25 },
  );
  fc.assert(
    fc.property(text, fc.constantFrom("", '{"events":[', '{"a":1,', "{"), (parts, before) => {
      const body = toBytes(before + parts.join(""));
      const expected = judge(body, ["events"]);
      assertSameVerdict(readJson([body.slice()], ["events"], smallWindows), expected, body);
      assertSameVerdict(readJson(inPieces(body, 1), ["events"], smallWindows), expected, body);
    }),
    { seed: 2, numRuns: 20_000 },
  );
});

Deno.test("NdjsonRows says what JSON.parse says of lines from a seed, valid and broken, in pieces", () => {
  for (let seed = 0; seed < 4000; seed++) {
    const maker = new TextMaker(seed);
    const lines = Array.from({ length: maker.below(6) }, () => {
      const line = maker.space() + maker.value(2) + maker.space();
      return maker.below(3) === 0 ? maker.broken(line) : line;
    });
    const body = maker.bytes(lines.join(maker.pick(["\n", "\r\n", "\n\n"])) + maker.pick(["", "\n"]));
    const expected = judgeLines(body);
    for (const chunks of [[body.slice()], inPieces(body, 1), cutAt(body, maker.cuts(body.length, 4))]) {
      assertEquals(readLines(chunks, smallWindows), expected, JSON.stringify(new TextDecoder().decode(body)));
    }
  }
});

Deno.test("NdjsonRows says what JSON.parse says of large bodies from a seed, valid and broken, in pieces", () => {
  for (let seed = 0; seed < 250; seed++) {
    const maker = new TextMaker(seed);
    const brokenOneIn = maker.pick([2, 50, 100_000]);
    const lines = Array.from({ length: 100 + maker.below(900) }, () => {
      const line = maker.value(3).replaceAll(/[\n\r]/g, " ");
      return maker.below(brokenOneIn) === 0 ? maker.broken(line) : line;
    });
    const body = maker.bytes(lines.join(maker.pick(["\n", "\n", "\r\n", "\n \n"])) + maker.pick(["", "\n"]));
    const expected = judgeLines(body);
    for (
      const chunks of [
        [body.slice()],
        inPieces(body, 65536),
        inPieces(body, 4096),
        cutAt(body, maker.cuts(body.length, 4)),
      ]
    ) {
      const actual = readLines(chunks, { windowBytes: 3000 });
      if (!isDeepStrictEqual(actual, expected)) assertEquals(actual, expected, `seed ${seed}`);
    }
  }
});
