import { assertEquals } from "@std/assert";
import { callLines, plainText } from "../../src/cli/call_lines.ts";
import { CallTree } from "../../src/traces/call_tree.ts";

const wide = { maxValue: 40, maxDepth: Infinity, maxLines: 100 };

function linesOf(events: readonly unknown[], options: Partial<typeof wide> = {}): string[] {
  const tree = new CallTree();
  for (const event of events) tree.push(event);
  return [...callLines(tree.finish(), { ...wide, ...options })];
}

const events = [
  {
    type: "enter",
    fn: "pay",
    spanId: 1,
    parentSpanId: null,
    t: 10,
    file: "/app/src/pay.js",
    line: 7,
    args: [{ id: 1 }, "é"],
  },
  { type: "enter", fn: "charge", spanId: 2, parentSpanId: 1, t: 11, args: ["x".repeat(100)] },
  {
    type: "exit",
    fn: "charge",
    spanId: 2,
    t: 13.25,
    threw: true,
    error: { name: "CardError", message: "refused\u001b[31m" },
  },
  { type: "enter", fn: "log", spanId: 3, parentSpanId: 1, t: 14 },
  { type: "exit", fn: "pay", spanId: 1, t: 15, returnValue: { ok: false } },
  { type: "enter", fn: "write", spanId: 4, parentSpanId: 3, t: 15, args: [] },
  { type: "exit", fn: "log", spanId: 3, t: 16, unawaited: true },
];

Deno.test("callLines() shows who called whom, with what, for how long, and what came of it", () => {
  assertEquals(linesOf(events), [
    `pay({"id":1}, "é") → {"ok":false}  5 ms  pay.js:7`,
    `├─ charge("${"x".repeat(38)}…) ✗ CardError: refused\ufffd[31m  2.3 ms`,
    `└─ log()  2 ms  [not awaited]  [ended after its caller]`,
    `   └─ write()  [never ended]`,
  ]);
});

Deno.test("callLines() counts what is too deep or too much", () => {
  assertEquals(linesOf(events, { maxDepth: 2 }).at(-1), "… and 1 more calls");
  assertEquals(linesOf(events, { maxLines: 1 }), [
    `pay({"id":1}, "é") → {"ok":false}  5 ms  pay.js:7`,
    "… and 3 more calls",
  ]);
});

Deno.test("callLines() takes calls that nest deeper than a stack", () => {
  const deep = Array.from({ length: 50_000 }, (_, i) => ({ type: "enter", fn: "f", depth: i + 1 }));
  assertEquals(linesOf(deep, { maxLines: 3 }).at(-1), "… and 49997 more calls");
});

Deno.test("plainText() lets nothing through that a terminal obeys, and cuts no character in two", () => {
  assertEquals(plainText("a\nb\tc\u001b]0;x\u0007\u009b1m", 100), "a b c\ufffd]0;x\ufffd\ufffd1m");
  assertEquals(plainText("ab😀cd", 4), "ab\ufffd…");
});
