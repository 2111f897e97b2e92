import { assert, assertEquals, assertRejects } from "@std/assert";
import * as fc from "fast-check";
import { systemClock } from "../../src/base/clock.ts";
import { WeirError } from "../../src/base/errors.ts";
import { createLog } from "../../src/base/log.ts";
import { createMetrics } from "../../src/base/metrics.ts";
import { FrameRefusal, recoverJournal } from "../../src/journal/recover.ts";
import { magic, segmentPath } from "../../src/journal/segment.ts";
import { pieceBytes } from "../../src/journal/segment_reader.ts";
import { type TempDir, tempDir } from "../support/temp.ts";
import { line, metricValue, namesIn, readBack, sealed } from "./support.ts";

const headBytes = magic.length;

function joined(...parts: Uint8Array[]): Uint8Array<ArrayBuffer> {
  return new Uint8Array(parts.flatMap((part) => [...part]));
}

/** A journal with these segments, from number 1 on. */
async function journalOf(...segments: Uint8Array[]): Promise<TempDir> {
  const root = await tempDir();
  await Deno.mkdir(`${root.path}/journal`);
  for (const [i, bytes] of segments.entries()) {
    await Deno.writeFile(segmentPath(`${root.path}/journal`, i + 1), bytes);
  }
  return root;
}

Deno.test("recoverJournal() gives every frame with its place, in order, and the number to go on with", async () => {
  const first = sealed(line(1) + line(2));
  await using root = await journalOf(joined(magic, first, sealed(line(3))), joined(magic, sealed(line(4))));
  await Deno.writeFile(segmentPath(`${root.path}/journal`, 10), joined(magic, sealed(line(5))));
  const found = await readBack(root.path);
  assertEquals(found.frames, [
    { at: { segment: 1, offset: 23 }, text: line(1) + line(2) },
    { at: { segment: 1, offset: 23 + first.length }, text: line(3) },
    { at: { segment: 2, offset: 23 }, text: line(4) },
    { at: { segment: 10, offset: 23 }, text: line(5) },
  ]);
  assertEquals([found.segments, found.nextSegment, found.quarantined], [[1, 2, 10], 11, 0]);
  assertEquals(await metricValue(found.metrics, "weir_recovered_records_total"), 5);
});

Deno.test("recoverJournal() begins with an empty journal where there is none", async () => {
  await using root = await tempDir();
  const { segments, nextSegment, frames } = await readBack(root.path);
  assertEquals([segments, nextSegment, frames], [[], 1, []]);
});

Deno.test("recoverJournal() reads from the checkpoint on, and lists what lies before it", async () => {
  await using root = await journalOf(
    joined(magic, new Uint8Array(50)),
    joined(magic, sealed(line(2))),
    joined(magic, sealed(line(3))),
  );
  const found = await readBack(root.path, { fromSegment: 3 });
  assertEquals(found.frames.map(({ text }) => text), [line(3)]);
  assertEquals([found.segments, found.quarantined], [[1, 2, 3], 0]);
});

Deno.test("recoverJournal() cuts a torn frame off, wherever the write was cut", async () => {
  const kept = joined(magic, sealed(line(1)), sealed(line(2)));
  const last = sealed(line(3) + line(4));
  for (let size = 1; size < last.length; size++) {
    await using root = await journalOf(joined(magic, sealed(line(0))), joined(kept, last.subarray(0, size)));
    const found = await readBack(root.path);
    assertEquals(found.frames.map(({ text }) => text), [line(0), line(1), line(2)]);
    // Zeroes at the end of a file are room for frames to come.
    const bytes = last.subarray(0, size).findLastIndex((byte) => byte !== 0) + 1;
    assertEquals(found.truncated, { segment: 2, at: kept.length, bytes });
    assertEquals([found.quarantined, await namesIn(`${root.path}/quarantine`)], [0, []]);
    assertEquals(await Deno.readFile(segmentPath(`${root.path}/journal`, 2)), kept);
    assertEquals((await readBack(root.path)).truncated, undefined);
  }
});

