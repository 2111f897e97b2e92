import { assert, assertEquals, assertRejects } from "@std/assert";
import { WeirError } from "../../src/base/errors.ts";
import { maxPayloadBytes, segmentPath } from "../../src/journal/segment.ts";
import { tempDir } from "../support/temp.ts";
import {
  BrittleDisk,
  frameBytes,
  line,
  memoryLog,
  metricValue,
  namesIn,
  openJournal,
  readBack,
  systemError,
  type Tracked,
  trackedFrame,
} from "./support.ts";

async function codeOf(promise: Promise<unknown>): Promise<string> {
  return (await assertRejects(() => promise, WeirError)).code;
}

async function payloadAt(dir: string, frame: Tracked): Promise<string> {
  const bytes = await Deno.readFile(segmentPath(dir, frame.at!.segment));
  const { offset } = frame.at!;
  return new TextDecoder().decode(bytes.subarray(offset, offset + frame.bytes.length - 8));
}

Deno.test("append() resolves once the frame is placed, and its place holds its payload", async () => {
  await using root = await tempDir();
  const dir = `${root.path}/journal`;
  const { journal } = await openJournal(dir);
  const events: string[] = [];
  const frames = [line(1), line(2, 70_000), line(3), line(4, 2_000_000), line(5), line(6)]
    .map((text) => trackedFrame(text, events));
  await Promise.all(frames.map((frame, i) =>
    journal.append(frame).then(() => {
      assert(frame.at);
      if (i === 0) assertEquals(events.length, frames.length);
    })
  ));
  assertEquals(events, frames.map((frame) => `placed ${frame.text.trim()}`));
  for (const frame of frames) assert(await payloadAt(dir, frame) === frame.text);
  assertEquals([journal.queuedBytes, journal.state, journal.reason], [0, "ok", undefined]);
  await journal.close();
  const { frames: read } = await readBack(root.path);
  assert(read.every(({ at, text }, i) => at.offset === frames[i].at?.offset && text === frames[i].text));
  assertEquals(read.length, frames.length);
});

Deno.test("append() places nothing before its sync is done, and that in a segment whose name is durable", async () => {
  await using root = await tempDir();
  const files = new BrittleDisk();
  const steps: string[] = [];
  files.before = (step) => void steps.push(step);
  const { journal } = await openJournal(`${root.path}/journal`, { files });
  const synced = Promise.withResolvers<void>();
  const reached = Promise.withResolvers<void>();
  files.before = (step) => {
    steps.push(step);
    if (step !== "syncData") return;
    reached.resolve();
    return synced.promise;
  };
  const frame = trackedFrame(line(1));
  const stored = journal.append(frame);
  await reached.promise;
  assertEquals([frame.at, journal.queuedBytes], [undefined, frame.bytes.length]);
  synced.resolve();
  await stored;
  assertEquals(frame.at, { segment: 1, offset: 23 });
  assertEquals(steps, ["create", "write", "sync", "syncDirectory", "write", "syncData"]);
  await journal.close();
});

Deno.test("append() takes many frames into one sync", async () => {
  await using root = await tempDir();
  const { journal, metrics } = await openJournal(`${root.path}/journal`);
  const appender = async (first: number): Promise<void> => {
    for (let i = 0; i < 50; i++) await journal.append(trackedFrame(line(first + i)));
  };
  await Promise.all(Array.from({ length: 64 }, (_, i) => appender(i * 1000)));
  const syncs = await metricValue(metrics, "weir_journal_syncs_total");
  assertEquals(await metricValue(metrics, "weir_journal_frames_total"), 3200);
  assert(3200 / syncs >= 8, `${3200 / syncs} frames a sync`);
  await journal.close();
  const { size } = await Deno.stat(segmentPath(`${root.path}/journal`, 1));
  assertEquals(await metricValue(metrics, "weir_journal_bytes_total"), size - 15);
});

