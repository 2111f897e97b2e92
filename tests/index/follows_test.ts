import { assertEquals } from "@std/assert";
import { createMetrics } from "../../src/base/metrics.ts";
import type { Unit } from "../../src/base/record.ts";
import { Indexes } from "../../src/index/indexes.ts";
import { MemoryCatalog } from "./memory_catalog.ts";
import { addBatch, addMeta, addRow, day, identityOf, unitOf } from "./units.ts";

const clock = { now: () => day, monotonic: () => 0 };

function newIndexes(): Indexes {
  const limits = { idleMs: 1000, maxRequests: 100, maxIndexBytes: 1e9, idempotencyKeepMs: 1000 };
  return new Indexes({ catalog: new MemoryCatalog(), clock, metrics: createMetrics(), ...limits });
}

/** Reserves a unit; tells whether it must be stored behind the ones before it. */
function reserve(indexes: Indexes, fill: (unit: Unit) => void): { unit: Unit; follows: boolean } {
  const unit = unitOf(fill);
  const reserved = indexes.reserve(unit);
  return { unit, follows: indexes.follows(unit, reserved) };
}

Deno.test("Indexes.follows() says yes of a unit with a row that another one holds", () => {
  const indexes = newIndexes();
  const first = reserve(indexes, (unit) => addRow(unit, { id: "1", identity: identityOf("x") }));
  const other = reserve(indexes, (unit) => addRow(unit, { id: "2", identity: identityOf("y") }));
  const repeat = reserve(indexes, (unit) => {
    addRow(unit, { id: "3", identity: identityOf("x") });
    addRow(unit, { id: "4" });
  });
  assertEquals([first.follows, other.follows, repeat.follows], [false, false, true]);
});

Deno.test("Indexes.follows() says yes of batches of a request that others hold, until those are settled", () => {
  const indexes = newIndexes();
  const batch = (index: number, rid = "r") => (unit: Unit) =>
    addBatch(unit, { rid, index, t: 1, content: index });
  const first = reserve(indexes, (unit) => [0, 1, 2].forEach((index) => batch(index)(unit)));
  const next = reserve(indexes, batch(3));
  const meta = reserve(indexes, (unit) => addMeta(unit, { rid: "r", t: 1 }));
  const other = reserve(indexes, batch(0, "s"));
  assertEquals([first, next, meta, other].map(({ follows }) => follows), [false, true, true, false]);
  indexes.place(first.unit, { segment: 1, offset: 0 });
  indexes.release(meta.unit);
  indexes.release(next.unit);
  assertEquals(reserve(indexes, batch(4)).follows, false);
});

Deno.test("Indexes.follows() says yes of a unit that repeats a batch which another one holds", () => {
  const indexes = newIndexes();
  const send = () =>
    reserve(indexes, (unit) => {
      addBatch(unit, { rid: "r", index: 0, t: 1, content: 0 });
      addRow(unit, { id: "row" });
    });
  const first = send();
  const repeat = send();
  // Nothing of the request is left in the repeat.
  assertEquals([repeat.unit.count, first.follows, repeat.follows], [1, false, true]);
  indexes.release(repeat.unit);
  indexes.release(first.unit);
  assertEquals(send().follows, false);
});
