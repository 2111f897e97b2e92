import { assert, assertEquals } from "@std/assert";
import superjson from "superjson";
import { normalizeInput, type TrpcCall, type TrpcRules, type TrpcVerdict } from "../../src/trpc/mod.ts";

const one: TrpcCall = { paths: ["login"], isBatch: true };
const two: TrpcCall = { paths: ["login", "logout"], isBatch: true };
const single: TrpcCall = { paths: ["login"], isBatch: false };
const superjsonRules: TrpcRules = { transformer: "superjson" };
const legacy: TrpcRules = { legacyClients: true };
const C = `{"username": "m", "id": 12345678901234567890, "id": 2}`;

/** The text of a verdict that normalizes; its action otherwise. */
function made(verdict: TrpcVerdict): string {
  return verdict.action === "normalized" ? verdict.text : verdict.action;
}

/** `[call, rules, text, what comes of it]`. */
type Row = [TrpcCall, TrpcRules, string, string];

function testRows(name: string, rows: Row[]): void {
  Deno.test(`normalizeInput() ${name}`, () => {
    for (const [call, rules, text, expected] of rows) {
      assertEquals(
        made(normalizeInput(text, call, rules)),
        expected,
        `${text} ${JSON.stringify({ call, rules })}`,
      );
    }
  });
}

testRows("leaves alone what is canonical", [
  [one, {}, `{"0":${C}}`, "unchanged"],
  [one, {}, ` {"0" : {"json":1} }\n`, "unchanged"],
  [two, {}, `{"1":7}`, "unchanged"],
  [two, legacy, `{}`, "unchanged"],
  [one, {}, `{"0":null}`, "unchanged"],
  [one, {}, `{"0":{"input":1}}`, "unchanged"],
  [one, { envelope: "never", legacyClients: true }, `{"0":{"input":1}}`, "unchanged"],
  [one, legacy, `{"0":{"input":{"a":1},"note":"x"}}`, "unchanged"],
  [one, superjsonRules, `{"0":{"json":null,"meta":{"values":["undefined"]}}}`, "unchanged"],
  [one, superjsonRules, `{"0":{"json":1,"more":2}}`, "unchanged"],
  [single, {}, C, "unchanged"],
  [single, {}, `{"input":${C}}`, "unchanged"],
  [single, {}, `[1,2]`, "unchanged"],
  [single, legacy, `"s"`, "unchanged"],
  [single, legacy, `null`, "unchanged"],
  [single, {}, ``, "unchanged"],
  [single, superjsonRules, `{"json":1,"meta":null}`, "unchanged"],
]);

testRows("keys an array by index", [
  [one, {}, `[${C}]`, `{"0":${C}}`],
  [two, {}, ` [1 , "],{"]`, `{"0":1,"1":"],{"}`],
  [one, {}, `[{"input":${C}}]`, `{"0":${C}}`],
  [one, {}, `[{"path":"login","input":${C}}]`, `{"0":${C}}`],
  [one, { envelope: "never" }, `[{"input":${C}}]`, `{"0":{"input":${C}}}`],
  [one, { envelope: "never" }, `[{"path":"other","input":1}]`, `{"0":{"path":"other","input":1}}`],
  [one, {}, `[{"path":"/tmp","input":1,"size":3}]`, `{"0":{"path":"/tmp","input":1,"size":3}}`],
  [one, superjsonRules, `[${C}]`, `{"0":{"json":${C}}}`],
  [one, superjsonRules, `[{"json":${C}}]`, `{"0":{"json":${C}}}`],
  [one, superjsonRules, `[{"input":{"json":${C},"meta":null}}]`, `{"0":{"json":${C},"meta":null}}`],
]);

testRows("puts items that name their procedure where it is called", [
  [two, {}, `[{"path":"logout","input":2},{"path":"login","input":1}]`, `{"0":1,"1":2}`],
  [two, {}, `[{"path":"login","input":1},{"path":"logout","input":2}]`, `{"0":1,"1":2}`],
  [two, {}, `[{"path":"login","input":1},2]`, `{"0":1,"1":2}`],
  [two, {}, `[{"path":"logout","input":1},2]`, "refused"],
  [two, {}, `[{"path":"login","input":1},{"path":"login","input":2}]`, "refused"],
  [one, {}, `[{"path":"logout","input":1}]`, "refused"],
  [one, legacy, `{"0":{"path":"logout","input":1}}`, "refused"],
  [one, legacy, `{"0":{"path":"login","input":1}}`, `{"0":1}`],
  [
    { paths: ["a", "a"], isBatch: true },
    {},
    `[{"path":"a","input":1},{"path":"a","input":2}]`,
    `{"0":1,"1":2}`,
  ],
]);

testRows("takes a top-level input for the batch", [
  [one, {}, `{"input":${C}}`, `{"0":${C}}`],
  [one, { envelope: "never" }, `{"input":${C}}`, `{"0":${C}}`],
  [one, superjsonRules, `{"input":${C}}`, `{"0":{"json":${C}}}`],
  [one, superjsonRules, `{"input":{"json":1}}`, `{"0":{"json":1}}`],
  [one, {}, `{"input":{"0":${C}}}`, `{"0":${C}}`],
  [two, {}, `{"input":{"0":1,"1":2}}`, `{"0":1,"1":2}`],
  [two, superjsonRules, `{"input":{"0":1,"1":{"json":2}}}`, `{"0":{"json":1},"1":{"json":2}}`],
  [one, {}, `{"input":{}}`, `{"0":{}}`],
  [two, {}, `{"input":{}}`, `{}`],
  [one, {}, `{"path":"login","input":1}`, `{"0":1}`],
  [one, {}, `{"path":"logout","input":1}`, "refused"],
  [two, {}, `{"input":${C}}`, "refused"],
  [two, {}, `{"input":{"0":1,"5":2}}`, "refused"],
]);