Deno.test("append() ends a group where it gets large, so that the first ones need not wait for the last", async () => {
  await using root = await tempDir();
  const { journal, metrics } = await openJournal(`${root.path}/journal`);
  await Promise.all(Array.from({ length: 10 }, (_, i) => journal.append(trackedFrame(line(i, 1 << 20)))));
  assertEquals(await metricValue(metrics, "weir_journal_syncs_total"), 3);
  await journal.close();
});

Deno.test("append() goes on where the disk takes only part of a write", async () => {
  await using root = await tempDir();
  const files = new BrittleDisk();
  files.mostPerWrite = 7;
  const { journal } = await openJournal(`${root.path}/journal`, { files });
  await Promise.all([1, 2, 3].map((n) => journal.append(trackedFrame(line(n, 100)))));
  await journal.append(trackedFrame(line(4)));
  await journal.close();
  const { frames } = await readBack(root.path);
  assertEquals(frames.map((frame) => frame.text), [line(1, 100), line(2, 100), line(3, 100), line(4)]);
});

Deno.test("append() does not sync with durability write; close() and a turn-over do", async () => {
  await using root = await tempDir();
  const files = new BrittleDisk();
  const { journal, metrics } = await openJournal(`${root.path}/journal`, { files, durability: "write" });
  await journal.append(trackedFrame(line(1)));
  assertEquals(files.counts.syncData, undefined);
  await journal.rotate();
  await journal.append(trackedFrame(line(2)));
  await journal.close();
  assertEquals(files.counts.syncData, 2);
  assertEquals(await metricValue(metrics, "weir_journal_syncs_total"), 0);
  assertEquals((await readBack(root.path)).frames.length, 2);
});

Deno.test("append() refuses at once what no frame may be", async () => {
  await using root = await tempDir();
  const { journal } = await openJournal(`${root.path}/journal`);
  const frames = ["", "no object\n", '{"no":"line break"}'].map((text) => trackedFrame(text));
  for (const frame of frames) {
    assertEquals(await codeOf(journal.append(frame)), "internal");
    assertEquals(frame.error?.code, "internal");
  }
  const large = { ...trackedFrame(""), bytes: new Uint8Array(maxPayloadBytes + 9) };
  assertEquals(await codeOf(journal.append(large)), "body_too_large");
  await journal.close();
});

Deno.test("append() settles the others when placed() of one throws", async () => {
  await using root = await tempDir();
  const { journal } = await openJournal(`${root.path}/journal`);
  const broken = trackedFrame(line(1));
  broken.placed = () => {
    throw new TypeError("A bug of the test");
  };
  const [first, second] = await Promise.allSettled([
    journal.append(broken),
    journal.append(trackedFrame(line(2))),
  ]);
  assertEquals([first.status, second.status], ["rejected", "fulfilled"]);
  await journal.append(trackedFrame(line(3)));
  await journal.close();
});

Deno.test("append() gives back all that is queued when the disk is full, and takes more once there is room", async () => {
  await using root = await tempDir();
  const files = new BrittleDisk();
  const { journal, lines } = await openJournal(`${root.path}/journal`, { files });
  await journal.append(trackedFrame(line(1)));
  let full = true;
  files.mostPerWrite = 30;
  let writes = 0;
  files.before = (step) => {
    if (step === "write" && full && ++writes > 1) throw systemError("ENOSPC");
  };
  const events: string[] = [];
  const group = [2, 3].map((n) => journal.append(trackedFrame(line(n, 20), events)));
  // Comes while the group is being written, so it waits behind it.
  await Promise.resolve();
  await Promise.resolve();
  const behind = journal.append(trackedFrame(line(4), events));
  const settled = await Promise.allSettled([...group, behind]);
  for (const { status } of settled) assertEquals(status, "rejected");
  const error = await assertRejects(() => behind, WeirError);
  assertEquals([error.code, error.retryAfterS], ["storage_full", 5]);
  assertEquals(events.map((event) => event.slice(0, 14)), [
    'released {"n":',
    'released {"n":',
    'released {"n":',
  ]);
  assertEquals(events.map((event) => event[14]), ["4", "3", "2"]);
  assertEquals([journal.state, journal.reason, journal.queuedBytes], ["full", "write: ENOSPC", 0]);
  assertEquals((await readBack(root.path)).frames.map((frame) => frame.text), [line(1)]);

  assertEquals(await codeOf(journal.append(trackedFrame(line(5)))), "storage_full");
  full = false;
  await journal.append(trackedFrame(line(6)));
  assertEquals([journal.state, journal.reason], ["ok", undefined]);
  await journal.close();
  const recovered = await readBack(root.path);
  assertEquals(recovered.frames.map((frame) => frame.text), [line(1), line(6)]);
  assertEquals([recovered.truncated, recovered.quarantined], [undefined, 0]);
  assertEquals(lines.filter(({ message }) => message === "The disk is full").length, 1);
});

