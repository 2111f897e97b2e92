import { assertEquals } from "@std/assert";
import fc from "fast-check";
import { IdentityMap } from "../../src/index/identity_map.ts";
import { hashText } from "../../src/index/text_hash.ts";

const memoOf = (n: number): { deviceId: string; sessionId: string } => ({ deviceId: `${n}`, sessionId: "" });

Deno.test("IdentityMap does what a Map does, also for keys of one hash", () => {
  const step = fc.record({ add: fc.boolean(), key: fc.string({ maxLength: 2 }) });
  // A bad hash: many keys share it.
  const hashOf = (key: string): number => hashText(key) % 3 * 2 ** 33 + key.length;
  fc.assert(
    fc.property(fc.array(step, { maxLength: 200, size: "max" }), (steps) => {
      const map = new IdentityMap();
      const model = new Map<string, { deviceId: string; sessionId: string }>();
      steps.forEach(({ add, key }, i) => {
        if (add && !model.has(key)) {
          map.add(key, hashOf(key), memoOf(i));
          model.set(key, memoOf(i));
        } else if (!add) {
          map.delete(key, hashOf(key));
          model.delete(key);
        }
        assertEquals(map.count, model.size);
        assertEquals(map.get(key, hashOf(key)), model.get(key));
      });
      for (const { key } of steps) assertEquals(map.get(key, hashOf(key)), model.get(key));
      assertEquals([...map.keys()].sort(), [...model.keys()].sort());
    }),
    { seed: 20261120 },
  );
});

Deno.test("IdentityMap.addAll() keeps the memo of a key that both maps have", () => {
  const map = new IdentityMap();
  const other = new IdentityMap();
  map.add("a", hashText("a"), memoOf(1));
  for (const [i, key] of ["a", "b"].entries()) other.add(key, hashText(key), memoOf(10 + i));
  map.addAll(other);
  assertEquals(map.get("a", hashText("a")), memoOf(1));
  assertEquals(map.get("b", hashText("b")), memoOf(11));
  assertEquals(map.count, 2);
});

Deno.test("IdentityMap holds 100,000 keys", () => {
  const map = new IdentityMap();
  for (let i = 0; i < 100_000; i++) map.add(`key-${i}`, hashText(`key-${i}`), memoOf(i));
  for (let i = 0; i < 100_000; i++) assertEquals(map.get(`key-${i}`, hashText(`key-${i}`))?.deviceId, `${i}`);
  assertEquals(map.get("key-100000", hashText("key-100000")), undefined);
});
