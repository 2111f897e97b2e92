import { assert, assertEquals, assertLess } from "@std/assert";
import { type Call, CallTree } from "../../src/traces/call_tree.ts";
import { type RealCall, runProgram } from "./traced_program.ts";

function treeOf(events: readonly unknown[]): readonly Call[] {
  const tree = new CallTree();
  for (const event of events) tree.push(event);
  return tree.finish();
}

/** Names and ends, nested. */
function shape(calls: readonly Call[]): unknown[] {
  return calls.map(({ fn, state, children }) => [fn, state, ...shape(children)]);
}

function realShape(calls: readonly RealCall[]): unknown[] {
  return calls.map(({ fn, threw, children }) => [fn, threw ? "threw" : "returned", ...realShape(children)]);
}

for (
  const [numbering, isParallel] of [["spans", true], ["spans", false], ["depth", false], [
    "order",
    false,
  ]] as const
) {
  const how = `${numbering}${isParallel ? ", calls in parallel" : ""}`;
  Deno.test(`CallTree is what the program did, from events with ${how}`, () => {
    for (let seed = 1; seed <= 20; seed++) {
      const { roots, events } = runProgram({ size: 200, seed, numbering, isParallel });
      assertEquals(shape(treeOf(events)), realShape(roots), `seed ${seed}`);
    }
  });
}

Deno.test("CallTree shows what does not fit as what it is", () => {
  const calls = treeOf([
    { type: "exit", fn: "before", t: 3 },
    { type: "enter", fn: "outer", spanId: 1, parentSpanId: null, depth: 1, t: 5 },
    { type: "enter", fn: "forgotten", spanId: 2, parentSpanId: 1, depth: 2, t: 5 },
    { kind: "query", t: 6, sql: "select" },
    { type: "exit", fn: "outer", spanId: 1, depth: 1, t: 7, threw: true, error: { name: "TypeError" } },
    { type: "exit", fn: "forgotten", spanId: 2, depth: 2, t: 9, unawaited: true, returnValue: 4 },
    { type: "enter", fn: "late", spanId: 3, parentSpanId: 1, depth: 2, t: 10 },
    { type: "enter", fn: "open", spanId: 4, parentSpanId: 3, depth: 3, t: 11 },
    17,
  ]);
  assertEquals(shape(calls), [
    ["before", "stray"],
    ["outer", "threw", ["forgotten", "returned", ["query", "mark"]], ["late", "unfinished", [
      "open",
      "unfinished",
      [
        undefined,
        "mark",
      ],
    ]]],
  ]);
  const [, outer] = calls;
  const [forgotten, late] = outer.children;
  assertEquals([outer.error, outer.enteredAt, outer.exitedAt], [{ name: "TypeError" }, 5, 7]);
  assertEquals([forgotten.unawaited, forgotten.outlivesCaller, forgotten.returnValue], [true, true, 4]);
  assertEquals([late.exitedAt, late.outlivesCaller], [undefined, false]);
});

Deno.test("CallTree never sorts by time", () => {
  const calls = treeOf([
    { type: "enter", fn: "a", spanId: 1, parentSpanId: null, t: 100 },
    { type: "enter", fn: "b", spanId: 2, parentSpanId: 1, t: 50 },
    { type: "exit", fn: "b", spanId: 2, t: 40 },
    { type: "enter", fn: "c", spanId: 3, parentSpanId: 1, t: 10 },
    { type: "exit", fn: "c", spanId: 3, t: 5 },
    { type: "exit", fn: "a", spanId: 1, t: 1 },
  ]);
  assertEquals(shape(calls), [["a", "returned", ["b", "returned"], ["c", "returned"]]]);
});

Deno.test("CallTree gives an end with another call's number to a call of the same function", () => {
  // What repro-nest sends of an async function that is called in a loop.
  const calls = treeOf([
    { type: "enter", fn: "all", spanId: 1, parentSpanId: null, depth: 1 },
    { type: "enter", fn: "later", spanId: 2, parentSpanId: 1, depth: 2 },
    { type: "exit", fn: "later", spanId: 9, parentSpanId: 1, depth: 2, returnValue: "first" },
    { type: "enter", fn: "later", spanId: 3, parentSpanId: 1, depth: 2 },
    { type: "exit", fn: "later", spanId: 2, parentSpanId: 1, depth: 2, returnValue: "second" },
    { type: "exit", fn: "all", spanId: 1, parentSpanId: null, depth: 1 },
  ]);
  assertEquals(shape(calls), [["all", "returned", ["later", "returned"], ["later", "returned"]]]);
  assertEquals(calls[0].children.map(({ returnValue }) => returnValue), ["first", "second"]);
});

Deno.test("CallTree takes time in proportion to the events, also of calls that never end", () => {
  const begin = (i: number): unknown => ({ type: "enter", fn: `f${i}`, depth: 1 });
  const end = { type: "exit", fn: "none", depth: 5 };
  const events = Array.from({ length: 150_000 }, (_, i) => i % 10 === 9 ? end : begin(i));
  const start = performance.now();
  assert(treeOf(events).length > 0);
  // Looking at every open call for each event would take minutes.
  assertLess(performance.now() - start, 20_000);
});
