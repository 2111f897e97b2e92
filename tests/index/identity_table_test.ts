import { assertEquals, assertLess } from "@std/assert";
import fc from "fast-check";
import type { IdentityMemo } from "../../src/base/identity.ts";
import { digestWords } from "../../src/base/identity_hash.ts";
import { forEachPlaced } from "../../src/index/identity_page.ts";
import { IdentityTable, noEntry } from "../../src/index/identity_table.ts";
import { hexOf } from "../support/digests.ts";

/** Digests with few values in each word, so that many share slots, and some differ in one word only. */
const digest = fc.tuple(...Array.from({ length: 4 }, () => fc.constantFrom(0, 1, -1, 64))).map((words) =>
  Int32Array.from(words)
);
const memo = fc.constantFrom("a", "b", "c").map((name): IdentityMemo => ({ deviceId: name, sessionId: "" }));
const step = fc.oneof(
  { weight: 5, arbitrary: fc.record({ what: fc.constant("add" as const), digest, memo }) },
  { weight: 2, arbitrary: fc.record({ what: fc.constant("delete" as const), digest }) },
  { weight: 2, arbitrary: fc.record({ what: fc.constant("place" as const), digest }) },
);
type Step = typeof step extends fc.Arbitrary<infer T> ? T : never;

interface Known {
  memo: IdentityMemo;
  isPlaced: boolean;
}

/** A table and a plain map, after the same steps. */
function run(steps: readonly Step[]): { table: IdentityTable; model: Map<string, Known> } {
  const table = new IdentityTable();
  const model = new Map<string, Known>();
  for (const step of steps) {
    const known = model.get(hexOf(step.digest));
    const entry = table.find(step.digest, 0);
    assertEquals(entry === noEntry ? undefined : table.memoOf(entry), known?.memo);
    if (step.what === "add" && known === undefined) {
      table.add(step.digest, 0, step.memo);
      model.set(hexOf(step.digest), { memo: step.memo, isPlaced: false });
    } else if (step.what === "delete") {
      table.delete(step.digest, 0);
      model.delete(hexOf(step.digest));
    } else if (step.what === "place" && known !== undefined) {
      table.place(entry);
      known.isPlaced = true;
    }
    assertEquals(table.count, model.size);
  }
  return { table, model };
}

function placedOf(table: IdentityTable): Map<string, IdentityMemo> {
  const placed = new Map<string, IdentityMemo>();
  for (const page of table.pages) {
    forEachPlaced(page, (at, memo) => placed.set(hexOf(page.numbers, at), memo));
  }
  return placed;
}

function wantedOf(model: ReadonlyMap<string, Known>): Map<string, IdentityMemo> {
  return new Map([...model].filter(([, { isPlaced }]) => isPlaced).map(([hex, { memo }]) => [hex, memo]));
}

Deno.test("IdentityTable does what a Map does, also for digests that share slots", () => {
  const property = fc.property(fc.array(step, { maxLength: 200, size: "max" }), (steps) => {
    const { table, model } = run(steps);
    assertEquals(placedOf(table), wantedOf(model));
  });
  fc.assert(property, { seed: 20, numRuns: 300 });
});

Deno.test("IdentityTable.merge() keeps the memo of a digest that both have, and what is placed in either", () => {
  const steps = fc.array(step, { maxLength: 100, size: "max" });
  const property = fc.property(steps, steps, (first, second) => {
    const [own, other] = [run(first), run(second)];
    own.table.merge(other.table);
    for (const [hex, { memo, isPlaced }] of other.model) {
      const known = own.model.get(hex);
      if (known === undefined) own.model.set(hex, { memo, isPlaced });
      else known.isPlaced ||= isPlaced;
    }
    assertEquals(own.table.count, own.model.size);
    assertEquals(placedOf(own.table), wantedOf(own.model));
  });
  fc.assert(property, { seed: 21, numRuns: 200 });
});

Deno.test("IdentityTable holds 200,000 digests in 36 bytes each, and finds every one", () => {
  const table = new IdentityTable();
  const memos = Array.from(
    { length: 25 },
    (_, i) => ({ deviceId: `device ${i}`, sessionId: `session ${i}` }),
  );
  const count = 200_000;
  const digests = new Int32Array(count * digestWords);
  let state = 1;
  for (let i = 0; i < digests.length; i++) {
    state = Math.imul(state ^ state >>> 15, 0x2c1b3c6d) + 0x9e3779b9 | 0;
    digests[i] = Math.imul(state ^ state >>> 13, 0x297a2d39);
  }
  for (let i = 0; i < count; i++) table.add(digests, i * digestWords, memos[i % memos.length]);
  for (let i = 0; i < count; i++) {
    const entry = table.find(digests, i * digestWords);
    assertEquals(entry, i);
    assertEquals(table.memoOf(entry), memos[i % memos.length]);
  }
  assertLess(table.bytes / count, 36);
});
