import { assert, assertEquals, assertRejects } from "@std/assert";
import { WeirError } from "../../src/base/errors.ts";
import { segmentPath } from "../../src/journal/segment.ts";
import { tempDir } from "../support/temp.ts";
import {
  BrittleDisk,
  line,
  metricValue,
  namesIn,
  openJournal,
  readBack,
  systemError,
  type Tracked,
  trackedFrame,
} from "./support.ts";

Deno.test("rotate() under load: what was enqueued before lies below, placed in order", async () => {
  await using root = await tempDir();
  const { journal } = await openJournal(`${root.path}/journal`);
  const events: string[] = [];
  const frames: Tracked[] = [];
  const pending: Promise<void>[] = [];
  const append = (): void => {
    const frame = trackedFrame(line(frames.length, frames.length % 7 * 100), events);
    frames.push(frame);
    pending.push(journal.append(frame));
  };
  const numbers: number[] = [];
  let loading = true;
  const load = (async () => {
    while (loading) {
      append();
      if (frames.length % 5 === 0) await pending.at(-1);
    }
  })();
  for (let round = 0; round < 12; round++) {
    for (let i = 0; i < 40; i++) append();
    const before = frames.length;
    const number = await journal.rotate();
    numbers.push(number);
    assert(frames.slice(0, before).every((frame) => frame.at!.segment < number), `round ${round}`);
    assert(number <= journal.currentSegment);
  }
  loading = false;
  await load;
  await Promise.all(pending);
  assertEquals(events, frames.map((frame) => `placed ${frame.text.trim()}`));
  assertEquals(numbers, [...new Set(numbers)].sort((a, b) => a - b));
  await journal.close();
  const { frames: read } = await readBack(root.path);
  assertEquals(read.map((frame) => frame.text), frames.map((frame) => frame.text));
});

Deno.test("rotate() lets appends go on in the current segment while the next one is made", async () => {
  await using root = await tempDir();
  const files = new BrittleDisk();
  const { journal } = await openJournal(`${root.path}/journal`, { files });
  const made = Promise.withResolvers<void>();
  files.before = (step) => step === "create" ? made.promise : undefined;
  const rotation = journal.rotate();
  const frame = trackedFrame(line(1));
  await journal.append(frame);
  assertEquals(frame.at?.segment, 1);
  assertEquals(journal.bytesSinceRotate, frame.bytes.length);
  made.resolve();
  assertEquals(await rotation, 2);
  assertEquals([journal.bytesSinceRotate, journal.currentSegment], [0, 2]);
  await journal.close();
});

Deno.test("rotate() gives an empty journal a greater number each time, and calls that overlap may share one", async () => {
  await using root = await tempDir();
  const { journal } = await openJournal(`${root.path}/journal`);
  assertEquals([await journal.rotate(), await journal.rotate()], [2, 3]);
  assertEquals(await Promise.all([journal.rotate(), journal.rotate()]), [4, 4]);
  await journal.close();
});

Deno.test("rotate() waits for the frames before it without a segment too many", async () => {
  await using root = await tempDir();
  const { journal } = await openJournal(`${root.path}/journal`);
  const stored = Array.from({ length: 8 }, (_, n) => journal.append(trackedFrame(line(n, 1 << 20))));
  assertEquals(await journal.rotate(), 2);
  assertEquals(journal.segments, [1, 2]);
  await Promise.all(stored);
  await journal.close();
});

Deno.test("a segment that is large enough is followed by the next, without resetting bytesSinceRotate", async () => {
  await using root = await tempDir();
  const { journal, metrics } = await openJournal(`${root.path}/journal`, { segmentBytes: 1000 });
  let bytes = 0;
  let frames = 0;
  // How many frames go into a segment depends on how long the next one takes to make.
  while (journal.segments.length < 4) {
    const frame = trackedFrame(line(frames++, 100));
    bytes += frame.bytes.length;
    await journal.append(frame);
  }
  assertEquals(journal.bytesSinceRotate, bytes);
  assertEquals(await metricValue(metrics, "weir_journal_segments"), journal.segments.length);
  const { segments } = journal;
  await journal.close();
  assertEquals((await namesIn(`${root.path}/journal`)).length, segments.length);
  assertEquals((await readBack(root.path)).frames.length, frames);
});

Deno.test("rotate() rejects and the journal goes on when the next segment finds no room", async () => {
  for (
    const [step, fault, code] of [
      ["write", "ENOSPC", "storage_full"],
      ["create", "ENOSPC", "storage_full"],
      ["create", "EMFILE", "overloaded"],
    ]
  ) {
    await using root = await tempDir();
    const files = new BrittleDisk();
    const { journal } = await openJournal(`${root.path}/journal`, { files });
    files.before = (at) => {
      if (at === step) throw systemError(fault);
    };
    assertEquals((await assertRejects(() => journal.rotate(), WeirError)).code, code);
    files.before = () => {};
    const frame = trackedFrame(line(1));
    await journal.append(frame);
    assertEquals([frame.at?.segment, journal.state], [1, "ok"]);
    assert(await journal.rotate() > 1);
    await journal.close();
    assertEquals((await readBack(root.path)).frames.length, 1);
  }
});

