import { assertEquals } from "@std/assert";
import fc from "fast-check";
import { PassingMap } from "../../src/base/passing_map.ts";

Deno.test("PassingMap has what a Map has, whatever comes and goes", () => {
  const step = fc.record({ key: fc.nat(12), value: fc.option(fc.nat(), { nil: undefined }) });
  fc.assert(fc.property(fc.array(step, { maxLength: 80 }), (steps) => {
    const map = new Map<number, number>();
    const passing = new PassingMap<number, number>();
    for (const { key, value } of steps) {
      if (value === undefined) assertEquals(passing.delete(key), map.delete(key));
      else {
        map.set(key, value);
        passing.set(key, value);
      }
      assertEquals(passing.size, map.size);
      assertEquals([...passing.keys()].sort(), [...map.keys()].sort());
      for (let k = 0; k <= 12; k++) assertEquals(passing.get(k), map.get(k));
    }
  }));
});
