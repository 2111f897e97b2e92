import { assertEquals, assertLess, assertThrows } from "@std/assert";
import fc from "fast-check";
import { createMetrics, type Metrics } from "../../src/base/metrics.ts";
import { SeenIdentities } from "../../src/index/seen_identities.ts";
import { type Identity, identityKey, type IdentityMemo } from "../../src/base/identity.ts";
import { forEachPlaced, type IdentityPage } from "../../src/index/identity_page.ts";
import { digestOf, hexOf } from "../support/digests.ts";
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

/** Rows of bodies on their way, some of which repeat rows of the same, of another or of an earlier one. */
const body = fc.record({
  ids: fc.array(fc.nat(400), { minLength: 1, maxLength: 200, size: "max" }),
  isWritten: fc.boolean(),
  /** What another daemon is known to have stored. */
  marked: fc.option(fc.nat(400)),
});
const turn = fc.oneof(
  { weight: 6, arbitrary: fc.record({ what: fc.constant("reserve" as const), body }) },
  { weight: 3, arbitrary: fc.record({ what: fc.constant("place" as const), which: fc.nat(5) }) },
  { weight: 1, arbitrary: fc.record({ what: fc.constant("release" as const), which: fc.nat(5) }) },
  { weight: 1, arbitrary: fc.constant({ what: "plan" as const }) },
  { weight: 1, arbitrary: fc.record({ what: fc.constant("end" as const), fails: fc.boolean() }) },
);

Deno.test("SeenIdentities takes each of a batch's identities once: within it, beside others, before and after flushes", () => {
  const property = fc.property(
    fc.boolean(),
    fc.array(turn, { maxLength: 30, size: "max" }),
    (isWarm, turns) => {
      const { seen, catalog } = newSeen(1024);
      while (isWarm && !seen.warmUp(100));
      const known = new Map<string, IdentityMemo>();
      const onTheWay: { unit: Unit; taken: string[] }[] = [];
      let planned: Map<string, IdentityMemo> | undefined;
      const placed = new Map<string, IdentityMemo>();
      turns.forEach((turn, number) => {
        switch (turn.what) {
          case "reserve": {
            const { ids, isWritten, marked } = turn.body;
            const unit = unitOf((unit) =>
              ids.forEach((id, row) => {
                const identity: Identity = { key: keyOf(`${id}`), row, memo: memo(`${number}-${row}`) };
                if (id === marked) identity.first = memo("elsewhere");
                addRow(unit, { id: `${row}`, identity, isWritten: isWritten && id !== marked });
              })
            );
            const taken: string[] = [];
            const wanted: [number, IdentityMemo][] = [];
            ids.forEach((id, row) => {
              const first = id === marked ? memo("elsewhere") : known.get(`${id}`);
              if (first !== undefined) return wanted.push([row, first]);
              known.set(`${id}`, memo(`${number}-${row}`));
              taken.push(`${id}`);
            });
            assertEquals(seen.reserve(unit).map(({ row, first }) => [row, first]), wanted);
            onTheWay.push({ unit, taken });
            return;
          }
          case "place":
          case "release": {
            const [ended] = onTheWay.splice(turn.which, 1);
            if (ended === undefined) return;
            if (turn.what === "place") {
              seen.place(ended.unit);
              for (const id of ended.taken) placed.set(id, known.get(id)!);
            } else {
              seen.release(ended.unit);
              for (const id of ended.taken) known.delete(id);
            }
            return;
          }
          case "plan":
            if (planned !== undefined) return;
            assertEquals(placedIn(seen.plan()), placedAs(placed, catalog));
            planned = new Map(placed);
            placed.clear();
            for (const { unit } of onTheWay) seen.carry(unit);
            return;
          case "end":
            if (planned === undefined) return;
            if (turn.fails) {
              seen.failed();
              for (const [id, first] of planned) placed.set(id, first);
              for (const { unit } of onTheWay) seen.carry(unit);
            } else {
              for (const [id, first] of planned) catalog.remember(keyOf(id), first);
              seen.committed();
              if (isWarm) { while (!seen.warmUp(100)); }
            }
            planned = undefined;
        }
      });
      for (let id = 0; id <= 400; id++) assertEquals(seen.find(keyOf(`${id}`)), known.get(`${id}`));
    },
  );
  fc.assert(property, { seed: 22, numRuns: 60 });
});

function placedIn(pages: readonly IdentityPage[]): Map<string, IdentityMemo> {
  const placed = new Map<string, IdentityMemo>();
  for (const page of pages) {
    forEachPlaced(page, (at, memo) => placed.set(hexOf(page.numbers, at), memo));
  }
  return placed;
}

function placedAs(
  placed: ReadonlyMap<string, IdentityMemo>,
  catalog: MemoryCatalog,
): Map<string, IdentityMemo> {
  return new Map([...placed].map(([id, memo]) => [hexOf(digestOf(catalog, keyOf(id))), memo]));
}