testRows("takes a bare object for the one input", [
  [one, {}, C, `{"0":${C}}`],
  [one, superjsonRules, C, `{"0":{"json":${C}}}`],
  [
    one,
    superjsonRules,
    `{"json":"x","meta":{"values":["Date"]}}`,
    `{"0":{"json":"x","meta":{"values":["Date"]}}}`,
  ],
  [two, {}, C, "refused"],
]);

testRows("refuses what would lose data in silence", [
  [one, {}, `{"0":1,"foo":2}`, "refused"],
  [two, {}, `{"0":1,"foo":2}`, "refused"],
  [one, {}, `{"0":1,"1":2}`, "refused"],
  [one, {}, `{"00":1}`, "refused"],
  [one, {}, `{"-1":1}`, "refused"],
  [one, {}, `[]`, "refused"],
  [two, {}, `[1]`, "refused"],
  [one, {}, `null`, "refused"],
  [one, {}, `"x"`, "refused"],
  [one, {}, `5`, "refused"],
  [one, {}, `{"0":1`, "refused"],
  [single, {}, `  `, "refused"],
]);

testRows("opens envelopes where they are known to be ones", [
  [one, legacy, `{"0":{"input":${C}}}`, `{"0":${C}}`],
  [one, { envelope: "always" }, `{"0":{"input":${C}}}`, `{"0":${C}}`],
  [
    two,
    { envelope: (path) => path === "login" ? "never" : "always" },
    `{"0":{"input":1},"1":{"input":2}}`,
    `{"0":{"input":1},"1":2}`,
  ],
  [single, legacy, `{"input":${C}}`, C],
  [single, legacy, `{"path":"login","input":1}`, `1`],
  [single, legacy, `{"path":"/tmp/a","input":1}`, "unchanged"],
  [single, legacy, `{"input":1,"more":2}`, "unchanged"],
  [one, superjsonRules, `{"0":{"input":${C}}}`, `{"0":{"json":${C}}}`],
  [single, superjsonRules, `{"input":${C}}`, `{"json":${C}}`],
  [single, { ...superjsonRules, envelope: "never" }, `{"input":1}`, `{"json":{"input":1}}`],
]);

testRows("wraps for superjson what it did not serialise", [
  [one, superjsonRules, `{"0":${C}}`, `{"0":{"json":${C}}}`],
  [two, superjsonRules, `{"1":7}`, `{"1":{"json":7}}`],
  [two, superjsonRules, `{}`, "unchanged"],
  [single, superjsonRules, C, `{"json":${C}}`],
  [single, superjsonRules, `[1]`, `{"json":[1]}`],
  [single, superjsonRules, `null`, `{"json":null}`],
]);

testRows("gives an empty batch its object", [
  [one, {}, ``, `{}`],
  [two, superjsonRules, ``, `{}`],
]);

Deno.test("normalizeInput() takes a batch apart that superjson serialised as a whole", () => {
  const shared = new Date(5);
  const inputs = {
    0: { at: new Date(1), "a.b": new Set([1n]), plain: "x" },
    1: new Map([["k", new Date(2)]]),
    2: undefined,
    3: [shared, { again: shared }],
    4: "only JSON",
  };
  const call: TrpcCall = { paths: ["a", "b", "c", "d", "e"], isBatch: true };
  const verdict = normalizeInput(JSON.stringify(superjson.serialize(inputs)), call, superjsonRules);
  assert(verdict.action === "normalized");
  assertEquals(verdict.steps, ["split"]);
  const items = Object.entries(JSON.parse(verdict.text) as Record<string, { json: never; meta?: never }>);
  const read = Object.fromEntries(items.map(([index, item]) => [index, superjson.deserialize(item)]));
  assertEquals(read as unknown, inputs);
});

Deno.test("normalizeInput() refuses a whole batch whose calls share a value", () => {
  const shared = { x: 1 };
  const text = JSON.stringify(superjson.serialize({ 0: { shared }, 1: { shared } }));
  const call: TrpcCall = { paths: ["a", "b"], isBatch: true };
  const verdict = normalizeInput(text, call, superjsonRules);
  assert(verdict.action === "refused");
  assert(verdict.reason.includes("share"));
});

Deno.test("normalizeInput() names the shape in what it refuses, and quotes nothing of it", () => {
  for (const text of [`{"input":"s3cret"}`, `{"s3cret":1,"0":1}`, `["s3cret"]`, `"s3cret"`, `{"0":"s3cret`]) {
    const verdict = normalizeInput(text, two, {});
    assert(verdict.action === "refused", text);
    assert(!verdict.reason.includes("s3cret"), verdict.reason);
  }
});

Deno.test("normalizeInput() tells each step once, in the order in which it was done", () => {
  const text = `[{"path":"logout","input":2},{"path":"login","input":1}]`;
  const verdict = normalizeInput(text, two, superjsonRules);
  assert(verdict.action === "normalized");
  assertEquals(verdict.steps, ["array", "reordered", "envelope", "superjson"]);
});