for (const failing of ["truncate", "sync"] as const) {
  Deno.test(`append() fails for good when the disk is full and ${failing} fails too`, async () => {
    await using root = await tempDir();
    const files = new BrittleDisk();
    const { journal } = await openJournal(`${root.path}/journal`, { files });
    files.before = (step) => {
      if (step === "write") throw systemError("ENOSPC");
      if (step === failing) throw systemError("EIO");
    };
    assertEquals(await codeOf(journal.append(trackedFrame(line(1)))), "journal_failed");
    files.before = () => {};
    assertEquals(await codeOf(journal.append(trackedFrame(line(2)))), "journal_failed");
    assertEquals([journal.state, journal.reason], ["failed", "truncate: EIO"]);
    await journal.close();
  });
}

for (const [step, reason] of [["syncData", "fdatasync: EIO"], ["write", "write: EIO"]] as const) {
  Deno.test(`append() never stores again after a failed ${step}`, async () => {
    await using root = await tempDir();
    const files = new BrittleDisk();
    const { journal, metrics, lines } = await openJournal(`${root.path}/journal`, { files });
    await journal.append(trackedFrame(line(1)));
    files.before = (at) => {
      if (at === step) throw systemError("EIO");
    };
    const events: string[] = [];
    const group = [2, 3].map((n) => journal.append(trackedFrame(line(n), events)));
    const rotation = journal.rotate();
    const barrier = journal.barrier();
    const codes = await Promise.all([...group, rotation, barrier].map(codeOf));
    assertEquals(codes, Array(4).fill("journal_failed"));
    assertEquals(events, ['released {"n":3}', 'released {"n":2}']);
    const syncs = files.counts.syncData;
    files.before = () => {};
    const late = trackedFrame(line(4));
    assertEquals(await codeOf(journal.append(late)), "journal_failed");
    assertEquals(late.error?.code, "journal_failed");
    assertEquals(await codeOf(journal.rotate()), "journal_failed");
    assertEquals(await codeOf(journal.barrier()), "journal_failed");
    assertEquals([journal.state, journal.reason, journal.queuedBytes], ["failed", reason, 0]);
    assertEquals(files.counts.syncData, syncs);
    assertEquals(await metricValue(metrics, "weir_journal_failed"), 1);
    assert(lines.every(({ message }) => !message.includes(root.path)));
    await journal.close();
    assertEquals((await readBack(root.path)).frames.map((frame) => frame.text), [line(1)]);
  });
}

Deno.test("append() fails for good when fdatasync says that the disk is full", async () => {
  await using root = await tempDir();
  const files = new BrittleDisk();
  const { journal } = await openJournal(`${root.path}/journal`, { files });
  files.before = (step) => {
    if (step === "syncData") throw systemError("ENOSPC");
  };
  assertEquals(await codeOf(journal.append(trackedFrame(line(1)))), "journal_failed");
  assertEquals(journal.state, "failed");
  await journal.close();
});

