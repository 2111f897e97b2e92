import { assert, assertEquals, assertThrows } from "@std/assert";
import { setImmediate } from "node:timers";
import { WeirError } from "../../src/base/errors.ts";
import { Outcomes } from "../../src/base/outcome.ts";
import { systemClock } from "../../src/base/clock.ts";
import { VerdictStream, type VerdictStreamOptions } from "../../src/receive/verdict_stream.ts";

interface Line {
  through?: number;
  accepted?: number;
  duplicates?: number;
  rejected?: { index: number; reason: string; error: string }[] | number;
  rejected_more?: number;
  done?: boolean;
  error?: Record<string, unknown>;
}

function outcomesOf(accepted: number, rejected: number[] = [], duplicates = 0): Outcomes {
  const outcomes = new Outcomes();
  outcomes.accepted = accepted;
  outcomes.duplicates = duplicates;
  for (const index of rejected) outcomes.reject(index, "validation", `row ${index}`);
  return outcomes;
}

type Client = VerdictStreamOptions["inflow"];

/** A client that has sent what it wants to, and waits. */
const silent: Client = { isAnnounced: false, pendingRead: 1, silentMs: 60_000, waitedMs: 0 };
/** One that is always ahead of the daemon: no read ever waits. */
const ahead: Client = { isAnnounced: false, pendingRead: 0, silentMs: 0, waitedMs: 0 };

function streamOf(inflow: Client, clock = systemClock): VerdictStream {
  return new VerdictStream({ inflow, clock });
}

/** Every line of the reply, each read when it comes. */
async function linesOf(stream: VerdictStream): Promise<Line[]> {
  const text = await new Response(stream.body).text();
  assert(text.endsWith("\n"));
  return text.slice(0, -1).split("\n").map((line) => JSON.parse(line));
}

/** Long enough for every promise that can resolve. */
const turns = (): Promise<void> => new Promise((resolve) => setImmediate(resolve));

Deno.test("VerdictStream tells each window in order, then the totals", async () => {
  const stream = streamOf(silent);
  const lines = linesOf(stream);
  await stream.add(49, outcomesOf(50), { stored: Promise.resolve(), bytes: 1_000 });
  await stream.add(99, outcomesOf(48, [60, 70], 3), { stored: Promise.resolve(), bytes: 1_000 });
  await turns();
  assertEquals(stream.through, 99);
  const last = await stream.finish();
  const all = await lines;
  assertEquals(all.at(-1), { done: true, through: 99, accepted: 98, rejected: 2, duplicates: 3 });
  assertEquals(JSON.parse(last), all.at(-1));
  assertEquals(all[0], { through: 49, accepted: 50, rejected: [] });
  assertEquals(all[1], {
    through: 99,
    accepted: 48,
    rejected: [
      { index: 60, reason: "validation", error: "row 60" },
      { index: 70, reason: "validation", error: "row 70" },
    ],
    duplicates: 3,
  });
});

Deno.test("VerdictStream tells a window only once it is stored, and those before it", async () => {
  const stream = streamOf(silent);
  const reader = stream.body.pipeThrough(new TextDecoderStream()).getReader();
  const stored = [0, 1, 2].map(() => Promise.withResolvers<void>());
  stored.forEach(({ promise }, i) => stream.add(i, outcomesOf(1), { stored: promise, bytes: 1_000 }));
  stored[2].resolve();
  stored[1].resolve();
  await turns();
  assertEquals(stream.through, -1, "the first one is not stored");
  stored[0].resolve();
  await turns();
  assertEquals(stream.through, 2);
  let text = "";
  const end = stream.finish();
  for (;;) {
    const { value, done } = await reader.read();
    if (done) break;
    text += value;
  }
  await end;
  const through = text.trim().split("\n").map((line) => JSON.parse(line).through);
  assertEquals(through, [0, 1, 2, 2]);
});

