import { assertEquals, assertLess } from "@std/assert";
import fc from "fast-check";
import { none, Slab } from "../../src/index/slab.ts";
import { SlabTable } from "../../src/index/slab_table.ts";
import { hashPair } from "../../src/index/text_hash.ts";

const field = { next: 0, hash: 1, key: 2 } as const;

function newTable(): { slab: Slab; table: SlabTable; add: (hash: number, key: number) => number } {
  const slab = new Slab({ numbers: 0, ints: 3 });
  const table = new SlabTable(slab, { next: field.next, hashOf: (row) => slab.int(row, field.hash) });
  const add = (hash: number, key: number): number => {
    const row = slab.allocate();
    slab.setInt(row, field.hash, hash);
    slab.setInt(row, field.key, key);
    table.insert(row);
    return row;
  };
  return { slab, table, add };
}

/** Keys of the rows with this hash, in the order of the chain. */
function keysOf({ slab, table }: { slab: Slab; table: SlabTable }, hash: number): number[] {
  const keys: number[] = [];
  let steps = 0;
  for (let row = table.first(hash); row !== none; row = table.after(row)) {
    if (steps++ > slab.count) throw new Error("A chain bites its own tail");
    if (slab.int(row, field.hash) === hash) keys.push(slab.int(row, field.key));
  }
  return keys;
}

Deno.test("SlabTable finds rows by hash, the youngest first, while it grows and rows go", () => {
  const step = fc.record({ add: fc.nat(9).map((n) => n > 2), hash: fc.integer({ min: -20, max: 20 }) });
  fc.assert(
    fc.property(fc.array(step, { size: "max", maxLength: 400 }), (steps) => {
      const made = newTable();
      const model: { row: number; hash: number; key: number }[] = [];
      steps.forEach(({ add, hash }, key) => {
        if (add) model.unshift({ row: made.add(hash, key), hash, key });
        else {
          const at = model.findIndex((each) => each.hash === hash);
          if (at < 0) return;
          made.table.remove(model[at].row);
          made.slab.free(model[at].row);
          model.splice(at, 1);
        }
      });
      for (let hash = -20; hash <= 20; hash++) {
        const keys = model.filter((each) => each.hash === hash).map(({ key }) => key);
        assertEquals(keysOf(made, hash), keys);
      }
    }),
    { seed: 20261120 },
  );
});

Deno.test("SlabTable keeps order and finds everything past several times its first size", () => {
  const made = newTable();
  const count = 40_000;
  for (let key = 0; key < count; key++) made.add(hashPair(key >> 1, 7, 99), key);
  for (let key = 0; key < count; key += 2) {
    assertEquals(keysOf(made, hashPair(key >> 1, 7, 99)), [key + 1, key]);
  }
});

Deno.test("SlabTable has short chains for rows that differ in one number only", () => {
  const made = newTable();
  const count = 50_000;
  for (let key = 0; key < count; key++) made.add(hashPair(1, key, 4711), key);
  let longest = 0;
  for (let key = 0; key < count; key++) {
    let length = 0;
    for (let row = made.table.first(hashPair(1, key, 4711)); row !== none; row = made.table.after(row)) {
      length++;
    }
    longest = Math.max(longest, length);
  }
  assertLess(longest, 20);
});

Deno.test("Slab uses freed rows again, and gives its memory back when all are free", () => {
  const slab = new Slab({ numbers: 1, ints: 1 });
  const rows = Array.from({ length: 3000 }, () => slab.allocate());
  assertEquals(new Set(rows).size, 3000);
  rows.forEach((row) => slab.setNumber(row, 0, row / 2));
  slab.free(rows[1500]);
  assertEquals(slab.allocate(), rows[1500]);
  assertEquals(
    rows.filter((row) => row !== rows[1500]).every((row) => slab.number(row, 0) === row / 2),
    true,
  );
  for (const row of rows) slab.free(row);
  assertEquals(slab.count, 0);
  assertEquals(slab.allocate(), 0);
});

Deno.test("SlabTable keeps every chain whole while rows go and come after it grew", () => {
  const made = newTable();
  const hashOf = (key: number): number => hashPair(key, 7, 99);
  const rows = Array.from({ length: 20_000 }, (_, key) => made.add(hashOf(key), key));
  const isGone = (key: number): boolean => key % 3 !== 0;
  for (let key = 0; key < rows.length; key++) {
    if (!isGone(key)) continue;
    made.table.remove(rows[key]);
    made.slab.free(rows[key]);
  }
  for (let key = rows.length; key < 30_000; key++) made.add(hashOf(key), key);
  for (let key = 0; key < 30_000; key++) {
    const isThere = key >= rows.length || !isGone(key);
    assertEquals(keysOf(made, hashOf(key)), isThere ? [key] : []);
  }
});

Deno.test("SlabTable cuts a bucket that it splits in two", () => {
  const made = newTable();
  // Both fall into bucket 0 until there are more than 4096 rows.
  const [low, high] = [0, 4096];
  const lows = Array.from({ length: 10 }, (_, i) => {
    const row = made.add(low, i);
    made.add(high, 100 + i);
    return row;
  });
  for (let key = 0; key < 5000; key++) made.add(1 + key % 1000, 1000 + key);
  for (const row of lows) {
    made.table.remove(row);
    made.slab.free(row);
  }
  for (let i = 0; i < 10; i++) made.add(high, 200 + i);
  assertEquals(keysOf(made, low), []);
  assertEquals(keysOf(made, high).length, 20);
});
