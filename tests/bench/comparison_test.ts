import { assertEquals } from "@std/assert";
import { type Comparison, figure, median, verdict, worst } from "../../bench/comparison.ts";
import { Latencies } from "../../bench/latencies.ts";
import { renderReport } from "../../bench/report.ts";

const base: Comparison = {
  row: "batch10",
  what: "throughput",
  against: "bare",
  unit: "x",
  better: "more",
  bar: 0.5,
  goal: 1.25,
  values: [0.9, 0.4, 1.3],
  detail: "a | b",
};

Deno.test("median() and worst() look at the rounds in the direction that is better", () => {
  assertEquals(median([3, 1, 2]), 2);
  assertEquals(median([4, 1, 2, 3]), 2.5);
  assertEquals(worst(base), 0.4);
  assertEquals(worst({ ...base, better: "less" }), 1.3);
});

Deno.test("verdict() holds the median against bar and goal", () => {
  assertEquals(verdict(base), "bar");
  assertEquals(verdict({ ...base, values: [1.25] }), "goal");
  assertEquals(verdict({ ...base, values: [0.49] }), "no");
  assertEquals(verdict({ ...base, better: "less", bar: 3, goal: 1, values: [3] }), "bar");
  assertEquals(verdict({ ...base, better: "less", bar: 3, goal: 1, values: [3.1] }), "no");
  assertEquals(verdict({ ...base, bar: undefined, values: [1.25] }), "goal");
  assertEquals(verdict({ ...base, bar: undefined, values: [1.24] }), "short");
});

Deno.test("Latencies keeps every value and gives percentiles by nearest rank", () => {
  const latencies = new Latencies();
  for (let i = 100_000; i >= 1; i--) latencies.add(i);
  assertEquals(latencies.summary(), { p50: 50_000, p99: 99_000, max: 100_000 });
  assertEquals(new Latencies().summary(), { p50: 0, p99: 0, max: 0 });
});

Deno.test("renderReport() says what was reached, what was not, and what failed", () => {
  const facts = {
    machine: ["machine: m"],
    date: "2026-11-20",
    command: "c",
    rounds: 5,
    armMs: 30_000,
    notes: "## Notes\n",
  };
  const page = renderReport([base, { ...base, values: [0.1] }, { ...base, bar: undefined }], {
    ...facts,
    failures: [["single", "broke"]],
    left: [],
  });
  const rows = page.split("\n").filter((line) => line.startsWith("| throughput"));
  assertEquals(rows, [
    "| throughput | bare | 0.90x (0.40x) | >= 0.50x | >= 1.25x | bar | a \\| b |",
    "| throughput | bare | 0.10x (0.10x) | >= 0.50x | >= 1.25x | **no** | a \\| b |",
    "| throughput | bare | 0.90x (0.40x) | none | >= 1.25x | goal missed | a \\| b |",
  ]);
  assertEquals(page.includes("- `single`: broke"), true);
  assertEquals(figure(1234.5, "/s"), "1235/s");
});
