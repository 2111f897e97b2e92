import { assertEquals } from "@std/assert";
import { followJournal } from "../../src/journal/follow.ts";
import { magic, segmentPath } from "../../src/journal/segment.ts";
import { tempDir } from "../support/temp.ts";
import { line, sealed } from "./support.ts";

async function append(dir: string, segment: number, ...pieces: Uint8Array[]): Promise<void> {
  for (const piece of pieces) await Deno.writeFile(segmentPath(dir, segment), piece, { append: true });
}

/** Takes so many payloads, as text. */
async function take(frames: AsyncGenerator<Uint8Array>, count: number): Promise<string[]> {
  const taken = [];
  while (taken.length < count) taken.push(new TextDecoder().decode((await frames.next()).value!));
  return taken;
}

Deno.test("followJournal() gives what comes, over torn ends, new segments and removed ones", async () => {
  await using dir = await tempDir();
  await append(dir.path, 1, magic, sealed(line(1)));
  const stop = new AbortController();
  const frames = followJournal(dir.path, { signal: stop.signal, pollMs: 1 });
  const first = take(frames, 1);
  // It has looked at the end by the time that it waits for the next poll.
  await new Promise((resolve) => setTimeout(resolve, 30));
  const whole = sealed(line(2));
  await append(dir.path, 1, whole.subarray(0, 11));
  await new Promise((resolve) => setTimeout(resolve, 10));
  await append(dir.path, 1, whole.subarray(11));
  assertEquals(await first, [line(2)]);
  // The next segment is there before the last frames of this one.
  await append(dir.path, 2, magic);
  await append(dir.path, 1, sealed(line(3)));
  assertEquals(await take(frames, 1), [line(3)]);
  await append(dir.path, 2, sealed(line(4)));
  assertEquals(await take(frames, 1), [line(4)]);
  await Deno.remove(segmentPath(dir.path, 1));
  await Deno.remove(segmentPath(dir.path, 2));
  await append(dir.path, 7, magic, sealed(line(5)), sealed(line(6)));
  assertEquals(await take(frames, 2), [line(5), line(6)]);
  stop.abort();
  assertEquals((await frames.next()).done, true);
});

Deno.test("followJournal() stays in a segment while the next one holds the beginning of a large frame", async () => {
  await using dir = await tempDir();
  const large = sealed(line(9, 500));
  await append(dir.path, 1, magic, sealed(line(1)));
  // One that was never begun is passed over.
  await append(dir.path, 2, magic);
  await append(dir.path, 3, magic, large.subarray(0, 300));
  const stop = new AbortController();
  const frames = followJournal(dir.path, { fromStart: true, signal: stop.signal, pollMs: 1 });
  assertEquals(await take(frames, 1), [line(1)]);
  const second = take(frames, 1);
  await new Promise((resolve) => setTimeout(resolve, 20));
  await append(dir.path, 1, sealed(line(2)));
  assertEquals(await second, [line(2)]);
  await append(dir.path, 3, large.subarray(300), sealed(line(3)));
  assertEquals(await take(frames, 2), [line(9, 500), line(3)]);
  stop.abort();
  await frames.return();
});

Deno.test("followJournal() begins with what is there when asked to", async () => {
  await using dir = await tempDir();
  await append(dir.path, 3, magic, sealed(line(1)));
  await append(dir.path, 4, magic, sealed(line(2)));
  const stop = new AbortController();
  const frames = followJournal(dir.path, { fromStart: true, signal: stop.signal, pollMs: 1 });
  assertEquals(await take(frames, 2), [line(1), line(2)]);
  stop.abort();
  await frames.return();
});
