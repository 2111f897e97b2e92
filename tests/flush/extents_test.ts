import { assertEquals, assertThrows } from "@std/assert";
import { ExtentReader } from "../../src/flush/extents.ts";
import { LineCutter } from "../../src/flush/lines.ts";
import { segmentPath } from "../../src/journal/segment.ts";
import { tempDir } from "../support/temp.ts";

const segmentBytes = 3_000_000;

function byteAt(segment: number, offset: number): number {
  return (Math.imul(offset, 2654435761) + segment) >>> 24;
}

async function writeSegments(dir: string, count: number): Promise<void> {
  for (let segment = 1; segment <= count; segment++) {
    await Deno.writeFile(
      segmentPath(dir, segment),
      new Uint8Array(segmentBytes).map((_, i) => byteAt(segment, i)),
    );
  }
}

Deno.test("ExtentReader hands over every extent's bytes, however they lie", async () => {
  await using dir = await tempDir();
  await writeSegments(dir.path, 10);
  let seed = 20261120;
  const random = (below: number): number => (seed = (Math.imul(seed, 1664525) + 1013904223) >>> 0) % below;
  using reader = new ExtentReader(dir.path);
  for (let round = 0; round < 30; round++) {
    const extents: number[] = [];
    let at = random(1000);
    for (let i = 0; i < 60; i++) {
      const length = [0, 1, random(3000), random(20_000), random(1_500_000)][random(round % 3 === 0 ? 5 : 4)];
      // Now and then elsewhere, or back; else right behind the last one, as frames of a journal are.
      at = random(8) === 0 ? random(segmentBytes) : at + [0, 8, 8, 5000][random(4)];
      if (at + length > segmentBytes) at = 0;
      extents.push(7, round % 2 === 0 ? 3 : 1 + random(10), at, length);
      at += length;
    }
    const seen = Array.from({ length: 60 }, () => 0);
    let last = 0;
    reader.read(Float64Array.from(extents), { stride: 4, first: 1 }, (bytes, i) => {
      if (i < last) throw new Error("out of order");
      last = i;
      const [segment, offset] = extents.slice(i * 4 + 1);
      for (let k = 0; k < bytes.length; k += 1 + (bytes.length >> 6)) {
        if (bytes[k] !== byteAt(segment, offset + seen[i] + k)) throw new Error(`wrong byte in extent ${i}`);
      }
      seen[i] += bytes.length;
    });
    assertEquals(seen, extents.filter((_, i) => i % 4 === 3));
  }
});

Deno.test("ExtentReader refuses an extent that its segment does not hold", async () => {
  await using dir = await tempDir();
  await writeSegments(dir.path, 1);
  using reader = new ExtentReader(dir.path);
  const read = (...extent: number[]): void =>
    reader.read(Float64Array.from(extent), { stride: 3, first: 0 }, () => {});
  assertThrows(() => read(1, segmentBytes - 10, 11), Error, "ends before");
  assertThrows(() => read(2, 0, 1), Deno.errors.NotFound);
});

Deno.test("LineCutter cuts the same lines at every chunking", () => {
  const text = 'a\n\n{"b":"é"}\nlonger than the others\nno line break at the end';
  const bytes = new TextEncoder().encode(text);
  for (let size = 1; size <= bytes.length; size++) {
    const lines: string[] = [];
    const cutter = new LineCutter((line) => lines.push(new TextDecoder().decode(line)));
    for (let at = 0; at < bytes.length; at += size) {
      const piece = bytes.slice(at, at + size);
      cutter.push(piece);
      piece.fill(0);
    }
    cutter.finish();
    assertEquals(lines, text.split("\n"), `pieces of ${size}`);
  }
});
