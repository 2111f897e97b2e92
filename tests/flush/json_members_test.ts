import { assert, assertEquals } from "@std/assert";
import fc from "fast-check";
import { JsonMembers, skipValue } from "../../src/flush/json_members.ts";

const encoder = new TextEncoder();

function membersOf(text: string): [string, unknown][] {
  const found: [string, unknown][] = [];
  const members = new JsonMembers(encoder.encode(text));
  while (members.next()) found.push([members.key(), JSON.parse(members.json())]);
  return found;
}

Deno.test("JsonMembers finds what JSON.parse finds", () => {
  const indents = fc.constantFrom(undefined, 1, "\t", " \r\n");
  const property = fc.property(fc.dictionary(fc.string(), fc.jsonValue()), indents, (object, indent) => {
    const parsed = JSON.parse(JSON.stringify(object));
    assertEquals(Object.fromEntries(membersOf(JSON.stringify(object, undefined, indent))), parsed);
  });
  fc.assert(property, { seed: 20261120, numRuns: 2000 });
});

Deno.test("JsonMembers reads strings and numbers as JSON.parse does", () => {
  const members = new JsonMembers(
    encoder.encode('{"a\\u0062":"\\"\\ud83d\\ude00\uFEFF","n":-1.5e3,"o":{"n":1},"t":true}'),
  );
  assert(members.next());
  assertEquals([members.key(), members.string(), members.number()], ["ab", '"😀\uFEFF', NaN]);
  assert(members.next() && members.is(encoder.encode("n")) && !members.is(encoder.encode("o")));
  assertEquals([members.string(), members.number()], ["", -1500]);
  assert(members.next());
  assertEquals([members.key(), members.json()], ["o", '{"n":1}']);
  assert(members.next());
  assertEquals([members.number(), members.json()], [NaN, "true"]);
  assert(!members.next() && !members.next());
});

Deno.test("skipValue() stops at the end of bytes that are cut off", () => {
  for (const text of ['{"a":[1,{"b":"c\\"d"}],"e":null}', '"abc\\', "[[[", "12"]) {
    for (let end = 0; end <= text.length; end++) {
      assert(skipValue(encoder.encode(text.slice(0, end)), 0) <= end + 1);
    }
  }
});
