import { assertEquals } from "@std/assert";
import { RowIndex } from "../../src/index/row_index.ts";

const run = (segment: number, offset: number, length = 10): Parameters<RowIndex["add"]>[1] => ({
  segment,
  offset,
  length,
  rows: 1,
});

function extentsOf(index: RowIndex, prefix = ""): [string, number[]][] {
  return [...index.entries(prefix)].map(({ partition, extents }) => [partition, [...extents]]);
}

Deno.test("RowIndex joins runs that follow each other without a gap, and no others", () => {
  const index = new RowIndex();
  index.add("a", run(1, 20));
  index.add("a", run(1, 30));
  index.add("a", run(1, 48));
  index.add("a", run(2, 58));
  assertEquals(extentsOf(index), [["a", [1, 20, 20, 2, 1, 48, 10, 1, 2, 58, 10, 1]]]);
});

Deno.test("RowIndex.plan() leaves what lies in the checkpoint's segment for the next flush", () => {
  const index = new RowIndex();
  index.add("a", run(1, 20));
  index.add("b", run(1, 40));
  index.add("a", run(2, 20));
  index.add("c", run(2, 40));
  const plan = index.plan(2);
  assertEquals(plan.map(({ partition, extents }) => [partition, [...extents]]), [
    ["a", [1, 20, 10, 1]],
    ["b", [1, 40, 10, 1]],
  ]);
  index.committed();
  assertEquals(extentsOf(index), [["a", [2, 20, 10, 1]], ["c", [2, 40, 10, 1]]]);
  assertEquals(index.size().entries, 2);
});

Deno.test("RowIndex.entries() reads what is in flush and what came since, by partition", () => {
  const index = new RowIndex();
  index.add("events/p", run(1, 20));
  index.add("mails/p", run(1, 40));
  index.plan(2);
  index.add("events/p", run(2, 20));
  assertEquals(extentsOf(index, "events/"), [
    ["events/p", [1, 20, 10, 1]],
    ["events/p", [2, 20, 10, 1]],
  ]);
});

Deno.test("RowIndex.failed() puts the planned rows before those that came since", () => {
  const index = new RowIndex();
  index.add("a", run(1, 20));
  index.plan(2);
  index.add("a", run(2, 20));
  index.add("b", run(2, 40));
  index.failed();
  assertEquals(extentsOf(index), [["a", [1, 20, 10, 1, 2, 20, 10, 1]], ["b", [2, 40, 10, 1]]]);
  const segments = new Set<number>();
  index.addSegments(segments);
  assertEquals(segments, new Set([1, 2]));
  assertEquals(index.size().entries, 3);
});

Deno.test("RowIndex knows what it costs, and costs nothing when all is written", () => {
  const index = new RowIndex();
  for (let i = 0; i < 1000; i++) index.add("a", run(1, i * 20));
  assertEquals(index.size().bytes > 32_000 && index.size().bytes < 100_000, true, `${index.size().bytes}`);
  index.plan(2);
  index.committed();
  assertEquals(index.size(), { entries: 0, bytes: 0 });
});