Deno.test("VerdictStream gives a client that does not read fewer, larger lines, and never stops for it", async () => {
  const stream = streamOf(silent);
  const windows = 100_000;
  for (let i = 0; i < windows; i++) {
    await stream.add(i * 50 + 49, outcomesOf(49, [i * 50], 1), { stored: Promise.resolve(), bytes: 1_000 });
  }
  await turns();
  assertEquals(stream.through, windows * 50 - 1);
  await stream.finish();
  const lines = await linesOf(stream);
  assert(lines.length < windows / 5, `${lines.length} lines`);
  const [last, ...told] = lines.reverse();
  assertEquals(last, {
    done: true,
    through: windows * 50 - 1,
    accepted: windows * 49,
    rejected: windows,
    duplicates: windows,
  });
  const sum = (of: (line: Line) => number): number => told.reduce((total, line) => total + of(line), 0);
  const named = (line: Line): Line["rejected"] & unknown[] => line.rejected as never;
  assertEquals(sum(({ accepted }) => accepted!), windows * 49);
  assertEquals(sum(({ duplicates }) => duplicates ?? 0), windows);
  assertEquals(sum((line) => named(line).length + (line.rejected_more ?? 0)), windows);
  assert(told.every((line) => named(line).length <= 1_000));
  assertEquals(sum(({ rejected_more }) => rejected_more ? 1 : 0), 1, "one line had more than it may name");
  const through = told.map((line) => line.through!).reverse();
  assertEquals(through, [...through].sort((a, b) => a - b));
});

Deno.test("VerdictStream goes on sending single lines once the client reads again", async () => {
  const stream = streamOf(silent);
  for (let i = 0; i < 40; i++) {
    await stream.add(i, outcomesOf(1), { stored: Promise.resolve(), bytes: 1_000 });
  }
  await turns();
  const reader = stream.body.pipeThrough(new TextDecoderStream()).getReader();
  let text = "";
  while (!text.includes('"through":39')) text += (await reader.read()).value;
  await stream.add(40, outcomesOf(1), { stored: Promise.resolve(), bytes: 1_000 });
  assertEquals(JSON.parse((await reader.read()).value!), { through: 40, accepted: 1, rejected: [] });
  const end = stream.finish();
  assertEquals(JSON.parse((await reader.read()).value!).done, true);
  assertEquals((await reader.read()).done, true);
  await end;
});

Deno.test("VerdictStream names at most a thousand refused rows of one window, and counts the others", async () => {
  const stream = streamOf(silent);
  const lines = linesOf(stream);
  stream.add(1_499, outcomesOf(0, Array.from({ length: 1_500 }, (_, i) => i)), {
    stored: Promise.resolve(),
    bytes: 1_000,
  });
  await stream.finish();
  const [line, last] = await lines;
  assertEquals([(line.rejected as unknown[]).length, line.rejected_more], [1_000, 500]);
  assertEquals(last.rejected, 1_500);
});

Deno.test("VerdictStream ends with the error where the body failed, after what is stored", async () => {
  const stream = streamOf(silent);
  const lines = linesOf(stream);
  await stream.add(49, outcomesOf(50), { stored: Promise.resolve(), bytes: 1_000 });
  await stream.finish({ error: new WeirError("body_too_large", "A row is too large") });
  assertEquals((await lines).slice(1), [{
    through: 49,
    error: { status: 413, code: "body_too_large", message: "A row is too large", retryable: false },
  }]);
});

Deno.test("VerdictStream ends with the error where a window could not be stored, and tells none after it", async () => {
  const stream = streamOf(silent);
  const lines = linesOf(stream);
  const failed = Promise.withResolvers<void>();
  stream.add(0, outcomesOf(1), { stored: Promise.resolve(), bytes: 1_000 });
  stream.add(1, outcomesOf(1), { stored: failed.promise, bytes: 1_000 });
  stream.add(2, outcomesOf(1), { stored: Promise.resolve(), bytes: 1_000 });
  failed.reject(new WeirError("storage_full", "Full"));
  await turns();
  assertThrows(
    () => stream.add(3, outcomesOf(1), { stored: Promise.resolve(), bytes: 1_000 }),
    WeirError,
    "Full",
  );
  await stream.finish({ error: new Error("what the caller then failed with") });
  const all = await lines;
  assertEquals(all.length, 2);
  assertEquals([all[0].through, all[1].through, all[1].error?.code], [0, 0, "storage_full"]);
});

