import { assertEquals } from "@std/assert";
import fc from "fast-check";
import { Pair } from "./indexes_pair.ts";
import { stepArbitrary } from "./model_steps.ts";

Deno.test("Indexes does what a plain list does, through any order of steps and crashes", () => {
  const property = fc.property(
    fc.array(stepArbitrary, { minLength: 1, maxLength: 80, size: "max" }),
    (steps) => {
      const pair = new Pair();
      for (const step of steps) {
        pair.take(step);
        pair.compare();
      }
      // In the end everything is written, each thing once, and nothing is held.
      while (pair.pending.length > 0) pair.place();
      pair.commit();
      pair.makePlan({ mode: "all" });
      pair.commit();
      pair.compare();
      assertEquals(pair.indexes.heldSegments(), new Set());
      assertEquals(pair.indexes.stats().rows.entries, 0);
      assertEquals(pair.indexes.stats().requests.entries, 0);
      const rows = pair.rows.rows.filter(({ kind }) => kind === "row").map(({ id }) => id);
      const written = pair.catalog.written.filter((each) => typeof each === "string" && !each.includes("#"));
      assertEquals(written.sort(), rows.sort());
      assertEquals(new Set(pair.catalog.written).size, pair.catalog.written.length);
    },
  );
  fc.assert(property, {
    seed: 20261120,
    numRuns: 100,
  });
});