Deno.test("recoverJournal() cuts the tail of the last segment that holds anything, behind which others were begun", async () => {
  const kept = joined(magic, sealed(line(1)));
  const torn = sealed(line(2)).subarray(0, 11);
  for (const begun of [[new Uint8Array(0)], [magic], [magic, magic.subarray(0, 4)], [new Uint8Array(15)]]) {
    await using root = await journalOf(joined(kept, torn), ...begun);
    const found = await readBack(root.path);
    assertEquals(found.frames.map(({ text }) => text), [line(1)]);
    assertEquals(found.truncated, { segment: 1, at: kept.length, bytes: 11 });
    assertEquals([found.quarantined, found.nextSegment], [0, 2 + begun.length]);
  }
});

/** A large frame of these tests, and where it counts as one. */
const largeFrame = sealed(line(9, 500));
const withLarge = { largeFrameBytes: 400 } as const;

Deno.test("recoverJournal() cuts the beginning of a large frame, and the torn tail of the segment before it", async () => {
  const kept = joined(magic, sealed(line(1)));
  const torn = sealed(line(2)).subarray(0, 11);
  for (let size = 1; size < largeFrame.length; size += size < 12 ? 1 : 97) {
    await using root = await journalOf(
      joined(magic, sealed(line(0))),
      joined(kept, torn),
      joined(magic, largeFrame.subarray(0, size)),
      magic,
    );
    const found = await readBack(root.path, withLarge);
    assertEquals(found.frames.map(({ text }) => text), [line(0), line(1)]);
    assertEquals(found.truncated, { segment: 2, at: kept.length, bytes: 11 });
    const bytes = largeFrame.subarray(0, size).findLastIndex((byte) => byte !== 0) + 1;
    assertEquals(found.truncatedLarge, { segment: 3, at: headBytes, bytes });
    assertEquals([found.quarantined, found.nextSegment], [0, 5]);
    const again = await readBack(root.path, withLarge);
    assertEquals(again.frames, found.frames);
    assertEquals([again.truncated, again.truncatedLarge, again.quarantined], [undefined, undefined, 0]);
  }
});

Deno.test("recoverJournal() cuts one tail only where a large frame cannot have been under way", async () => {
  const torn = joined(magic, sealed(line(1)), sealed(line(2)).subarray(0, 11));
  const small = sealed(line(3));
  const behind = {
    "a whole large frame": joined(magic, largeFrame),
    "a whole one and a torn one": joined(magic, largeFrame, small.subarray(0, 11)),
    "a small torn one": joined(magic, small.subarray(0, 11)),
    "a large one behind a small one": joined(magic, small, largeFrame.subarray(0, 300)),
  };
  for (const [name, bytes] of Object.entries(behind)) {
    await using root = await journalOf(torn, bytes);
    const found = await readBack(root.path, withLarge);
    assertEquals([found.quarantined, found.truncatedLarge], [1, undefined], name);
    assertEquals(
      await namesIn(`${root.path}/quarantine`),
      [`0000000000000001-${torn.length - 11}.bin`],
      name,
    );
  }
});

Deno.test("recoverJournal() takes a torn large frame for damage when frames lie behind it", async () => {
  const torn = joined(magic, largeFrame.subarray(0, 300));
  await using root = await journalOf(torn, joined(magic, sealed(line(1))));
  const found = await readBack(root.path, withLarge);
  assertEquals(found.frames.map(({ text }) => text), [line(1)]);
  assertEquals([found.quarantined, found.truncated, found.truncatedLarge], [1, undefined, undefined]);
});

