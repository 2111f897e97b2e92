import { assertEquals } from "@std/assert";
import fc from "fast-check";
import { editDistance, nearest } from "../../src/config/suggest.ts";

Deno.test("editDistance() counts insertions, deletions, replacements and swaps", () => {
  assertEquals(editDistance("flush", "flush"), 0);
  assertEquals(editDistance("flsuh", "flush"), 1);
  assertEquals(editDistance("flus", "flush"), 1);
  assertEquals(editDistance("fluush", "flush"), 1);
  assertEquals(editDistance("flash", "flush"), 1);
  assertEquals(editDistance("", "abc"), 3);
  assertEquals(editDistance("abc", ""), 3);
  assertEquals(editDistance("ca", "abc"), 3);
});

Deno.test("editDistance() is symmetric and never more than the longer text", () => {
  const word = fc.string({ maxLength: 12 });
  fc.assert(
    fc.property(word, word, (a, b) => {
      const distance = editDistance(a, b);
      assertEquals(distance, editDistance(b, a));
      assertEquals(distance <= Math.max(a.length, b.length), true);
      assertEquals(distance === 0, a === b);
    }),
    { seed: 11 },
  );
});

Deno.test("nearest() finds the closest name and ignores case", () => {
  const names = ["interval_ms", "journal_bytes", "compression"];
  assertEquals(nearest("intervall_ms", names), "interval_ms");
  assertEquals(nearest("INTERVAL_MS", names), "interval_ms");
  assertEquals(nearest("intervalMs", names), "interval_ms");
});

Deno.test("nearest() finds nothing where nothing is near, and for hostile lengths", () => {
  assertEquals(nearest("zzz", ["flush", "log"]), undefined);
  assertEquals(nearest("", ["flush"]), undefined);
  assertEquals(nearest("x".repeat(1_000_000), ["x"]), undefined);
});
