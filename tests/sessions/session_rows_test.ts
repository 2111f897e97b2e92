import { assertEquals } from "@std/assert";
import fc from "fast-check";
import { readColumns, readMovingColumns } from "../../src/sessions/session_rows.ts";

const encoder = new TextEncoder();
const moving = ["profile_id", "path", "origin", "query", "referrer", "referrer_name", "referrer_type"];

/** What {@link readMovingColumns} should find of the columns. */
function expected(columns: Record<string, unknown>): Record<string, unknown> {
  return Object.fromEntries(Object.entries(columns).filter(([name]) => moving.includes(name)));
}

Deno.test("readMovingColumns() reads texts as JSON does, and stops at the properties", () => {
  const head =
    '{"kind":"event","name":"a\\"b","seq":12,"profile_id":"u\\u00e91","local":true,"longitude":-1.5e3,' +
    '"path":"/é€/\\\\","origin":"https://a.example","title":"\\",\\"query\\":\\"no","referrer":"","query":"?a=b"';
  for (const end of ["}", ',"properties":{"path":"/other","origin":"x"}}']) {
    assertEquals(readMovingColumns(encoder.encode(head + end)), {
      profile_id: "ué1",
      path: "/é€/\\",
      origin: "https://a.example",
      referrer: "",
      query: "?a=b",
    });
  }
});

Deno.test("readMovingColumns() gives all columns where one is a list", () => {
  const line = encoder.encode('{"kind":"event","groups":["a","b"],"path":"/","properties":{"n":1}}');
  assertEquals(readMovingColumns(line), { kind: "event", groups: ["a", "b"], path: "/" });
});

Deno.test("readMovingColumns() is readColumns() for its own columns, whatever they hold", () => {
  const name = fc.constantFrom(...moving, "name", "os", "pathology", "quer");
  const value = fc.oneof(
    fc.string({ unit: "grapheme" }),
    fc.string({ unit: "binary-ascii" }),
    fc.double(),
    fc.boolean(),
  );
  fc.assert(
    fc.property(fc.dictionary(name, value), (columns) => {
      const line = encoder.encode(JSON.stringify({ kind: "event", ...columns, properties: { path: "no" } }));
      const texts = Object.entries(readColumns(line)).filter(([, text]) => typeof text === "string");
      assertEquals(readMovingColumns(line), expected(Object.fromEntries(texts)));
    }),
    { seed: 20261121, numRuns: 500 },
  );
});

Deno.test("readMovingColumns() ends where a line is cut off", () => {
  const line = encoder.encode('{"kind":"event","path":"/a","n":1,"properties":{}}');
  for (let end = 0; end < 34; end++) readMovingColumns(line.subarray(0, end));
});