Deno.test("recoverJournal() loses at most the frame in which one byte flipped, and invents none", async () => {
  const frames = [sealed(line(1)), sealed(line(2) + line(3)), sealed(line(4))];
  const texts = [line(1), line(2) + line(3), line(4)];
  const whole = joined(magic, ...frames);
  const ends = frames.map((_, i) =>
    headBytes + frames.slice(0, i + 1).reduce((sum, frame) => sum + frame.length, 0)
  );
  for (const mask of [0x01, 0x80, 0xff]) {
    for (let at = 0; at < whole.length; at++) {
      const flipped = whole.slice();
      flipped[at] ^= mask;
      const lost = at < headBytes ? -1 : ends.findIndex((end) => at < end);
      const left = texts.filter((_, i) => i !== lost);
      for (const behind of [[], [joined(magic, sealed(line(9)))]]) {
        const where = `byte ${at} ^ ${mask}, ${behind.length} segments behind`;
        await using root = await journalOf(flipped, ...behind);
        const found = await readBack(root.path);
        assertEquals(found.frames.map(({ text }) => text), [...left, ...behind.map(() => line(9))], where);
        assertEquals(found.quarantined, 1, where);
        assertEquals(await metricValue(found.metrics, "weir_quarantined_total"), 1);
        assertEquals(found.truncated !== undefined, behind.length === 0 && lost === 2, where);
        const again = await readBack(root.path);
        assertEquals(again.frames.map(({ text }) => text), found.frames.map(({ text }) => text), where);
        assertEquals([again.quarantined, again.truncated], [0, undefined], where);
      }
    }
  }
});

Deno.test("recoverJournal() sets a damaged piece aside, byte for byte, and leaves the segment as it is", async () => {
  const damaged = sealed(line(2, 3_000_000));
  damaged[5000] ^= 0x20;
  const bytes = joined(magic, sealed(line(1)));
  const whole = new Uint8Array(bytes.length + damaged.length + 16);
  whole.set(bytes);
  whole.set(damaged, bytes.length);
  whole.set(sealed(line(3)), bytes.length + damaged.length);
  await using root = await journalOf(whole);
  const found = await readBack(root.path);
  assertEquals(found.frames.map(({ text }) => text), [line(1), line(3)]);
  assertEquals([found.quarantined, found.truncated], [1, undefined]);
  const name = `0000000000000001-${bytes.length}.bin`;
  assertEquals(await namesIn(`${root.path}/quarantine`), [name]);
  const aside = await Deno.readFile(`${root.path}/quarantine/${name}`);
  assert(aside.length === damaged.length && aside.every((byte, i) => byte === damaged[i]));
  const now = await Deno.readFile(segmentPath(`${root.path}/journal`, 1));
  assert(now.length === whole.length && now.every((byte, i) => byte === whole[i]));
  assert(found.lines.some(({ level }) => level === "error"));
  assert(found.lines.every((logged) => !JSON.stringify(logged).includes(root.path)));
});

Deno.test("recoverJournal() sets a piece aside again where only a part of it lies there", async () => {
  const damaged = sealed(line(1));
  damaged[9] ^= 1;
  await using root = await journalOf(joined(magic, damaged, sealed(line(2))));
  const aside = `${root.path}/quarantine/0000000000000001-15.bin`;
  await Deno.mkdir(`${root.path}/quarantine`);
  await Deno.writeFile(`${aside}.tmp`, damaged.subarray(0, 3));
  await Deno.writeFile(aside, damaged.subarray(0, 3));
  assertEquals((await readBack(root.path)).quarantined, 1);
  assertEquals(await Deno.readFile(aside), damaged);
  assertEquals((await readBack(root.path)).quarantined, 0);
});

Deno.test("recoverJournal() sets aside what it cuts off when it may have been acknowledged", async () => {
  const spoilt = sealed(line(2));
  spoilt[12] ^= 1;
  const longer = sealed(line(2));
  longer[1] ^= 1;
  for (const tail of [spoilt, longer, joined(new Uint8Array(40), new Uint8Array([0x0a]))]) {
    await using root = await journalOf(joined(magic, sealed(line(1)), tail));
    const found = await readBack(root.path);
    assertEquals(found.frames.length, 1);
    assertEquals([found.truncated?.bytes, found.quarantined], [tail.length, 1]);
    assertEquals(await Deno.readFile(`${root.path}/quarantine/0000000000000001-31.bin`), tail);
  }
});

