import { assertEquals } from "@std/assert";
import fc from "fast-check";
import { Newest } from "../../src/flush/newest.ts";

Deno.test("Newest keeps what a sort of everything would put first", () => {
  const row = fc.record({ time: fc.integer({ min: 0, max: 50 }), id: fc.uuid() });
  fc.assert(
    fc.property(fc.array(row, { maxLength: 600 }), fc.integer({ min: 1, max: 20 }), (rows, limit) => {
      const newest = new Newest<{ time: number; id: string }>(limit);
      for (const each of rows) if (newest.takes(each.time)) newest.add(each);
      const sorted = rows.toSorted((a, b) => b.time - a.time || (a.id < b.id ? 1 : -1)).slice(0, limit);
      assertEquals(newest.rows(), sorted);
    }),
    { seed: 7, numRuns: 200 },
  );
});

Deno.test("Newest keeps of rows with one id the one that was offered last", () => {
  const newest = new Newest<{ time: number; id: string; n: number }>(10);
  newest.add({ time: 5, id: "a", n: 1 });
  newest.add({ time: 3, id: "a", n: 2 });
  newest.add({ time: 4, id: "b", n: 3 });
  assertEquals(newest.rows().map(({ n }) => n), [3, 2]);
});
