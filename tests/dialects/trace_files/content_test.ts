import { assert, assertEquals, assertThrows } from "@std/assert";
import fc from "fast-check";
import { WeirError } from "../../../src/base/errors.ts";
import { fileContent } from "../../../src/dialects/trace_files/content.ts";

const decoder = new TextDecoder("utf-8", { fatal: true, ignoreBOM: true });

function codeOf(value: unknown, maxBytes = 1_000): string {
  return assertThrows(() => fileContent(value, maxBytes), WeirError).code;
}

Deno.test("fileContent() writes a text as it is, and every other value as JSON with an indent of 2", () => {
  for (const text of ["", "é😀", '{"a":1}', "\ufeffx", "a\r\nb\0"]) {
    assertEquals(decoder.decode(fileContent(text, 1_000)), text);
  }
  assertEquals(fileContent("é😀", 1_000).length, 6);
  const json = fc.jsonValue().filter((value) => typeof value !== "string" && value !== null);
  fc.assert(
    fc.property(json, (value) => {
      assertEquals(decoder.decode(fileContent(value, 1_000_000)), JSON.stringify(value, undefined, 2));
    }),
    { seed: 7 },
  );
});

Deno.test("fileContent() counts bytes, the indent's too", () => {
  assertEquals(fileContent("é".repeat(500), 1_000).length, 1_000);
  assertEquals(codeOf("é".repeat(501)), "file_too_large");
  const value = { a: [1, { b: [] }], c: "x" };
  const size = JSON.stringify(value, undefined, 2).length;
  assertEquals(fileContent(value, size).length, size);
  assertEquals(codeOf(value, size - 1), "file_too_large");
});

Deno.test("fileContent() does not build what would be far too large", () => {
  // 1 MiB of JSON that would take 256 MiB with its indents.
  let value: unknown = new Array(500_000).fill(1);
  for (let depth = 1; depth < 128; depth++) value = [value];
  const start = performance.now();
  const sent = { sentBytes: JSON.stringify(value).length, maxDepth: 128, hasUnicodeEscape: false };
  for (const known of [undefined, sent]) {
    const build = (): Uint8Array => fileContent(value, 8 * 1024 * 1024, known);
    assertEquals(assertThrows(build, WeirError).code, "file_too_large");
  }
  assert(performance.now() - start < 1_000);
});

Deno.test("fileContent() refuses halves of surrogate pairs, wherever they are", () => {
  for (const value of ["\ud83d", "a\ude00b", { a: "\ud83d" }, ["x", { "\udc00": 1 }]]) {
    assertEquals(codeOf(value), "ill_formed_text");
    const sent = { sentBytes: 100, maxDepth: 128, hasUnicodeEscape: true };
    assertEquals(assertThrows(() => fileContent(value, 1_000, sent), WeirError).code, "ill_formed_text");
  }
  // The text `\ud83d`, not half a pair.
  assertEquals(decoder.decode(fileContent(["\\ud83d"], 100)), '[\n  "\\\\ud83d"\n]');
});
