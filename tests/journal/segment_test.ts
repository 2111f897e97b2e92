import { assertEquals, assertThrows } from "@std/assert";
import {
  magic,
  maxPayloadBytes,
  readFrames,
  segmentOf,
  segmentPath,
  type Verdict,
} from "../../src/journal/segment.ts";
import { pieceBytes } from "../../src/journal/segment_reader.ts";
import { tempDir } from "../support/temp.ts";
import { line, sealed } from "./support.ts";

async function readAll(bytes: Uint8Array): Promise<{ texts: string[]; offsets: number[]; verdict: Verdict }> {
  await using dir = await tempDir();
  await Deno.writeFile(`${dir.path}/a.wal`, bytes);
  const texts: string[] = [], offsets: number[] = [];
  const frames = readFrames(`${dir.path}/a.wal`);
  for (;;) {
    const step = await frames.next();
    if (step.done) return { texts, offsets, verdict: step.value };
    texts.push(new TextDecoder().decode(step.value.payload));
    offsets.push(step.value.offset);
  }
}

function joined(...parts: Uint8Array[]): Uint8Array<ArrayBuffer> {
  return new Uint8Array(parts.flatMap((part) => [...part]));
}

Deno.test("readFrames() gives offsets and payloads of whole frames, then a clean verdict", async () => {
  const first = sealed(line(1)), second = sealed(line(2) + line(3));
  const { texts, offsets, verdict } = await readAll(joined(magic, first, second));
  assertEquals(texts, [line(1), line(2) + line(3)]);
  assertEquals(offsets, [15 + 8, 15 + first.length + 8]);
  assertEquals([verdict.end, verdict.at], ["clean", 15 + first.length + second.length]);
});

Deno.test("readFrames() reads frames that cross and exceed the pieces it reads in", async () => {
  const sizes = [pieceBytes - 40, 100, pieceBytes - 20, pieceBytes, pieceBytes + 1, 3 * pieceBytes, 5];
  const texts = sizes.map((size, i) => line(i, size));
  await using dir = await tempDir();
  const path = segmentPath(dir.path, 1);
  await Deno.writeFile(path, magic);
  for (const text of texts) await Deno.writeFile(path, sealed(text), { append: true });
  const read: boolean[] = [];
  for await (const { payload } of readFrames(path)) {
    read.push(new TextDecoder().decode(payload) === texts[read.length]);
  }
  assertEquals(read, texts.map(() => true));
});

Deno.test("readFrames() calls a segment torn at every place where a write can be cut off", async () => {
  const whole = joined(magic, sealed(line(1)), sealed(line(2)));
  const starts = [0, 15, 15 + sealed(line(1)).length, whole.length];
  for (let size = 0; size < whole.length; size++) {
    const { texts, verdict } = await readAll(whole.slice(0, size));
    const atFrame = starts.includes(size) && size > 0;
    assertEquals(verdict.end, atFrame ? "clean" : "torn", `cut to ${size}`);
    assertEquals(verdict.at, starts.findLast((start) => start <= size), `cut to ${size}`);
    assertEquals(texts.length, Math.max(0, starts.filter((start) => start <= size).length - 2));
  }
});

Deno.test("readFrames() calls what cannot be a frame damaged", async () => {
  const frame = sealed(line(1));
  const withLength = (length: number): Uint8Array => {
    const changed = frame.slice();
    new DataView(changed.buffer).setUint32(0, length, true);
    return changed;
  };
  const wrongCrc = frame.slice();
  wrongCrc[4] ^= 1;
  const cases: Record<string, Uint8Array> = {
    "length 0": withLength(0),
    "length past the cap": withLength(maxPayloadBytes + 1).subarray(0, -1),
    "length past the end before a whole payload": withLength(frame.length),
    "length too small": withLength(frame.length - 9),
    "wrong CRC-32": wrongCrc,
  };
  for (const [name, bytes] of Object.entries(cases)) {
    const { texts, verdict } = await readAll(joined(magic, sealed(line(0)), bytes));
    assertEquals([texts.length, verdict.end, verdict.at], [1, "damaged", 15 + frame.length], name);
  }
  const other = await readAll(joined(new TextEncoder().encode("weir journal 2\n"), frame));
  assertEquals([other.texts.length, other.verdict.end, other.verdict.at], [0, "damaged", 0]);
});

Deno.test("segmentPath() and segmentOf() agree, and refuse what is no segment", () => {
  assertEquals(segmentPath("/data/journal", 42), "/data/journal/0000000000000042.wal");
  assertEquals(segmentOf("0000000000000042.wal"), 42);
  for (const name of ["42.wal", "0000000000000000.wal", "9999999999999999.wal", "0000000000000042.wal.tmp"]) {
    assertEquals(segmentOf(name), undefined, name);
  }
  for (const number of [0, -1, 1.5, NaN, 2 ** 53]) assertThrows(() => segmentPath("/", number), RangeError);
});
