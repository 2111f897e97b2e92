import { assert, assertEquals, assertLess } from "@std/assert";
import { DatabaseSync } from "node:sqlite";
import fc from "fast-check";
import {
  chunksIn,
  pagesSql,
  runTables,
  RunWriter,
  type SortedWords,
} from "../../src/catalog/identity_runs.ts";

const day = "20261120";

/** A run of these pairs of word and chunk. */
function sorted(pairs: readonly (readonly [word: number, chunk: number])[]): SortedWords {
  const inOrder = [...pairs].sort(([a], [b]) => a - b);
  return {
    words: Uint32Array.from(inOrder, ([word]) => word),
    chunks: Uint32Array.from(inOrder, ([, chunk]) => chunk),
  };
}

/** The chunks that are found for a word, in order. */
function find(database: DatabaseSync, word: number): number[] {
  const pages = database.prepare(pagesSql(day)).all(word) as unknown as { entries: Uint8Array | null }[];
  return pages.flatMap(({ entries }) => entries === null ? [] : chunksIn(entries, word)).sort((a, b) =>
    a - b
  );
}

function count(database: DatabaseSync, table: string): number {
  return (database.prepare(`SELECT count(*) AS n FROM ${table}`).get() as unknown as { n: number }).n;
}

Deno.test("RunWriter finds every word of all runs, also those at the ends and those that many chunks have", () => {
  const word = fc.oneof(fc.constantFrom(0, 1, 0xffff_ffff, 0xffff_fffe, 2 ** 31), fc.nat(3_000));
  const run = fc.array(fc.tuple(word, fc.nat(0xffff)), { minLength: 1, maxLength: 1_500, size: "max" });
  const property = fc.property(fc.array(run, { minLength: 1, maxLength: 20, size: "max" }), (runs) => {
    using database = new DatabaseSync(":memory:");
    const known = new Map<number, number[]>();
    for (const pairs of runs) {
      new RunWriter(database, day).add(sorted(pairs));
      for (const [word, chunk] of pairs) known.set(word, [...known.get(word) ?? [], chunk]);
    }
    for (const word of [...known.keys(), 5_000, 2 ** 31 - 1]) {
      assertEquals(find(database, word), (known.get(word) ?? []).sort((a, b) => a - b), `word ${word}`);
    }
  });
  fc.assert(property, { seed: 23, numRuns: 15 });
});

Deno.test("RunWriter keeps runs few, and leaves no page of a run that was merged", () => {
  using database = new DatabaseSync(":memory:");
  const runs = new RunWriter(database, day);
  for (let i = 0; i < 200; i++) {
    runs.add(sorted(Array.from({ length: 10 }, (_, k) => [i * 7919 + k * 104_729, i])));
  }
  assertLess(count(database, runTables(day)[0]), 3 * 4 + 1);
  const pages = database.prepare(`SELECT length(entries) AS bytes FROM ${runTables(day)[1]}`).all();
  assertEquals(pages.reduce((sum, { bytes }) => sum + (bytes as number), 0), 200 * 10 * 8);
  for (let i = 0; i < 200; i++) assert(find(database, i * 7919).includes(i));
});
