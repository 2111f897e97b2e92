import { assertEquals, assertLess, assertThrows } from "@std/assert";
import { createMetrics, type Metrics } from "../../src/base/metrics.ts";
import { SeenIdentities } from "../../src/index/seen_identities.ts";
import { identityKey, type IdentityMemo } from "../../src/base/identity.ts";
import { type Unit } from "../../src/base/record.ts";
import { MemoryCatalog } from "./memory_catalog.ts";
import { addRow, unitOf } from "./units.ts";

const memo = (name: string): { deviceId: string; sessionId: string } => ({ deviceId: name, sessionId: "" });

const keyOf = (id: string): string => identityKey("project", "p", id);

/** Takes an identity as a unit of one row does. */
function reserve(seen: SeenIdentities, id: string, memo: IdentityMemo): { unit: Unit; first?: IdentityMemo } {
  const unit = unitOf((unit) => addRow(unit, { id, identity: { key: keyOf(id), row: 0, memo } }));
  const [repeat] = seen.reserve(unit);
  return { unit, first: repeat?.first };
}

function newSeen(filterBytes = 4096): { seen: SeenIdentities; catalog: MemoryCatalog; metrics: Metrics } {
  const catalog = new MemoryCatalog();
  const metrics = createMetrics();
  return { seen: new SeenIdentities({ catalog, metrics, filterBytes }), catalog, metrics };
}

Deno.test("SeenIdentities still knows, without the catalog, what the last flush wrote", () => {
  const { seen, catalog } = newSeen();
  reserve(seen, "a", memo("first"));
  seen.plan();
  seen.committed();
  assertEquals(seen.find(keyOf("a")), memo("first"));
  assertEquals(catalog.identityLookups, 1, "asked once, for the first reserve, as the filter was not filled");
  seen.plan();
  assertEquals(seen.find(keyOf("a")), memo("first"));
  seen.committed();
  assertEquals(seen.find(keyOf("a")), undefined);
});

Deno.test("SeenIdentities finds what was looked up before a flush and is reserved after it", () => {
  const { seen } = newSeen();
  assertEquals(seen.find(keyOf("a")), undefined, "the slow request looks");
  reserve(seen, "a", memo("quick"));
  seen.plan();
  seen.committed();
  assertEquals(reserve(seen, "a", memo("slow")).first, memo("quick"));
});

Deno.test("SeenIdentities.release() gives an identity back, also one that a plan has moved on", () => {
  const { seen } = newSeen();
  seen.release(reserve(seen, "a", memo("a")).unit);
  const { unit, first } = reserve(seen, "a", memo("b"));
  assertEquals(first, undefined);
  seen.plan();
  seen.release(unit);
  assertEquals(seen.find(keyOf("a")), undefined);
  seen.failed();
  assertEquals(seen.find(keyOf("a")), undefined);
});

Deno.test("SeenIdentities.failed() keeps both what was planned and what came since", () => {
  const { seen } = newSeen();
  for (const key of ["a", "b", "c"]) reserve(seen, key, memo(key));
  seen.plan();
  reserve(seen, "d", memo("d"));
  seen.failed();
  seen.plan();
  seen.failed();
  for (const key of ["a", "b", "c", "d"]) assertEquals(seen.find(keyOf(key)), memo(key));
  assertEquals(seen.size().entries, 4);
});

Deno.test("SeenIdentities asks the catalog about everything until the filter was filled once", () => {
  const { seen, catalog } = newSeen();
  for (let i = 0; i < 25; i++) catalog.remember(keyOf(`old-${i}`), memo("old"));
  assertEquals(seen.find(keyOf("old-24")), memo("old"));
  assertEquals(seen.find(keyOf("new")), undefined);
  assertEquals(catalog.identityLookups, 2);
  assertEquals([seen.warmUp(10), seen.warmUp(10)], [false, false]);
  assertEquals(seen.find(keyOf("old-24")), memo("old"));
  assertEquals([seen.warmUp(10), seen.warmUp(10)], [true, true]);
  catalog.identityLookups = 0;
  for (let i = 0; i < 25; i++) assertEquals(seen.find(keyOf(`old-${i}`)), memo("old"));
  assertEquals(catalog.identityLookups, 25);
  for (let i = 0; i < 25; i++) assertEquals(seen.find(keyOf(`new-${i}`)), undefined);
  assertEquals(catalog.identityLookups, 25, "the filter answers for what was never seen");
});

/** Its first walk over the identities breaks off. */
class FailingCatalog extends MemoryCatalog {
  #walks = 0;

  override *identityDigests(): Generator<Int32Array> {
    const isFirst = this.#walks++ === 0;
    for (const digest of super.identityDigests()) {
      yield digest;
      if (isFirst) throw new Error("disk I/O error");
    }
  }
}

Deno.test("SeenIdentities begins to fill the filter anew when the catalog failed half-way", () => {
  const catalog = new FailingCatalog();
  for (let i = 0; i < 10; i++) catalog.remember(keyOf(`old-${i}`), memo("old"));
  const seen = new SeenIdentities({ catalog, metrics: createMetrics(), filterBytes: 4096 });
  assertThrows(() => seen.warmUp(100), Error, "disk I/O error");
  for (let i = 0; i < 10; i++) assertEquals(seen.find(keyOf(`old-${i}`)), memo("old"));
  assertEquals(seen.warmUp(100), true);
  for (let i = 0; i < 10; i++) assertEquals(seen.find(keyOf(`old-${i}`)), memo("old"));
});

Deno.test("SeenIdentities fills a filter that became too full anew, with what has not expired", () => {
  const { seen, catalog } = newSeen(1024);
  assertEquals(seen.warmUp(1), true);
  const reserveAll = (prefix: string, count: number): void => {
    for (let i = 0; i < count; i++) reserve(seen, `${prefix}${i}`, memo(prefix));
  };
  reserveAll("old-", 600);
  seen.plan();
  seen.committed();
  reserveAll("written-", 200);
  seen.plan();
  for (let i = 0; i < 200; i++) catalog.remember(keyOf(`written-${i}`), memo("written-"));
  reserveAll("before-", 10);
  // The filter is past its capacity of 682 now, and of what it holds only these are left.
  seen.committed();
  reserveAll("after-", 10);
  assertEquals(seen.filterSize().bytes, 2048);
  while (!seen.warmUp(20)) reserveAll("during-", 10);
  assertEquals(seen.filterSize().bytes, 1024);
  assertLess(seen.filterSize().entries, 250);
  for (
    const [prefix, count] of [["written-", 200], ["before-", 10], ["after-", 10], ["during-", 10]] as const
  ) {
    for (let i = 0; i < count; i++) assertEquals(seen.find(keyOf(`${prefix}${i}`)), memo(prefix));
  }
  catalog.identityLookups = 0;
  for (let i = 0; i < 600; i++) assertEquals(seen.find(keyOf(`old-${i}`)), undefined);
  assertLess(catalog.identityLookups, 30);
});

Deno.test("SeenIdentities counts look-ups by where they were decided", async () => {
  const { seen, catalog, metrics } = newSeen();
  catalog.remember(keyOf("old"), memo("old"));
  assertEquals(seen.warmUp(10), true);
  reserve(seen, "new", memo("new"));
  reserve(seen, "new", memo("new"));
  reserve(seen, "old", memo("old"));
  seen.countLookups();
  seen.countLookups();
  const { values } = await metrics.counter("weir_identity_lookups_total").get();
  const counts = Object.fromEntries(values.map(({ labels, value }) => [labels.by, value]));
  assertEquals(counts, { filter: 1, recent: 1, catalog: 1 });
});
