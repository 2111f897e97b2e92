import { assertEquals } from "@std/assert";
import { blankSpace, Scanner, skipSpace, trimEnd } from "../../src/parse/scanner.ts";
import { toBytes, toText } from "./verdicts.ts";

/** Where a scan stops, started outside of any bracket, the text fed in pieces of `size` bytes. */
function stopOf(text: string, size = text.length, maxDepth = 10): number {
  const scanner = new Scanner(maxDepth);
  const bytes = toBytes(text);
  for (let from = 0; from < bytes.length; from += size) {
    const end = Math.min(from + size, bytes.length);
    const at = scanner.scan(bytes, from, end);
    if (at < end) return at;
  }
  return bytes.length;
}

Deno.test("Scanner.scan() stops at commas, colons and closing brackets on its floor only", () => {
  for (
    const [text, stop] of [
      ["12,", 2],
      ["12:", 2],
      ["12]", 2],
      ["12}", 2],
      ["[1,2]:", 5],
      ['{"a":[1,{}]},', 12],
      ['",:]}[{",', 8],
      ['"\\",",', 5],
      ['"\\\\",', 4],
      ['"\\\\\\",",', 7],
      ['"\\u0022",', 8],
      ['"é,😀",', 9],
      ["[}]", 2],
      ['"', 1],
      ["[[", 2],
    ] as const
  ) {
    for (const size of [1, 2, 3, 5, 100]) assertEquals([text, stopOf(text, size)], [text, stop]);
  }
});

Deno.test("Scanner.scan() stops at the opening bracket that is one too deep", () => {
  assertEquals(stopOf("[[[]]]", 6, 3), 6);
  assertEquals(stopOf("[[{[]}]]", 8, 3), 3);
  assertEquals(stopOf("[]", 2, 0), 0);
});

Deno.test("Scanner.scan() keeps a string that is split inside an escape", () => {
  const scanner = new Scanner(1);
  const bytes = toBytes('"a\\"b\\\\",');
  const states = Array.from(bytes, (_, i) => {
    scanner.scan(bytes, i, i + 1);
    return scanner.isInString;
  });
  assertEquals(states, [true, true, true, true, true, true, true, false, false]);
});

Deno.test("Scanner.scan() overwrites line breaks between tokens, but not in strings", () => {
  const bytes = toBytes('[\n1\r\n, "\n\r"\n]\n');
  new Scanner(1).scan(bytes, 0, bytes.length);
  assertEquals(toText(bytes), '[ 1  , "\n\r" ] ');
});

Deno.test("Scanner.scan() sees a Unicode escape that is split", () => {
  for (const [text, expected] of [['"\\u0041"', true], ['"\\\\u0041"', false], ['"u"', false]] as const) {
    const scanner = new Scanner(1);
    const bytes = toBytes(text);
    for (let i = 0; i < bytes.length; i++) scanner.scan(bytes, i, i + 1);
    assertEquals(scanner.hasUnicodeEscape, expected);
    scanner.reset();
    assertEquals(scanner.hasUnicodeEscape, false);
  }
});

Deno.test("Scanner.enter() and leave() move the floor", () => {
  const scanner = new Scanner(3);
  const bytes = toBytes("[[1],2]");
  scanner.enter();
  assertEquals(scanner.scan(bytes, 1, bytes.length), 4);
  scanner.leave();
  assertEquals([scanner.depth, scanner.floor], [0, 0]);
});

Deno.test("skipSpace(), blankSpace() and trimEnd() know the four bytes of white space, and no others", () => {
  const bytes = toBytes(" \t\r\n\v1\f \t\r\n");
  assertEquals(skipSpace(bytes, 0, bytes.length), 4);
  assertEquals(skipSpace(bytes, 1, 3), 3);
  assertEquals(trimEnd(bytes, 0, bytes.length), 7);
  assertEquals(trimEnd(bytes, 8, bytes.length), 8);
  assertEquals(blankSpace(bytes, 0, bytes.length), 4);
  assertEquals(toText(bytes.subarray(0, 5)), "    \v");
});
