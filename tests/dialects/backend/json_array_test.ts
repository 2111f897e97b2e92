import { assertEquals } from "@std/assert";
import fc from "fast-check";
import { isJsonArray } from "../../../src/dialects/backend/json_array.ts";

const deep = 64;

/** What `JSON.parse` says. */
function expected(text: string): boolean {
  try {
    return Array.isArray(JSON.parse(text));
  } catch {
    return false;
  }
}

function actual(text: string, maxDepth = deep): boolean {
  return isJsonArray(new TextEncoder().encode(text), maxDepth);
}

Deno.test("isJsonArray() says of texts near the edges what JSON.parse says", () => {
  const values = [
    ...[
      "1",
      "0",
      "-0",
      "01",
      "-",
      "-1",
      "+1",
      "1.",
      ".5",
      "1.5",
      "1e5",
      "1E+5",
      "1e-05",
      "1e",
      "1e+",
      "0e0",
      "00",
    ],
    ...[
      "1.5.5",
      "1e5e5",
      "--1",
      "0x1",
      "NaN",
      "Infinity",
      "true",
      "tru",
      "truex",
      "false",
      "nul",
      "null",
      "nulll",
    ],
    ...[
      '""',
      '"',
      '"a"',
      '"\\"',
      '"\\""',
      '"\\\\"',
      '"\\\\\\"',
      '"\\u00e9"',
      '"\\u00eG"',
      '"\\u00"',
      '"\\x"',
      "'a'",
    ],
    ...[
      '"\n"',
      '"\t"',
      '"\u0000"',
      '"\u001f"',
      '"\u007f"',
      '"é😀"',
      '"\\/\\b\\f\\n\\r\\t"',
      '"a" "b"',
      '"a"b',
    ],
    ...[
      "[]",
      "[",
      "]",
      "[[]]",
      "[[]",
      "[]]",
      "[,]",
      "[1,]",
      "[,1]",
      "[1 2]",
      "[1,,2]",
      "[}",
      "{]",
      "[{}]",
      "[{]}",
    ],
    ...[
      "{}",
      "{",
      "}",
      '{"a":1}',
      '{"a":1,}',
      '{,"a":1}',
      '{"a"}',
      '{"a":}',
      "{1:1}",
      '{"a":1 "b":2}',
      '{"a":1,2}',
    ],
    ...[
      '{"a":{"b":[{}]}}',
      '{"a"1}',
      '{"a"::1}',
      '{"\\u0061":1}',
      "{a:1}",
      '{"a":1}}',
      '[{"a":[]}',
      '{"a":[}',
    ],
    ...["", " ", "\u00a0", "\ufeff", "/**/", "1/**/"],
  ];
  for (const value of values) {
    for (
      const text of [
        `[${value}]`,
        value,
        ` [\n1 ,${value}\r]\t`,
        `[${value},2]`,
        `[{"k":${value}}]`,
        `[${value}`,
      ]
    ) {
      assertEquals(actual(text), expected(text), JSON.stringify(text));
    }
  }
});

Deno.test("isJsonArray() says of texts cut or changed anywhere what JSON.parse says", () => {
  const text = `[ {"t":-1.5e+3,"fn":"a\\u00e9\\n…","x":[true,null,{}],"y":{"z":[[]]}} ,\n"\\\\" , false,0 ]`;
  assertEquals(actual(text), true);
  for (let i = 0; i <= text.length; i++) {
    assertEquals(actual(text.slice(0, i)), expected(text.slice(0, i)));
    for (const other of ["", '"', "\\", ",", ":", "[", "]", "{", "}", "0", "e", "-", "u", " ", "\n", "t"]) {
      for (
        const changed of [
          text.slice(0, i) + other + text.slice(i + 1),
          text.slice(0, i) + other + text.slice(i),
        ]
      ) {
        assertEquals(actual(changed), expected(changed), changed);
      }
    }
  }
});

Deno.test("isJsonArray() says of arbitrary JSON, and of JSON with faults, what JSON.parse says", () => {
  const blank = fc.constantFrom("", "", " ", "\n\t", "\r\n");
  const text = fc.tuple(fc.jsonValue({ noUnicodeString: false }), fc.option(fc.nat(6)), blank, blank)
    .map(([value, indent, before, after]) =>
      before + JSON.stringify(value, null, indent ?? undefined) + after
    );
  fc.assert(
    fc.property(text, fc.nat(), fc.constantFrom("", '"', "\\", "]", "}", ",", "1"), (json, at, fault) => {
      const list = `[${json},${json}]`;
      const place = at % list.length;
      const faulty = list.slice(0, place) + fault + list.slice(place + 1);
      for (const sent of [json, list, faulty]) assertEquals(actual(sent), expected(sent), sent);
    }),
    { seed: 20261120, numRuns: 2000 },
  );
});

Deno.test("isJsonArray() counts arrays and objects that are open at once", () => {
  for (const [open, close] of [["[", "]"], ['{"a":', "}"]]) {
    const nested = (depth: number): string => `[${open.repeat(depth - 1)}1${close.repeat(depth - 1)}]`;
    assertEquals([actual(nested(5), 5), actual(nested(6), 5)], [true, false]);
    assertEquals(actual(`[${"[],{},".repeat(50)}[]]`, 2), true);
  }
});

Deno.test("isJsonArray() leaves no line break", () => {
  const bytes = new TextEncoder().encode(`\n[\r\n1\n,\n{\n"a\\n"\n:\n2\n}\r]\n`);
  assertEquals(isJsonArray(bytes, deep), true);
  assertEquals(new TextDecoder().decode(bytes), ` [  1 , { "a\\n" : 2 } ] `);
});