Deno.test("VerdictStream says nothing of an error that is not meant for the client", async () => {
  const stream = streamOf(silent);
  const lines = linesOf(stream);
  const last = await stream.finish({ error: new TypeError("secret at /data/weir") });
  assertEquals((await lines)[0].error, {
    status: 500,
    code: "internal",
    message: "Internal server error",
    retryable: true,
  });
  assert(!last.includes("secret"));
});

Deno.test("VerdictStream lets 4 MiB of windows wait for the disk, and no more", async () => {
  const stream = streamOf(silent);
  const stored = Array.from({ length: 16 }, () => Promise.withResolvers<void>());
  let waited: Promise<void> | undefined;
  stored.forEach(({ promise }, i) => {
    waited = stream.add(i, outcomesOf(1), { stored: promise, bytes: 256 * 1024 });
    assertEquals(stream.pendingBytes, (i + 1) * 256 * 1024);
    assertEquals(waited === undefined, i < 15, `window ${i}`);
  });
  let isFree = false;
  waited!.then(() => isFree = true);
  await turns();
  assertEquals(isFree, false);
  stored[0].resolve();
  await waited;
  stored.forEach(({ resolve }) => resolve());
  await stream.finish();
  await stream.body.cancel();
});

Deno.test("VerdictStream frees its waiting producer when a window fails", async () => {
  const stream = streamOf(silent);
  const failed = Promise.withResolvers<void>();
  let waited: Promise<void> | undefined;
  for (let i = 0; i < 16; i++) {
    waited = stream.add(i, outcomesOf(1), { stored: failed.promise, bytes: 256 * 1024 });
  }
  failed.reject(new WeirError("journal_failed", "Broken"));
  await waited;
  assertThrows(
    () => stream.add(16, outcomesOf(1), { stored: Promise.resolve(), bytes: 1_000 }),
    WeirError,
    "Broken",
  );
  await stream.finish();
  assertEquals((await linesOf(stream)).map(({ error }) => error?.code), ["journal_failed"]);
});

Deno.test("VerdictStream goes on without a client that has gone", async () => {
  const stream = streamOf(silent);
  await stream.add(0, outcomesOf(1), { stored: Promise.resolve(), bytes: 1_000 });
  await stream.body.cancel();
  for (let i = 1; i < 100; i++) {
    await stream.add(i, outcomesOf(1), { stored: Promise.resolve(), bytes: 1_000 });
  }
  assertEquals(JSON.parse(await stream.finish()).accepted, 100);
});

Deno.test("VerdictStream of an empty body is one line", async () => {
  const stream = streamOf(silent);
  const lines = linesOf(stream);
  await stream.finish();
  assertEquals(await lines, [{ done: true, through: -1, accepted: 0, rejected: 0, duplicates: 0 }]);
});

Deno.test("a reply that is read while it grows ends with the stream", async () => {
  const stream = streamOf(silent);
  const reader = stream.body.getReader();
  const first = reader.read();
  stream.add(0, outcomesOf(1), { stored: Promise.resolve(), bytes: 1_000 });
  assertEquals((await first).done, false);
  const second = reader.read();
  await stream.finish();
  assertEquals((await second).done, false);
  assertEquals((await reader.read()).done, true);
});

/** A clock that the test moves. */
class ManualClock {
  ms = 0;
  now(): number {
    return this.ms;
  }
  monotonic(): number {
    return this.ms;
  }
}

/** Adds one window that is safe at once, and waits until its line waits for the client. */
async function addRow(stream: VerdictStream, index: number, outcomes = outcomesOf(1)): Promise<void> {
  await stream.add(index, outcomes, { stored: Promise.resolve(), bytes: 1_000 });
  await turns();
}

