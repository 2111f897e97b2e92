import { assertEquals } from "@std/assert";
import fc from "fast-check";
import type { StoredTestEvent, TestEventType } from "../../src/base/test_runs.ts";
import { ArraySplitter } from "../../src/flush/array_splitter.ts";
import { RunFold } from "../../src/flush/run_fold.ts";
import type { RunModel } from "../../src/flush/run_model.ts";
import { Reorder, SendOrder } from "../../src/flush/send_order.ts";
import { SeqGaps } from "../../src/flush/seq_gaps.ts";

function event(
  n: number,
  type: TestEventType,
  data: unknown,
  more: Partial<StoredTestEvent> = {},
): StoredTestEvent {
  return { n, id: `e${n}`, seq: n + 1, type, run_id: "r", time: "2026-11-20T00:00:00.000Z", data, ...more };
}

function fold(events: readonly StoredTestEvent[], limits = {}): RunModel {
  const run = new RunFold("r", limits);
  for (const each of events) run.add(each);
  return run.finish();
}

/** What a reader does: finds the order, then folds in it. */
function foldArrived(arrived: readonly StoredTestEvent[]): RunModel {
  const order = new SendOrder();
  for (const { execution_id = "", seq } of arrived) order.add({ sender: execution_id, seq });
  const reorder = new Reorder<StoredTestEvent>(order.positions());
  const sent = [...arrived.flatMap((each) => [...reorder.push(each, 1)]), ...reorder.finish()];
  return fold(sent);
}

const sample: StoredTestEvent[] = ["a", "b"].flatMap((execution_id) =>
  [
    event(0, "run.start", {
      run_id: "r",
      total_tests: 2,
      test_suites: [{ id: "s", test_cases: [{ id: "never" }] }],
    }),
    event(1, "test.begin", { test_case: { id: "t", test_suite_id: "s" } }),
    event(2, "step.begin", { step: { id: "x", test_case_id: "t" } }),
    event(3, "step.begin", { step: { id: "y", test_case_id: "t", parent_step_id: "x" } }),
    event(4, "step.end", { step: { id: "y", test_case_id: "t", status: 2 } }),
    event(5, "step.end", { step: { id: "x", test_case_id: "t", status: "PASSED" } }),
    event(6, "test.failure", { test_id: "t", failure_message: "no" }),
    event(7, "test.end", { test_case: { id: "t", status: "FAILED", errors: ["no"] } }),
    event(8, "test.begin", { test_case: { id: "t" } }),
    event(9, "stderr", { test_id: "t", message: "out" }),
    event(10, "test.end", { testCase: { id: "t", status: "PASSED", duration: "1.5s" } }),
    event(11, "run.end", {
      run_id: "r",
      final_status: "PASSED",
      duration: "2s",
      start_time: "2026-11-20T00:00:00Z",
    }),
  ].map((each) => ({ ...each, execution_id }))
);

Deno.test("RunFold puts a run together", () => {
  const { status, counts, executions, duration_ms, total_tests, completeness } = fold(sample);
  assertEquals([status, duration_ms, total_tests], ["PASSED", 2000, 4]);
  assertEquals(counts, {
    ...{
      tests: 4,
      passed: 0,
      failed: 0,
      flaky: 2,
      skipped: 0,
      running: 0,
      not_run: 2,
      attempts: 4,
      steps: 4,
    },
  });
  assertEquals([completeness.orphan_count, completeness.missing], [0, 0]);
  const [{ suites: [{ tests }] }] = executions;
  const { attempts: [first, second] } = tests.find(({ id }) => id === "t")!;
  assertEquals(first.failures.map(({ message }) => message), ["no"]);
  assertEquals([first.steps[0].id, first.steps[0].steps[0].status], ["x", "FAILED"]);
  assertEquals([second.duration_ms, second.output[0].message], [1500, "out"]);
});

Deno.test("a run that arrives in any order is the run that was sent", () => {
  const expected = JSON.stringify(fold(sample));
  const places = fc.shuffledSubarray(sample.map((_, i) => i), { minLength: sample.length });
  fc.assert(
    fc.property(places, (order) => {
      const arrived = order.map((i, n) => ({ ...sample[i], n }));
      const { executions, ...rest } = JSON.parse(JSON.stringify(foldArrived(arrived))) as RunModel;
      // Executions stand in the order in which they were first heard of.
      executions.sort((a, b) => a.id < b.id ? -1 : 1);
      const { executions: wanted, ...wantedRest } = JSON.parse(expected) as RunModel;
      assertEquals(executions, wanted);
      assertEquals(rest, wantedRest);
    }),
    { seed: 20_261_120, numRuns: 200 },
  );
});