Deno.test("barrier() waits for what was enqueued before it, and rejects with it", async () => {
  await using root = await tempDir();
  const files = new BrittleDisk();
  const { journal } = await openJournal(`${root.path}/journal`, { files });
  await journal.barrier();
  const events: string[] = [];
  void journal.append(trackedFrame(line(1), events));
  void journal.append(trackedFrame(line(2), events));
  await journal.barrier();
  assertEquals(events.length, 2);
  files.before = (step) => {
    if (step === "write") throw systemError("ENOSPC");
  };
  const lost = journal.append(trackedFrame(line(3)));
  assertEquals(await codeOf(journal.barrier()), "storage_full");
  assertEquals(await codeOf(lost), "storage_full");
  await journal.barrier();
  await journal.close();
});

Deno.test("close() settles what is enqueued and takes nothing more", async () => {
  await using root = await tempDir();
  const { journal } = await openJournal(`${root.path}/journal`);
  const before = [1, 2, 3].map((n) => journal.append(trackedFrame(line(n))));
  const rotation = journal.rotate();
  const closed = journal.close();
  const late = trackedFrame(line(4));
  assertEquals(await codeOf(journal.append(late)), "draining");
  assertEquals(late.error?.code, "draining");
  assertEquals(await codeOf(journal.rotate()), "draining");
  await Promise.all([...before, closed, journal.close()]);
  assertEquals(await rotation, 2);
  assertEquals((await readBack(root.path)).frames.length, 3);
});

Deno.test("close() rejects when, with durability write, the last sync fails", async () => {
  await using root = await tempDir();
  const files = new BrittleDisk();
  const { journal } = await openJournal(`${root.path}/journal`, { files, durability: "write" });
  await journal.append(trackedFrame(line(1)));
  files.before = (step) => {
    if (step === "syncData") throw systemError("EIO");
  };
  assertEquals(await codeOf(journal.close()), "journal_failed");
});

Deno.test("open() begins a segment behind those that are there, and refuses another", async () => {
  await using root = await tempDir();
  const dir = `${root.path}/a/b/journal`;
  const first = await openJournal(dir, { firstSegment: 7 });
  await first.journal.append(trackedFrame(line(1)));
  await first.journal.close();
  await assertRejects(() => openJournal(dir, { firstSegment: 7 }), RangeError);
  const second = await openJournal(dir, { firstSegment: 9 });
  assertEquals([second.journal.segments, second.journal.currentSegment], [[7, 9], 9]);
  await second.journal.close();
  assertEquals(await namesIn(dir), ["0000000000000007.wal", "0000000000000009.wal"]);
});

Deno.test("open() leaves no file behind when it fails, and names no path", async () => {
  await using root = await tempDir();
  for (const step of ["create", "write", "sync", "syncDirectory"] as const) {
    const files = new BrittleDisk();
    files.before = (at) => {
      if (at === step) throw systemError(step === "write" ? "ENOSPC" : "EIO");
    };
    const { log } = memoryLog();
    const opened = openJournal(`${root.path}/journal`, { files, log }).then(({ journal }) => journal.close());
    assertEquals(await codeOf(opened), step === "write" ? "storage_full" : "journal_failed");
    assertEquals(await namesIn(`${root.path}/journal`), []);
  }
  await Deno.writeTextFile(`${root.path}/file`, "");
  const { message } = await assertRejects(() => openJournal(`${root.path}/file/journal`), WeirError);
  assert(!message.includes(root.path), message);
});

Deno.test("a frame's header room is filled in place, and the rest of its buffer left alone", async () => {
  await using root = await tempDir();
  const { journal } = await openJournal(`${root.path}/journal`);
  const buffer = new Uint8Array(100).fill(0xee);
  const bytes = frameBytes(line(1));
  buffer.set(bytes, 10);
  const view = buffer.subarray(10, 10 + bytes.length);
  await journal.append({ bytes: view, placed: () => {}, released: () => {} });
  await journal.close();
  assertEquals(buffer.subarray(0, 10), new Uint8Array(10).fill(0xee));
  assertEquals(buffer.subarray(10 + bytes.length), new Uint8Array(90 - bytes.length).fill(0xee));
});
