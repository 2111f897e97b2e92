import { assert, assertEquals, assertLess } from "@std/assert";
import { IdentityFilter } from "../../src/index/identity_filter.ts";
import { MemoryCatalog } from "./memory_catalog.ts";
import { digestOf } from "../support/digests.ts";

const catalog = new MemoryCatalog();
const digest = (i: number): Int32Array => digestOf(catalog, `p7:defaultinsert-${i}`);

Deno.test("IdentityFilter never says no for what was added, also far past its capacity", () => {
  const filter = new IdentityFilter(4096);
  for (let i = 0; i < 50_000; i++) filter.add(digest(i), 0);
  for (let i = 0; i < 50_000; i++) assert(filter.mayHold(digest(i), 0), `identity ${i}`);
});

Deno.test("IdentityFilter says perhaps for about 1% of what was not added, when it is at its capacity", () => {
  const filter = new IdentityFilter(64 * 1024);
  for (let i = 0; filter.added < filter.capacity; i++) filter.add(digest(i), 0);
  let wrong = 0;
  for (let i = 0; i < 100_000; i++) if (filter.mayHold(digest(1e9 + i), 0)) wrong++;
  assertLess(wrong / 100_000, 0.015);
});

Deno.test("IdentityFilter.add() tells whether it may have been there, and counts what was new", () => {
  const filter = new IdentityFilter(4096);
  assertEquals(filter.add(digest(1), 0), false);
  assertEquals(filter.add(digest(1), 0), true);
  assertEquals(filter.added, 1);
});

Deno.test("IdentityFilter takes the greatest power of two within its bytes", () => {
  assertEquals(new IdentityFilter(100_000).bytes, 65_536);
  assertEquals(new IdentityFilter(1).bytes, 32);
  assertEquals(new IdentityFilter(64 * 2 ** 20).bytes, 64 * 2 ** 20);
});
