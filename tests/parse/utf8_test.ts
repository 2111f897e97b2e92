import { assertEquals } from "@std/assert";
import { decodeUtf8, isUtf8 } from "../../src/parse/utf8.ts";
import { seeded } from "./json_texts.ts";
import { toBytes, toText } from "./verdicts.ts";

function decodes(bytes: Uint8Array): boolean {
  try {
    toText(bytes);
    return true;
  } catch {
    return false;
  }
}

Deno.test("isUtf8() says what a fatal TextDecoder says of every pair and of many longer runs of bytes", () => {
  for (let a = 0; a < 256; a++) {
    for (let b = 0; b < 256; b++) {
      const bytes = new Uint8Array([a, b]);
      assertEquals([a, b, isUtf8(bytes, 0, 2)], [a, b, decodes(bytes)]);
    }
  }
  const random = seeded(1);
  const edges = [
    0x00,
    0x41,
    0x7f,
    0x80,
    0x8f,
    0x90,
    0x9f,
    0xa0,
    0xbf,
    0xc2,
    0xe0,
    0xed,
    0xef,
    0xf0,
    0xf4,
    0xf5,
  ];
  for (let round = 0; round < 20_000; round++) {
    const bytes = Uint8Array.from(
      { length: 3 + round % 5 },
      () => edges[Math.floor(random() * edges.length)],
    );
    assertEquals([bytes, isUtf8(bytes, 0, bytes.length)], [bytes, decodes(bytes)]);
  }
});

Deno.test("decodeUtf8() keeps a byte order mark and reads only its range", () => {
  assertEquals(decodeUtf8(toBytes("\ufeffé😀"), 0, 9), "\ufeffé😀");
  assertEquals(decodeUtf8(toBytes("abcd"), 1, 3), "bc");
});