Deno.test("recoverJournal() takes zeroes behind the last frame for room, in any segment, and behind a torn frame too", async () => {
  const room = new Uint8Array(100_000);
  const torn = sealed(line(4)).subarray(0, 11);
  await using root = await journalOf(
    joined(magic, sealed(line(1)), room),
    joined(magic, room),
    joined(magic, sealed(line(2)), sealed(line(3)), torn, room),
    joined(magic, room),
  );
  const found = await readBack(root.path);
  assertEquals(found.frames.map(({ text }) => text), [line(1), line(2), line(3)]);
  const at = magic.length + sealed(line(2)).length + sealed(line(3)).length;
  assertEquals([found.truncated, found.quarantined], [{ segment: 3, at, bytes: 11 }, 0]);
  assertEquals((await Deno.stat(segmentPath(`${root.path}/journal`, 3))).size, at);
  const again = await readBack(root.path);
  assertEquals([again.frames.length, again.truncated, again.quarantined], [3, undefined, 0]);
});

Deno.test("recoverJournal() finds the frames of a segment without a magic line", async () => {
  const garbage = new Uint8Array(3_000_000).fill(0x7b);
  const pieces = [new Uint8Array(0), new Uint8Array([1, 2, 3]), garbage];
  // So that the header of the first frame crosses the end of a piece that is read at once, at each of its bytes.
  for (let i = 0; i < 10; i++) pieces.push(garbage.subarray(0, pieceBytes - i));
  for (const piece of pieces) {
    const bytes = new Uint8Array(piece.length + 27);
    bytes.set(piece);
    bytes.set(sealed(line(1)), piece.length);
    bytes.set(sealed("{}\n"), piece.length + 16);
    await using root = await journalOf(bytes);
    const found = await readBack(root.path);
    assertEquals(found.frames.map(({ text }) => text), [line(1), "{}\n"]);
    assertEquals(found.quarantined, 1);
  }
});

Deno.test("recoverJournal() finds the least frame behind damage", async () => {
  await using root = await journalOf(joined(magic, new Uint8Array(3), sealed("{}\n")));
  assertEquals((await readBack(root.path)).frames, [{ at: { segment: 1, offset: 26 }, text: "{}\n" }]);
});

Deno.test("recoverJournal() leaves a foreign file alone and tells of it", async () => {
  await using root = await journalOf(joined(magic, sealed(line(1))));
  await Deno.writeTextFile(`${root.path}/journal/notes.txt`, "mine");
  await Deno.mkdir(`${root.path}/journal/0000000000000007.wal`);
  const { segments, frames, lines } = await readBack(root.path);
  assertEquals([segments, frames.length], [[1], 1]);
  assertEquals(await Deno.readTextFile(`${root.path}/journal/notes.txt`), "mine");
  assertEquals(lines.filter(({ level }) => level === "warn").length, 2);
});

Deno.test("recoverJournal() passes on what onFrame throws, and waits for its promise", async () => {
  await using root = await journalOf(joined(magic, sealed(line(1)), sealed(line(2))));
  const log = createLog({ clock: systemClock, write: () => {} });
  const options = {
    dir: `${root.path}/journal`,
    quarantineDir: `${root.path}/quarantine`,
    log,
    metrics: createMetrics(),
  };
  const error = Object.assign(new Error("No room in the index"), { code: "ENOSPC" });
  const thrown = await assertRejects(() =>
    recoverJournal({ ...options, onFrame: () => Promise.reject(error) })
  );
  assert(thrown === error);
  const texts: string[] = [];
  await recoverJournal({
    ...options,
    onFrame: async (_at, payload) => {
      await Promise.resolve();
      texts.push(new TextDecoder().decode(payload));
    },
  });
  assertEquals(texts, [line(1), line(2)]);
});

