import { assert, assertEquals, assertThrows } from "@std/assert";
import { EventBuffer } from "../../src/client/event_buffer.ts";
import type { EventBufferOptions, FlushVerdict } from "../../src/client/event_buffer_options.ts";
import { GivenUpError } from "../../src/client/giving_up.ts";
import { ManualClock, turns } from "./manual_clock.ts";

/** A receiver whose calls a test answers itself. */
class Receiver {
  readonly calls: number[][] = [];
  readonly ids: string[] = [];
  #answers: { resolve(verdict: void | FlushVerdict): void; reject(error: unknown): void }[] = [];

  readonly onFlush = (events: readonly number[], { id }: { id: string }): Promise<void | FlushVerdict> => {
    this.calls.push([...events]);
    this.ids.push(id);
    return new Promise((resolve, reject) => this.#answers.push({ resolve, reject }));
  };

  async ok(verdict?: FlushVerdict): Promise<void> {
    this.#answers.shift()!.resolve(verdict);
    await turns();
  }

  async fail(error: unknown = new Error("down")): Promise<void> {
    this.#answers.shift()!.reject(error);
    await turns();
  }
}

function setUp(options: Partial<EventBufferOptions<number>> = {}): {
  buffer: EventBuffer<number>;
  receiver: Receiver;
  clock: ManualClock;
  dropped: [number, string][];
} {
  const clock = new ManualClock();
  const receiver = new Receiver();
  const dropped: [number, string][] = [];
  const buffer = new EventBuffer<number>({
    onFlush: receiver.onFlush,
    onDrop: (event, reason) => dropped.push([event, reason]),
    sizeOf: () => 1,
    jitter: 0,
    clock,
    ...options,
  });
  return { buffer, receiver, clock, dropped };
}

function addAll(buffer: EventBuffer<number>, from: number, to: number): void {
  for (let i = from; i <= to; i++) buffer.add(i);
}

Deno.test("EventBuffer flushes 50 events at once, and fewer 100 ms after the first of them", async () => {
  const { buffer, receiver, clock } = setUp();
  assertEquals(clock.timers.all, 0);
  addAll(buffer, 1, 50);
  await turns();
  assertEquals(receiver.calls, [Array.from({ length: 50 }, (_, i) => i + 1)]);
  await receiver.ok();
  buffer.add(51);
  await clock.advance(60);
  buffer.add(52);
  await clock.advance(39);
  assertEquals(receiver.calls.length, 1);
  await clock.advance(1);
  assertEquals(receiver.calls[1], [51, 52]);
  await receiver.ok();
  assertEquals(clock.timers.all, 0, "an idle buffer has no timer");
  const { batchesProcessed, avgBatchSize, eventsBuffered, delivered } = buffer.stats;
  assertEquals({ batchesProcessed, avgBatchSize, eventsBuffered, delivered }, {
    batchesProcessed: 2,
    avgBatchSize: 26,
    eventsBuffered: 0,
    delivered: 52,
  });
});

Deno.test("EventBuffer never holds the program while it only waits", async () => {
  const { buffer, receiver, clock } = setUp();
  buffer.add(1);
  assertEquals(clock.timers, { all: 1, holding: 0 });
  await clock.advance(100);
  await receiver.fail();
  assertEquals(clock.timers, { all: 1, holding: 0 });
  const stopped = buffer.stop();
  await turns();
  assertEquals(clock.timers, { all: 1, holding: 1 });
  await receiver.ok();
  await stopped;
  assertEquals(clock.timers.all, 0);
});

Deno.test("EventBuffer keeps a failed batch at the head, and hands it over again under the same id", async () => {
  const { buffer, receiver, clock } = setUp({ maxSize: 2 });
  addAll(buffer, 1, 5);
  await turns();
  await receiver.fail();
  await clock.advance(99);
  assertEquals(receiver.calls, [[1, 2]]);
  await clock.advance(1);
  await receiver.fail(Object.assign(new Error("busy"), { retryAfterMs: 900 }));
  await clock.advance(899);
  assertEquals(receiver.calls.length, 2);
  await clock.advance(1);
  await receiver.ok();
  assertEquals(receiver.calls, [[1, 2], [1, 2], [1, 2], [3, 4]]);
  assertEquals(new Set(receiver.ids.slice(0, 3)).size, 1);
  assert(receiver.ids[3] !== receiver.ids[0]);
  assertEquals(buffer.stats.retries, 2);
});

Deno.test("EventBuffer flushes again when the running flush ends, without waiting for the timer", async () => {
  const { buffer, receiver } = setUp({ maxSize: 50 });
  addAll(buffer, 1, 1000);
  for (let i = 0; i < 20; i++) {
    await turns();
    assertEquals(receiver.calls.length, i + 1);
    await receiver.ok();
  }
  assertEquals(buffer.size, 0);
});

Deno.test("EventBuffer follows the verdict for each event, and keeps the order of what goes again", async () => {
  const { buffer, receiver, clock, dropped } = setUp({ maxSize: 4 });
  addAll(buffer, 1, 6);
  await turns();
  await receiver.ok({ retry: [1, 3], rejected: [2] });
  assertEquals(dropped, [[3, "rejected"]]);
  await clock.advance(100);
  assertEquals(receiver.calls, [[1, 2, 3, 4], [2, 4]]);
  assert(receiver.ids[0] !== receiver.ids[1]);
  await receiver.ok();
  await clock.advance(100);
  assertEquals(receiver.calls[2], [5, 6]);
});

Deno.test("EventBuffer gives up what is refused for good, or fails too often", async () => {
  const { buffer, receiver, clock, dropped } = setUp({ maxSize: 1, retries: 1 });
  addAll(buffer, 1, 2);
  await turns();
  await receiver.fail(Object.assign(new Error("bad request"), { isRetryable: false }));
  assertEquals(dropped, [[1, "rejected"]]);
  await receiver.fail();
  await clock.advance(100);
  await receiver.fail();
  assertEquals(dropped, [[1, "rejected"], [2, "exhausted"]]);
  assertEquals(buffer.size, 0);
});

Deno.test("EventBuffer drops the oldest event that is not in flight, or the newest, as told", async () => {
  const oldest = setUp({ maxSize: 2, maxEvents: 4 });
  addAll(oldest.buffer, 1, 6);
  assertEquals(oldest.dropped, [[3, "overflow"], [4, "overflow"]]);
  const newest = setUp({ maxSize: 2, maxEvents: 4, overflow: "drop-newest" });
  addAll(newest.buffer, 1, 6);
  assertEquals(newest.dropped, [[5, "overflow"], [6, "overflow"]]);
  await newest.receiver.ok();
  assertEquals(newest.receiver.calls, [[1, 2], [3, 4]]);
});

Deno.test("EventBuffer bounds what it holds by bytes as well, and refuses what alone is too large", async () => {
  const { buffer, dropped } = setUp({ maxBytes: 10, sizeOf: (event) => event, overflow: "drop-newest" });
  assertEquals([buffer.add(6), buffer.add(4), buffer.add(1), buffer.add(11)], [true, true, false, false]);
  assertEquals(dropped, [[1, "overflow"], [11, "too_large"]]);
  const { size } = buffer;
  assertEquals(size, 2);
  const circular: unknown[] = [];
  circular.push(circular);
  const any = new EventBuffer<unknown>({ onFlush: () => undefined });
  assertEquals([any.add(circular), any.stats.dropped], [false, 1]);
  await any.stop();
});

Deno.test("EventBuffer with overflow block makes senders wait, in order", async () => {
  const { buffer, receiver } = setUp({ maxSize: 2, maxEvents: 2, overflow: "block" });
  addAll(buffer, 1, 2);
  const admitted: number[] = [];
  for (const event of [3, 4, 5]) {
    void Promise.resolve(buffer.add(event)).then(() => admitted.push(event));
  }
  await turns();
  assertEquals([admitted, buffer.size, buffer.stats.undelivered], [[], 2, 5]);
  await receiver.ok();
  assertEquals([admitted, receiver.calls[1]], [[3, 4], [3, 4]]);
  await receiver.ok();
  assertEquals(admitted, [3, 4, 5]);
});

Deno.test("EventBuffer.stop() waits for the running flush, drains the rest, and refuses what comes later", async () => {
  const { buffer, receiver, dropped } = setUp({ maxSize: 2 });
  addAll(buffer, 1, 5);
  await turns();
  const stopped = buffer.stop();
  assertEquals(buffer.add(6), false);
  for (let i = 0; i < 3; i++) await receiver.ok();
  assertEquals(await stopped, { delivered: 5, dropped: 0, undelivered: 0, events: [] });
  assertEquals(receiver.calls, [[1, 2], [3, 4], [5]]);
  assertEquals([dropped, buffer.stats.refused], [[[6, "stopped"]], 1]);
  assertEquals(await buffer.stop(), await stopped);
});

Deno.test("EventBuffer.stop() tells at the deadline what is left, and gives the running flush its signal", async () => {
  const signals: AbortSignal[] = [];
  const { buffer, clock } = setUp({
    maxSize: 2,
    onFlush: (_, { signal }) => {
      signals.push(signal);
      return new Promise(() => undefined);
    },
  });
  addAll(buffer, 1, 5);
  const stopped = buffer.stop({ deadlineMs: 300 });
  await clock.advance(299);
  assertEquals(signals[0].aborted, false);
  await clock.advance(1);
  assertEquals(await stopped, { delivered: 0, dropped: 0, undelivered: 5, events: [1, 2, 3, 4, 5] });
  assertEquals([signals[0].aborted, clock.timers.all], [true, 0]);
});

Deno.test("EventBuffer.flush() resolves when all is delivered, and when a try fails", async () => {
  const { buffer, receiver } = setUp({ maxSize: 2 });
  await buffer.flush();
  addAll(buffer, 1, 3);
  let done = 0;
  void buffer.flush().then(() => done++);
  await receiver.ok();
  assertEquals([done, receiver.calls], [0, [[1, 2], [3]]]);
  await receiver.ok();
  assertEquals(done, 1);
  buffer.add(4);
  void buffer.flush().then(() => done++);
  await receiver.fail();
  assertEquals(done, 2);
  void buffer.flush().then(() => done++);
  await turns();
  assertEquals(receiver.calls.slice(2), [[4], [4]], "a flush does not wait for the backoff");
  await receiver.ok();
  assertEquals(done, 3);
});

Deno.test("EventBuffer throws nothing into its host, whatever hooks and listeners do", async () => {
  const fail = (): never => {
    throw new Error("of the host");
  };
  const { buffer, clock } = setUp({ onFlush: fail, onDrop: fail, onError: fail, retries: 0 });
  buffer.on("error", fail);
  buffer.on("error", () => Promise.reject(new Error("later")));
  buffer.on("flushed", fail);
  buffer.add(1);
  await clock.advance(100);
  assertEquals(buffer.stats.dropped, 1);
});

Deno.test("EventBuffer tells its listeners what was delivered, until they end it", async () => {
  const { buffer, receiver } = setUp({ maxSize: 1 });
  const heard: unknown[] = [];
  const end = buffer.on("flushed", (events, { attempts }) => heard.push([...events, attempts]));
  buffer.add(7);
  await turns();
  await receiver.ok();
  end();
  buffer.add(8);
  await turns();
  await receiver.ok();
  assertEquals(heard, [[7, 1]]);
});

Deno.test("EventBuffer refuses bounds that hold nothing", () => {
  const message = "Cannot buffer: maxSize must be at least 1: current value is 0";
  assertThrows(() => new EventBuffer({ onFlush: () => undefined, maxSize: 0 }), RangeError, message);
});

/** Refuses every try, the waits between them included, until the batch is gone or the time is over. */
async function refuseFor(
  ms: number,
  { receiver, clock }: { receiver: Receiver; clock: ManualClock },
  error: unknown = new Error("500"),
): Promise<void> {
  for (let passed = 0; passed < ms; passed += 1_000) {
    await receiver.fail(error);
    await clock.advance(1_000);
  }
}

const steady = { maxSize: 1, retries: Infinity, firstDelayMs: 1_000, maxDelayMs: 1_000 };

Deno.test("EventBuffer gives up a batch that was refused for giveUpAfterMs, and goes on behind it", async () => {
  const errors: unknown[] = [];
  const all = setUp({ ...steady, giveUpAfterMs: 10_000, onError: (error) => errors.push(error) });
  addAll(all.buffer, 1, 2);
  await turns();
  await refuseFor(10_000, all);
  assertEquals(all.dropped, []);
  await all.receiver.fail(new Error("500"));
  assertEquals(all.dropped, [[1, "exhausted"]]);
  const last = errors.at(-1) as GivenUpError;
  assert(last instanceof GivenUpError);
  assertEquals([last.events, last.attempts, last.refusedMs], [1, 11, 10_000]);
  assertEquals(last.message, "Gave up 1 events after 11 tries and 10000 ms of refusals: 500");
  assertEquals(all.receiver.calls.at(-1), [2]);
  await all.receiver.ok();
  assertEquals(all.buffer.stats.delivered, 1);
});

Deno.test("EventBuffer tries a batch for 5 minutes, or for ever where it is told so", async () => {
  const usual = setUp(steady);
  const endless = setUp({ ...steady, giveUpAfterMs: Infinity });
  for (const all of [usual, endless]) {
    all.buffer.add(1);
    await turns();
    await refuseFor(300_000, all);
    await all.receiver.fail();
  }
  assertEquals([usual.dropped, endless.dropped], [[[1, "exhausted"]], []]);
});

Deno.test("EventBuffer does not count the time in which nobody answered", async () => {
  const all = setUp({ ...steady, giveUpAfterMs: 5_000 });
  all.buffer.add(1);
  await turns();
  const silence = Object.assign(new Error("network"), { isNoReply: true });
  await refuseFor(3_000, all);
  await refuseFor(3_600_000, all, silence);
  // Tries at 0, 1 and 2 s, and two of a later hour: 3 s so far.
  await refuseFor(2_000, all);
  await refuseFor(1_000, all);
  assertEquals(all.dropped, []);
  await all.receiver.fail();
  assertEquals(all.dropped, [[1, "exhausted"]]);
});

Deno.test("EventBuffer gives up single events that are asked for again and again", async () => {
  const { buffer, receiver, clock, dropped } = setUp({ ...steady, maxSize: 2, giveUpAfterMs: 3_000 });
  addAll(buffer, 1, 2);
  await turns();
  await receiver.ok({ retry: [1] });
  for (let i = 0; i < 3; i++) {
    assertEquals(dropped, []);
    await clock.advance(1_000);
    await receiver.ok({ retry: [0] });
  }
  assertEquals([dropped, buffer.size], [[[2, "exhausted"]], 0]);
});

Deno.test("EventBuffer refuses a giveUpAfterMs that is no time", () => {
  const message = "Cannot buffer: giveUpAfterMs must be at least 0: current value is NaN";
  assertThrows(() => new EventBuffer({ onFlush: () => undefined, giveUpAfterMs: NaN }), RangeError, message);
});
