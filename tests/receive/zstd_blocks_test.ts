import { assert, assertEquals, assertThrows } from "@std/assert";
import { ZstdBlocks } from "../../src/receive/zstd_blocks.ts";
import { hexBytes, joined, randomBytes, skippable, zstdFrame } from "./encoded.ts";

/** Positions behind which the stream was cut, in the pieces that `sizes` makes of it. */
function cuts(blocks: ZstdBlocks, bytes: Uint8Array, pieceBytes: number): number[] {
  const ends: number[] = [];
  let at = 0;
  for (let from = 0; from < bytes.length; from += pieceBytes) {
    for (const piece of blocks.cut(bytes.subarray(from, from + pieceBytes))) ends.push(at += piece.length);
  }
  return ends;
}

Deno.test("ZstdBlocks.cut() gives every byte once, in order, at every chunking", () => {
  const stream = joined([
    zstdFrame(randomBytes(300_000)),
    skippable(1_000),
    zstdFrame(new Uint8Array(0), { checksum: true }),
    zstdFrame(new TextEncoder().encode("text ".repeat(20_000)), { checksum: true }),
    skippable(0),
  ]);
  for (const size of [1, 2, 3, 7, 64, 4_096, 131_072, stream.length]) {
    const blocks = new ZstdBlocks();
    const pieces: Uint8Array[] = [];
    for (let from = 0; from < stream.length; from += size) {
      pieces.push(...blocks.cut(stream.subarray(from, from + size)));
    }
    assert(pieces.every((piece) => piece.length > 0 && piece.length <= 131_075));
    assertEquals(joined(pieces), stream);
    assert(blocks.isBetween);
  }
});

Deno.test("ZstdBlocks.cut() cuts behind every block and frame", () => {
  // Frame: magic, no checksum, window of 1 KiB; a raw block of 2, a repeated byte, an empty last block.
  const frame = hexBytes("28b52ffd 00 00  100000 aabb  420000 cc  010000");
  assertEquals(cuts(new ZstdBlocks(), frame, frame.length), [6, 11, 15, 18]);
  assertEquals(cuts(new ZstdBlocks(), joined([frame, frame]), 1_000).slice(4), [24, 29, 33, 36]);
});

Deno.test("ZstdBlocks.isBetween is true at the end of each frame and nowhere else", () => {
  const frames = [
    hexBytes("28b52ffd 00 00 010000"),
    hexBytes("28b52ffd 24 03 190000 616263 11223344"),
    hexBytes("502a4d18 03000000 112233"),
    hexBytes("5f2a4d18 00000000"),
    hexBytes("28b52ffd 60 0001 010000"),
    hexBytes("28b52ffd e0 0100000000000000 0b0000 61"),
  ];
  const stream = joined(frames);
  const ends = new Set<number>();
  frames.reduce((at, frame) => {
    ends.add(at + frame.length);
    return at + frame.length;
  }, 0);
  const blocks = new ZstdBlocks();
  assert(blocks.isBetween);
  for (let i = 0; i < stream.length; i++) {
    Array.from(blocks.cut(stream.subarray(i, i + 1)));
    assertEquals(blocks.isBetween, ends.has(i + 1), `after ${i + 1} bytes`);
  }
});

Deno.test("ZstdBlocks.cut() refuses what is no zstd, and what asks for too much", () => {
  const refused: [string, string][] = [
    ["28b52ffe", "no frame begins"],
    ["1f8b0800", "no frame begins"],
    ["602a4d18", "no frame begins"],
    ["28b52ffd 01", "dictionary"],
    ["28b52ffd 00 69", "window must be at most 8 MiB: current value is 9437184"],
    ["28b52ffd 00 f8", "window must be at most 8 MiB"],
    ["28b52ffd a0 01008000", "window must be at most 8 MiB: current value is 8388609"],
    ["28b52ffd e0 ffffffffffffffff", "window must be at most 8 MiB"],
    ["28b52ffd 00 00 070000", "a block is damaged"],
    ["28b52ffd 00 00 090010", "a block is damaged"],
    ["28b52ffd 00 00 010000 00000000", "no frame begins"],
  ];
  for (const [hex, text] of refused) {
    assertThrows(() => Array.from(new ZstdBlocks().cut(hexBytes(hex))), RangeError, text);
  }
  for (const allowed of ["28b52ffd 00 68", "28b52ffd a0 00008000", "28b52ffd 00 00 000010"]) {
    Array.from(new ZstdBlocks().cut(hexBytes(allowed)));
  }
});