Deno.test("recoverJournal() sets a frame aside that is refused, once, and reads the others", async () => {
  await using root = await journalOf(joined(magic, sealed(line(1)), sealed(line(2)), sealed(line(3))));
  for (const quarantined of [1, 0]) {
    const texts: string[] = [];
    const metrics = createMetrics();
    const found = await recoverJournal({
      dir: `${root.path}/journal`,
      quarantineDir: `${root.path}/quarantine`,
      log: createLog({ clock: systemClock, write: () => {} }),
      metrics,
      onFrame: (_at, payload): void => {
        const text = new TextDecoder().decode(payload);
        if (text === line(2)) throw new FrameRefusal("Cannot read it");
        texts.push(text);
      },
    });
    assertEquals([texts, found.quarantined], [[line(1), line(3)], quarantined]);
    assertEquals(await metricValue(metrics, "weir_recovered_records_total"), 2);
  }
  const [name] = await namesIn(`${root.path}/quarantine`);
  assertEquals(await Deno.readFile(`${root.path}/quarantine/${name}`), sealed(line(2)));
});

Deno.test("recoverJournal() names no path when it cannot read", async () => {
  await using root = await tempDir();
  await Deno.writeTextFile(`${root.path}/journal`, "a file in the way");
  const error = await assertRejects(() => readBack(root.path), WeirError);
  assertEquals(error.code, "journal_failed");
  assert(!`${error.message} ${error.cause}`.includes(root.path));
});

Deno.test("recoverJournal() finds every frame that damage of any kind left whole, and no other", async () => {
  const damage = fc.record({
    at: fc.nat(2000),
    length: fc.nat(120),
    kind: fc.constantFrom("zero", "noise", "delete", "insert"),
    noise: fc.uint8Array({ minLength: 120, maxLength: 120 }),
  });
  const sizes = fc.array(fc.nat(150), { minLength: 1, maxLength: 12 });
  const property = fc.asyncProperty(sizes, fc.array(damage, { maxLength: 3 }), async (padding, damages) => {
    const frames = padding.map((size, n) => sealed(line(n, size)));
    const { bytes, whole } = harm([magic, ...frames], damages);
    await using root = await journalOf(bytes);
    const found = (await readBack(root.path)).frames.map(({ text }) => Number(/\d+/.exec(text)![0]));
    const expected = whole.slice(1).flatMap((left, n) => left ? [n] : []);
    assertEquals(found, expected);
  });
  await fc.assert(property, { seed: 20261120, numRuns: 300 });
});

interface Damage {
  readonly at: number;
  readonly length: number;
  readonly kind: "zero" | "noise" | "delete" | "insert";
  readonly noise: Uint8Array;
}

/** Does the damage to these parts joined; `whole[i]`: do the bytes of part i still stand together unchanged? */
function harm(parts: Uint8Array[], damages: Damage[]): { bytes: Uint8Array; whole: boolean[] } {
  let bytes: { value: number; part: number; at: number }[] = parts.flatMap((part, i) =>
    [...part].map((value, at) => ({ value, part: i, at }))
  );
  for (const { at, length, kind, noise } of damages) {
    const from = Math.min(at, bytes.length), to = Math.min(from + length, bytes.length);
    const foreign = (i: number): (typeof bytes)[0] => ({ value: noise[i], part: -1, at: 0 });
    const zeroed = (byte: (typeof bytes)[0]): (typeof bytes)[0] =>
      byte.value === 0 ? byte : { value: 0, part: -1, at: 0 };
    const old = bytes.slice(from, to);
    const middle = {
      zero: () => old.map(zeroed),
      noise: () => old.map((byte, i) => byte.value === noise[i] ? byte : foreign(i)),
      delete: () => [],
      insert: () => [...old.map((_, i) => foreign(i)), ...old],
    };
    bytes = [...bytes.slice(0, from), ...middle[kind](), ...bytes.slice(to)];
  }
  const whole = parts.map((part, i) => {
    const start = bytes.findIndex((byte) => byte.part === i && byte.at === 0);
    return start >= 0 && part.every((_, at) => bytes[start + at]?.part === i && bytes[start + at].at === at);
  });
  return { bytes: new Uint8Array(bytes.map(({ value }) => value)), whole };
}