Deno.test("RunFold is RUNNING until every execution ended, named or not", () => {
  const start = (n: number): StoredTestEvent => event(n, "run.start", {});
  const end = (n: number, final_status: string): StoredTestEvent => event(n, "run.end", { final_status });
  assertEquals(fold([start(0), start(1), end(2, "PASSED")]).status, "RUNNING");
  assertEquals(fold([start(0), start(1), end(2, "PASSED"), end(3, "FAILED")]).status, "FAILED");
  const named = { execution_id: "a" };
  assertEquals(
    fold([start(0), { ...start(1), ...named }, { ...end(2, "PASSED"), ...named }]).status,
    "RUNNING",
  );
});

Deno.test("RunFold lists ends without a begin and children without a parent, and keeps them", () => {
  const { completeness, counts } = fold([
    event(0, "test.end", { test_case: { id: "t", status: "PASSED" } }),
    event(1, "step.end", { step: { id: "x", test_case_id: "t" } }),
    event(2, "step.begin", { step: { id: "y", test_case_id: "t", parent_step_id: "gone" } }),
    event(3, "suite.begin", { suite: { id: "s", parent_suite_id: "gone" } }),
    event(4, "run.end", { final_status: "PASSED" }),
  ]);
  assertEquals(completeness.orphans.map(({ type }) => type), [
    "test.end",
    "step.end",
    "run.end",
    "step",
    "suite",
  ]);
  assertEquals([counts.tests, counts.steps], [1, 2]);
});

Deno.test("RunFold holds no more than it may, whatever is nested in what", () => {
  const deep = Array.from(
    { length: 5_000 },
    (_, n) =>
      event(n, "step.begin", { step: { id: `s${n}`, test_case_id: "t", parent_step_id: `s${n - 1}` } }),
  );
  JSON.stringify(fold(deep));
  const own = [
    event(0, "suite.begin", { suite: { id: "a", parent_suite_id: "b" } }),
    event(1, "suite.begin", { suite: { id: "b", parent_suite_id: "a" } }),
    event(2, "step.begin", { step: { id: "x", test_case_id: "t", parent_step_id: "x" } }),
  ];
  JSON.stringify(fold(own));
  const { completeness, counts } = fold(deep, { maxNodes: 1_000 });
  assertEquals([counts.steps < 1_000, completeness.truncated > 4_000], [true, true]);
});

Deno.test("SeqGaps finds what is missing, from 0 or 1, for each sender", () => {
  const gaps = new SeqGaps(10);
  for (const seq of [5, 2, 3, 3, 9]) gaps.add("a", seq);
  for (const seq of [0, 1, 3]) gaps.add("b", seq);
  assertEquals(gaps.finish(), {
    missing: 6,
    gaps: [
      { execution_id: "a", from: 1, to: 1 },
      { execution_id: "a", from: 4, to: 4 },
      { execution_id: "a", from: 6, to: 8 },
      { execution_id: "b", from: 2, to: 2 },
    ],
  });
});

Deno.test("Reorder holds only what is ahead of its turn, and no more than it may", () => {
  const order = new SendOrder();
  for (const seq of [3, 1, 2]) order.add({ sender: "", seq });
  const positions = order.positions();
  const gives = (maxBytes: number): number[][] => {
    const reorder = new Reorder<number>(positions, maxBytes);
    return [[...reorder.push(3, 10)], [...reorder.push(1, 10)], [...reorder.push(2, 10)], [
      ...reorder.finish(),
    ]];
  };
  assertEquals(gives(100), [[], [1], [2, 3], []]);
  assertEquals(gives(5), [[3], [1], [2], []]);
});

Deno.test("ArraySplitter cuts the same elements, whatever the pieces", () => {
  const text = `{"a":"]}\\\\\\"{"},  {"b":[{"c":1}]},{"d":"é"}`;
  const bytes = new TextEncoder().encode(text);
  const expected = [`{"a":"]}\\\\\\"{"}`, `{"b":[{"c":1}]}`, `{"d":"é"}`];
  for (let size = 1; size <= bytes.length; size++) {
    const splitter = new ArraySplitter();
    const found: string[] = [];
    for (let at = 0; at < bytes.length; at += size) {
      for (const element of splitter.push(bytes.subarray(at, at + size))) {
        found.push(new TextDecoder().decode(element));
      }
    }
    assertEquals(found, expected);
  }
});