Deno.test("rotate() fails the journal for good when the next segment cannot be synced", async () => {
  for (const step of ["sync", "syncDirectory"] as const) {
    await using root = await tempDir();
    const files = new BrittleDisk();
    const { journal } = await openJournal(`${root.path}/journal`, { files });
    files.before = (at) => {
      if (at === step) throw systemError("EIO");
    };
    assertEquals((await assertRejects(() => journal.rotate(), WeirError)).code, "journal_failed");
    assertEquals([journal.state, journal.reason], ["failed", "new segment: EIO"]);
    await journal.close();
  }
});

Deno.test("with durability write, a failed sync of a segment left behind fails the journal between two groups", async () => {
  await using root = await tempDir();
  const files = new BrittleDisk();
  const { journal } = await openJournal(`${root.path}/journal`, { files, durability: "write" });
  const synced = Promise.withResolvers<void>();
  files.before = async (step) => {
    if (step !== "syncData") return;
    await synced.promise;
    throw systemError("EIO");
  };
  await journal.append(trackedFrame(line(1)));
  await journal.rotate();
  await journal.append(trackedFrame(line(2)));
  const events: string[] = [];
  const during = journal.append(trackedFrame(line(3), events));
  synced.resolve();
  const results = await Promise.allSettled([during]);
  assertEquals(events.length, 1);
  assertEquals(events[0].startsWith("placed"), results[0].status === "fulfilled");
  await journal.close().catch(() => undefined);
  assertEquals([journal.state, journal.reason], ["failed", "fdatasync: EIO"]);
  const stored = (await readBack(root.path)).frames.map((frame) => frame.text);
  assertEquals(stored.includes(line(3)), results[0].status === "fulfilled");
});

Deno.test("drop() removes segments, but never the current one, and may be asked twice", async () => {
  await using root = await tempDir();
  const dir = `${root.path}/journal`;
  const files = new BrittleDisk();
  const { journal, metrics } = await openJournal(dir, { files });
  for (let n = 0; n < 3; n++) {
    await journal.append(trackedFrame(line(n)));
    await journal.rotate();
  }
  assertEquals(journal.segments, [1, 2, 3, 4]);
  const syncs = files.counts.syncDirectory!;
  await journal.drop([1, 3, 4, 5]);
  assertEquals(files.counts.syncDirectory, syncs + 1);
  assertEquals(journal.segments, [2, 4]);
  assertEquals(await namesIn(dir), [2, 4].map((n) => segmentPath("", n)));
  assertEquals(await metricValue(metrics, "weir_journal_segments"), 2);
  await journal.drop([1, 2, 3]);
  await journal.append(trackedFrame(line(9)));
  await journal.close();
  assertEquals((await readBack(root.path)).frames.map((frame) => frame.text), [line(9)]);
});

Deno.test("rotate() on a disk that was full finds out that there is room again, and is told once that there is none", async () => {
  await using root = await tempDir();
  const files = new BrittleDisk();
  const { journal, lines } = await openJournal(`${root.path}/journal`, { files });
  files.before = (step) => {
    if (step === "write") throw systemError("ENOSPC");
  };
  await assertRejects(() => journal.append(trackedFrame(line(1))), WeirError);
  for (let i = 0; i < 3; i++) await assertRejects(() => journal.rotate(), WeirError);
  assertEquals([journal.state, journal.reason], ["full", "write: ENOSPC"]);
  assertEquals(lines.filter(({ level }) => level === "error").length, 1);
  files.before = () => {};
  await journal.rotate();
  assertEquals([journal.state, journal.reason], ["ok", undefined]);
  await journal.append(trackedFrame(line(2)));
  await journal.close();
  assertEquals((await readBack(root.path)).frames.map(({ text }) => text), [line(2)]);
});

Deno.test("heldBytes is what all segments hold, those of an earlier run among them, until they are dropped", async () => {
  await using root = await tempDir();
  const dir = `${root.path}/journal`;
  const sizeOnDisk = async (): Promise<number> => {
    const sizes = (await namesIn(dir)).map(async (name) =>
      (await Deno.readFile(`${dir}/${name}`)).findLastIndex((byte) => byte !== 0) + 1
    );
    return (await Promise.all(sizes)).reduce((sum, size) => sum + size, 0);
  };
  const first = await openJournal(dir, { segmentBytes: 2_000 });
  for (let n = 0; n < 10; n++) await first.journal.append(trackedFrame(line(n, 900)));
  await first.journal.close();
  const { journal } = await openJournal(dir, { firstSegment: 100 });
  assert(journal.segments.length > 3);
  assertEquals(journal.heldBytes, await sizeOnDisk());
  await journal.append(trackedFrame(line(11, 5_000)));
  await journal.rotate();
  assertEquals(journal.heldBytes, await sizeOnDisk());
  await journal.drop(journal.segments);
  assertEquals(journal.segments.length, 1);
  assertEquals(journal.heldBytes, await sizeOnDisk());
  await journal.close();
});
