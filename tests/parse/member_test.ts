import { assertEquals } from "@std/assert";
import { findMember, isKey } from "../../src/parse/member.ts";
import { TextMaker } from "./json_texts.ts";
import { toBytes, toText } from "./verdicts.ts";

/** The text of a member's value. */
function memberText(object: string, key: string): string | undefined {
  const bytes = toBytes(`[${object},{"b":0}]`);
  const range = findMember(bytes, 1, bytes.length - 9, key);
  return range && toText(bytes.subarray(range.start, range.end));
}

Deno.test("findMember() finds a value of any kind, without the space around it", () => {
  const object =
    ' { "a" : [ 1 , {"b":2} ] , "c":"}\\",\\\\" ,"d":{"b":{}} , "e" : -1.5e3 , "f":null,"":true } ';
  assertEquals(memberText(object, "a"), '[ 1 , {"b":2} ]');
  assertEquals(memberText(object, "c"), '"}\\",\\\\"');
  assertEquals(memberText(object, "d"), '{"b":{}}');
  assertEquals(memberText(object, "e"), "-1.5e3");
  assertEquals(memberText(object, "f"), "null");
  assertEquals(memberText(object, ""), "true");
  assertEquals(memberText(object, "b"), undefined);
});

Deno.test("findMember() takes the last of several, escaped keys among them", () => {
  assertEquals(memberText('{"a":1,"\\u0061":2,"b":"\\u0061"}', "a"), "2");
  assertEquals(memberText('{"\\u0061":1,"a":2}', "a"), "2");
  assertEquals(memberText('{"é":1,"\\ud83d\\ude00":2}', "é"), "1");
  assertEquals(memberText('{"é":1,"\\ud83d\\ude00":2}', "😀"), "2");
});

Deno.test("findMember() finds nothing in what is no object or has no such key", () => {
  for (const text of ["{}", " { } ", "[]", '["a",1]', '"a"', "1", '{"ab":1}', '{"":1}', '{"b":{"a":1}}']) {
    assertEquals(memberText(text, "a"), undefined);
  }
});

Deno.test("findMember() finds what JSON.parse finds, in texts from a seed", () => {
  const maker = new TextMaker(11);
  for (let round = 0; round < 5000; round++) {
    const text = maker.object(3);
    const value = JSON.parse(text) as Record<string, unknown>;
    const space = maker.space();
    const bytes = toBytes(space + text + space);
    for (const key of [...Object.keys(value), "missing"]) {
      const range = findMember(bytes, 0, bytes.length, key);
      const found = range && JSON.parse(toText(bytes.subarray(range.start, range.end)));
      assertEquals(found, Object.hasOwn(value, key) ? value[key] : undefined, text);
    }
  }
});

Deno.test("isKey() knows a key in each of its spellings, and no two strings for one", () => {
  const is = (text: string, key: string) => isKey(toBytes(text), 0, toBytes(text).length, key);
  assertEquals([is(' "a" ', "a"), is('"\\u0061"', "a"), is('"é"', "é"), is('""', "")], [
    true,
    true,
    true,
    true,
  ]);
  assertEquals(
    [is('"ab"', "a"), is('"a"', "ab"), is('"\\"', '"'), is('"', ""), is("", "")].some(Boolean),
    false,
  );
  assertEquals(is('"\\u0061" "b"', "a"), false);
});
