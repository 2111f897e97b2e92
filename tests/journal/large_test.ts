import { assert, assertEquals, assertRejects } from "@std/assert";
import { WeirError } from "../../src/base/errors.ts";
import type { Journal } from "../../src/journal/append.ts";
import { segmentPath } from "../../src/journal/segment.ts";
import { tempDir } from "../support/temp.ts";
import {
  BrittleDisk,
  line,
  memoryLog,
  namesIn,
  openJournal,
  readBack,
  systemError,
  type Tracked,
  trackedFrame,
} from "./support.ts";

/** Frames of a thousand bytes are large here, and written in eight pieces or more. */
const sizes = { largeFrameBytes: 1_000, pieceBytes: 128 } as const;

/** A frame that is stored behind large ones. */
function following(text: string, events?: string[]): Tracked {
  return { ...trackedFrame(text, events), follows: () => true };
}

async function codeOf(promise: Promise<unknown>): Promise<string> {
  return (await assertRejects(() => promise, WeirError)).code;
}

/** The numbers of the frames that are in the journal, in order. */
async function numbersIn(root: string): Promise<number[]> {
  const { frames } = await readBack(root);
  return frames.map(({ text }) => JSON.parse(text).n as number);
}

/** Numbers of the frames that were placed, from the notes of {@link trackedFrame}. */
function placedIn(events: readonly string[]): number[] {
  return events.map((event) => Number(/^placed \{"n":(\d+)/.exec(event)?.[1]));
}

/** Calls `act` ahead of the given write, counted from 1 on from here. */
function atWrite(files: BrittleDisk, count: number, act: () => void | Promise<void>): void {
  let writes = 0;
  files.before = (step) => {
    if (step === "write" && ++writes === count) return act();
  };
}

/** Waits until the next segment is made, so that writes can be counted. */
async function warm(journal: Journal, files: BrittleDisk): Promise<void> {
  const first = journal.append(trackedFrame(line(0, 2_000)));
  await first;
  files.before = () => {};
}

Deno.test("append() stores a small frame while a large one is under way, in the segment before", async () => {
  await using root = await tempDir();
  const files = new BrittleDisk();
  const { journal } = await openJournal(`${root.path}/journal`, { files, ...sizes });
  const events: string[] = [];
  const small = [2, 3, 4].map((n) => trackedFrame(line(n), events));
  const stored: Promise<void>[] = [];
  // Three small frames come while pieces of the large one are written, and the next piece waits until they are stored.
  let pieces = 0;
  files.before = async (step, path) => {
    if (step !== "write" || path !== segmentPath(`${root.path}/journal`, 2)) return;
    const frame = small[++pieces - 3];
    if (frame) stored.push(journal.append(frame));
    if (pieces === 6) await Promise.all(stored);
  };
  const large = trackedFrame(line(1, 2_000), events);
  await journal.append(large);
  assertEquals(placedIn(events), [2, 3, 4, 1]);
  assertEquals(small.map(({ at }) => at?.segment), [1, 1, 1]);
  assertEquals(large.at, { segment: 2, offset: 23 });
  const after = trackedFrame(line(5));
  await journal.append(after);
  assertEquals(after.at, { segment: 2, offset: 23 + large.bytes.length });
  await journal.close();
  const back = await readBack(root.path);
  assertEquals(back.frames.map(({ text }) => JSON.parse(text).n), [2, 3, 4, 1, 5]);
  assertEquals([back.truncated, back.quarantined], [undefined, 0]);
});

Deno.test("append() stores a large frame behind all that was appended before it, one after the other", async () => {
  await using root = await tempDir();
  const { journal } = await openJournal(`${root.path}/journal`, sizes);
  const events: string[] = [];
  const stored: Promise<void>[] = [];
  for (let n = 0; n < 60; n++) {
    stored.push(journal.append(trackedFrame(line(n, n % 5 === 0 ? 1_500 : 0), events)));
    if (n % 7 === 0) await stored.at(-1);
  }
  await Promise.all(stored);
  const order = placedIn(events);
  const large = order.filter((n) => n % 5 === 0);
  assertEquals(large, large.toSorted((a, b) => a - b));
  for (const n of large) assert(order.slice(0, order.indexOf(n)).length >= n, `${n} has overtaken`);
  await journal.close();
  assertEquals(await numbersIn(root.path), order);
});

Deno.test("append() stores a large frame behind many groups, though it has fewer pieces", async () => {
  await using root = await tempDir();
  const { journal } = await openJournal(`${root.path}/journal`);
  const events: string[] = [];
  const texts = Array.from({ length: 12 }, (_, n) => line(n, 1 << 20));
  const frames = [...texts, line(12, 2 << 20)].map((text) => trackedFrame(text, events));
  await Promise.all(frames.map((frame) => journal.append(frame)));
  assertEquals(placedIn(events), Array.from({ length: 13 }, (_, n) => n));
  await journal.close();
});

Deno.test("append() stores a frame that follows behind the large ones before it, and not behind later ones", async () => {
  await using root = await tempDir();
  const { journal } = await openJournal(`${root.path}/journal`, sizes);
  const events: string[] = [];
  await Promise.all([
    journal.append(trackedFrame(line(1, 2_000), events)),
    journal.append(following(line(2), events)),
    journal.append(trackedFrame(line(3), events)),
    journal.append(trackedFrame(line(4, 2_000), events)),
    journal.append(following(line(5), events)),
    journal.append(trackedFrame(line(6), events)),
  ]);
  assertEquals(placedIn(events), [3, 6, 1, 2, 4, 5]);
  const asked = following(line(7), events);
  await journal.append(asked);
  await journal.close();
  assertEquals(await numbersIn(root.path), [3, 6, 1, 2, 4, 5, 7]);
});

Deno.test("barrier() waits for large frames too, and for nothing that comes later", async () => {
  await using root = await tempDir();
  const files = new BrittleDisk();
  const { journal } = await openJournal(`${root.path}/journal`, { files, ...sizes });
  const events: string[] = [];
  void journal.append(trackedFrame(line(1, 2_000), events));
  void journal.append(trackedFrame(line(2), events));
  const barrier = journal.barrier().then(() => events.push("barrier"));
  const later = journal.append(trackedFrame(line(3, 2_000), events));
  await barrier;
  assertEquals(events.map((event) => event.slice(0, 13)), ['placed {"n":2', 'placed {"n":1', "barrier"]);
  await later;
  await journal.close();
});

Deno.test("rotate() finishes the large frames before it, and lets later ones wait", async () => {
  await using root = await tempDir();
  const { journal } = await openJournal(`${root.path}/journal`, sizes);
  const before = [line(1), line(2, 2_000), line(3), line(4, 2_000)].map((text) => trackedFrame(text));
  const stored = before.map((frame) => journal.append(frame));
  const rotation = journal.rotate();
  const after = [line(5, 2_000), line(6)].map((text) => trackedFrame(text));
  stored.push(...after.map((frame) => journal.append(frame)));
  const segment = await rotation;
  assert(before.every(({ at }) => at !== undefined && at.segment < segment));
  assertEquals(after[0].at, undefined);
  await Promise.all(stored);
  assert(after[0].at!.segment > segment);
  // It may have been stored before the turn, and then lies below.
  assert(after[1].at !== undefined);
  await journal.close();
  assertEquals((await readBack(root.path)).frames.length, 6);
});

for (const failing of [1, 4, 8, 16]) {
  Deno.test(`a disk that is full at write ${failing} of a large frame gives back what waits, the youngest first`, async () => {
    await using root = await tempDir();
    const files = new BrittleDisk();
    const { journal } = await openJournal(`${root.path}/journal`, { files, ...sizes });
    await warm(journal, files);
    const events: string[] = [];
    const late: Promise<void>[] = [];
    // One write more is that of the next segment.
    atWrite(files, failing + 1, () => {
      late.push(journal.append(following(line(2), events)), journal.append(following(line(3), events)));
      throw systemError("ENOSPC");
    });
    const large = journal.append(trackedFrame(line(1, 2_000), events));
    assertEquals(await codeOf(large), "storage_full");
    for (const promise of late) assertEquals(await codeOf(promise), "storage_full");
    assertEquals(events.map((event) => event.slice(0, 15)), [3, 2, 1].map((n) => `released {"n":${n}`));
    assertEquals([journal.state, journal.queuedBytes], ["full", 0]);
    assertEquals(await numbersIn(root.path), [0]);
    files.before = () => {};
    await Promise.all([4, 5].map((n) => journal.append(trackedFrame(line(n, n === 4 ? 2_000 : 0)))));
    assertEquals(journal.state, "ok");
    await journal.close();
    const back = await readBack(root.path);
    assertEquals(back.frames.map(({ text }) => JSON.parse(text).n), [0, 5, 4]);
    assertEquals([back.truncated, back.truncatedLarge, back.quarantined], [undefined, undefined, 0]);
  });
}

for (const step of ["write", "syncData"] as const) {
  Deno.test(`a failed ${step} of a large frame's piece fails the journal for good, and nothing comes back`, async () => {
    await using root = await tempDir();
    const files = new BrittleDisk();
    const { journal } = await openJournal(`${root.path}/journal`, { files, ...sizes });
    await warm(journal, files);
    let hits = 0;
    files.before = (at) => {
      if (at === step && ++hits === 5) throw systemError("EIO");
    };
    const events: string[] = [];
    const frames = [line(1, 2_000), line(2, 3_000)].map((text) => journal.append(trackedFrame(text, events)));
    const barrier = journal.barrier();
    const rotation = journal.rotate();
    const codes = await Promise.all([...frames, barrier, rotation].map(codeOf));
    assertEquals(codes, Array(4).fill("journal_failed"));
    assertEquals(events.map((event) => event.slice(0, 15)), [2, 1].map((n) => `released {"n":${n}`));
    assertEquals(await codeOf(journal.append(trackedFrame(line(3)))), "journal_failed");
    await journal.close();
    assertEquals(await numbersIn(root.path), [0]);
  });
}

Deno.test("a large frame goes with the others when no segment can be made for it", async () => {
  await using root = await tempDir();
  const files = new BrittleDisk();
  const { journal } = await openJournal(`${root.path}/journal`, { files, ...sizes });
  files.before = (step) => {
    if (step === "create") throw systemError("EMFILE");
  };
  const events: string[] = [];
  await Promise.all([
    journal.append(trackedFrame(line(1, 2_000), events)),
    journal.append(following(line(2), events)),
    journal.append(trackedFrame(line(3, 2_000), events)),
  ]);
  assertEquals(placedIn(events), [1, 2, 3]);
  assertEquals([journal.state, journal.segments], ["ok", [1]]);
  await journal.close();
  assertEquals(await numbersIn(root.path), [1, 2, 3]);
});

Deno.test("close() settles large frames, and leaves no empty segment behind", async () => {
  for (const durability of ["fsync", "write"] as const) {
    await using root = await tempDir();
    const dir = `${root.path}/journal`;
    const { journal } = await openJournal(dir, { durability, ...sizes });
    const stored = [line(1, 5_000), line(2), line(3, 5_000)].map((text) =>
      journal.append(trackedFrame(text))
    );
    await journal.close();
    await Promise.all(stored);
    const { segments } = journal;
    assertEquals((await namesIn(dir)).length, segments.length);
    assertEquals((await numbersIn(root.path)).toSorted(), [1, 2, 3]);
  }
});

Deno.test("a frame of 2 MiB has a segment of its own by default, and a smaller one has not", async () => {
  await using root = await tempDir();
  const { log } = memoryLog();
  const { journal } = await openJournal(`${root.path}/journal`, { log });
  const frames = [2 * 1024 * 1024 - 100, 2 * 1024 * 1024].map((size) => trackedFrame(line(1, size)));
  for (const frame of frames) await journal.append(frame);
  assertEquals(frames.map(({ at }) => at?.segment), [1, 2]);
  await journal.close();
  assertEquals((await readBack(root.path)).frames.map(({ text }) => text), frames.map(({ text }) => text));
});