/** Has the reply begun after several looks of the stream? */
async function hasBegun(stream: VerdictStream): Promise<boolean> {
  let isDue = false;
  stream.due.then(() => isDue = true);
  // A look is due every 5 ms; the timers of one process come in order.
  for (let looks = 0; looks < 4; looks++) {
    await new Promise((resolve) => setTimeout(resolve, 6));
    await turns();
    await turns();
  }
  await turns();
  return isDue;
}

Deno.test("VerdictStream begins when the client is silent for 10 ms, 250 where the length is announced", async () => {
  for (
    const { isAnnounced, silentMs, begins } of [
      { isAnnounced: false, silentMs: 9, begins: false },
      { isAnnounced: false, silentMs: 10, begins: true },
      { isAnnounced: true, silentMs: 249, begins: false },
      { isAnnounced: true, silentMs: 250, begins: true },
    ]
  ) {
    const stream = streamOf({ isAnnounced, silentMs, pendingRead: 7, waitedMs: 0 });
    await addRow(stream, 0);
    assertEquals(await hasBegun(stream), begins, JSON.stringify({ isAnnounced, silentMs }));
    await stream.finish();
    await stream.body.cancel();
  }
});

Deno.test("VerdictStream does not take a busy event loop for a silent client: the read that waits must go on to", async () => {
  const reads = { next: 1 };
  const stream = streamOf({
    ...silent,
    get pendingRead(): number {
      return reads.next++;
    },
  });
  await addRow(stream, 0);
  assertEquals(await hasBegun(stream), false);
  await stream.finish();
  await stream.body.cancel();
});

Deno.test("VerdictStream holds back for a minute what a client that is always ahead would pay for", async () => {
  const clock = new ManualClock();
  const stream = streamOf(ahead, clock);
  await addRow(stream, 0);
  clock.ms = 59_999;
  assertEquals(await hasBegun(stream), false);
  clock.ms = 60_000;
  assertEquals(await hasBegun(stream), true);
  await stream.finish();
  await stream.body.cancel();
});

Deno.test("VerdictStream tells a client that is never silent after a second, when it waits for it a quarter of the time", async () => {
  for (const { waitedMs, begins } of [{ waitedMs: 249, begins: false }, { waitedMs: 250, begins: true }]) {
    const clock = new ManualClock();
    const client = { isAnnounced: true, pendingRead: 3, silentMs: 0, waitedMs: 0 };
    const stream = streamOf(client, clock);
    await addRow(stream, 0);
    clock.ms = 999;
    client.waitedMs = waitedMs;
    assertEquals(await hasBegun(stream), false, "not yet a second");
    clock.ms = 1_000;
    assertEquals(await hasBegun(stream), begins, `${waitedMs} ms`);
    await stream.finish();
    await stream.body.cancel();
  }
});

Deno.test("VerdictStream names 4 MiB of refused rows of a client that is always ahead, and counts the others", async () => {
  const stream = streamOf(ahead);
  const count = 150_000;
  for (let first = 0; first < count; first += 50) {
    const rows = Array.from({ length: 50 }, (_, i) => first + i);
    await stream.add(first + 49, outcomesOf(0, rows), { stored: Promise.resolve(), bytes: 1_000 });
  }
  assertEquals(await hasBegun(stream), false);
  assert(stream.heldBytes < 5 * 1024 * 1024, `${stream.heldBytes}`);
  await stream.finish();
  const all = await linesOf(stream);
  const named = all.flatMap(({ rejected }) => Array.isArray(rejected) ? rejected : []);
  assert(named.length > 20_000 && named.length < count, `${named.length} named`);
  assertEquals(named.map(({ index }) => index), Array.from(named, (_, i) => i));
  const counted = all.reduce((sum, { rejected_more }) => sum + (rejected_more ?? 0), 0);
  assertEquals([named.length + counted, all.at(-1)?.rejected], [count, count]);
});

Deno.test("VerdictStream is due at the end, however the client sends", async () => {
  const stream = streamOf(ahead);
  await addRow(stream, 0);
  await stream.finish();
  await stream.due;
  assertEquals((await linesOf(stream)).length, 2);
});
