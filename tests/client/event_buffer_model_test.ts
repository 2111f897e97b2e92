import { assert, assertEquals } from "@std/assert";
import fc from "fast-check";
import type { OverflowPolicy } from "../../src/client/bounded_queue.ts";
import { EventBuffer } from "../../src/client/event_buffer.ts";
import type { FlushVerdict } from "../../src/client/event_buffer_options.ts";
import { ManualClock, turns } from "./manual_clock.ts";

type Step =
  | { readonly do: "add"; readonly count: number; readonly bytes: number }
  | { readonly do: "advance"; readonly ms: number }
  | { readonly do: "deliver" }
  | { readonly do: "fail" }
  | { readonly do: "refuse" }
  | { readonly do: "flush" }
  | { readonly do: "verdict"; readonly retry: number; readonly rejected: number };

interface Bounds {
  readonly overflow: OverflowPolicy;
  readonly maxSize: number;
  readonly maxEvents: number;
  readonly maxBytes: number;
  readonly retries: number;
}

interface Sent {
  readonly number: number;
  readonly bytes: number;
}

const step: fc.Arbitrary<Step> = fc.oneof(
  {
    weight: 5,
    arbitrary: fc.record({ do: fc.constant("add" as const), count: fc.nat(9), bytes: fc.nat(30) }),
  },
  { weight: 3, arbitrary: fc.record({ do: fc.constant("advance" as const), ms: fc.nat(400) }) },
  { weight: 4, arbitrary: fc.constant({ do: "deliver" as const }) },
  { weight: 2, arbitrary: fc.constantFrom<Step>({ do: "fail" }, { do: "refuse" }) },
  { weight: 1, arbitrary: fc.constant({ do: "flush" as const }) },
  {
    weight: 2,
    arbitrary: fc.record({ do: fc.constant("verdict" as const), retry: fc.nat(63), rejected: fc.nat(63) }),
  },
);

const scenario = fc.record({
  steps: fc.array(step, { maxLength: 60 }),
  overflow: fc.constantFrom<OverflowPolicy>("block", "drop-oldest", "drop-newest"),
  maxSize: fc.integer({ min: 1, max: 6 }),
  maxEvents: fc.integer({ min: 1, max: 20 }),
  maxBytes: fc.integer({ min: 20, max: 200 }),
  retries: fc.nat(3),
  /** How the receiver answers while the buffer stops. */
  atStop: fc.constantFrom("deliver", "fail", "silence"),
});

/** A buffer with its receiver; what must always hold is looked at after every step. */
class World {
  readonly clock = new ManualClock();
  readonly buffer: EventBuffer<Sent>;
  readonly #maxEvents: number;
  readonly #maxBytes: number;
  /** What became of each event; undefined as long as nothing did. */
  readonly fates: ("delivered" | "dropped" | undefined)[] = [];
  #problem: unknown;
  #running: { events: readonly Sent[]; answer(reply: () => void | FlushVerdict): void } | undefined;

  constructor(options: Bounds) {
    this.#maxEvents = options.maxEvents;
    this.#maxBytes = options.maxBytes;
    this.buffer = new EventBuffer<Sent>({
      ...options,
      sizeOf: ({ bytes }) => bytes,
      random: () => 0.5,
      clock: this.clock,
      onFlush: (events) => this.#noted(() => this.#take(events, options.maxSize)),
      onDrop: ({ number }) => this.#noted(() => this.#decide(number, "dropped")),
    });
    this.buffer.on("flushed", (events) => {
      this.#noted(() => events.forEach(({ number }) => this.#decide(number, "delivered")));
    });
  }

  add(bytes: number): void {
    const number = this.fates.push(undefined) - 1;
    void this.buffer.add({ number, bytes });
  }

  async answer(reply: (events: readonly Sent[]) => void | FlushVerdict): Promise<void> {
    const running = this.#running;
    if (running === undefined) return;
    this.#running = undefined;
    running.answer(() => reply(running.events));
    await turns();
  }

  check(): void {
    if (this.#problem !== undefined) throw this.#problem;
    const { added, delivered, dropped, undelivered } = this.buffer.stats;
    assertEquals(delivered + dropped + undelivered, added);
    assertEquals(added, this.fates.length);
    assertEquals(delivered, this.fates.filter((fate) => fate === "delivered").length);
    assertEquals(dropped, this.fates.filter((fate) => fate === "dropped").length);
    assert(this.buffer.size <= this.#maxEvents, "more events are held than may be");
    assert(this.clock.timers.holding === 0, "a timer keeps the program alive");
  }

  /** The buffer catches what its host throws, so it is kept for {@link check}. */
  #noted<R>(call: () => R): R {
    try {
      return call();
    } catch (error) {
      this.#problem ??= error;
      throw error;
    }
  }

  #take(events: readonly Sent[], maxSize: number): Promise<void | FlushVerdict> {
    assert(this.#running === undefined, "two flushes at once");
    assert(events.length >= 1 && events.length <= maxSize, `a batch of ${events.length}`);
    assert(events.reduce((sum, { bytes }) => sum + bytes, 0) <= this.#maxBytes);
    const open = this.fates.flatMap((fate, number) => fate === undefined ? [number] : []);
    const numbers = events.map(({ number }) => number);
    assertEquals(numbers, open.slice(0, numbers.length), "not the oldest events, in order");
    return new Promise((resolve, reject) => {
      this.#running = {
        events,
        answer(reply): void {
          try {
            resolve(reply());
          } catch (error) {
            reject(error);
          }
        },
      };
    });
  }

  #decide(number: number, fate: "delivered" | "dropped"): void {
    assertEquals(this.fates[number], undefined, `event ${number} had its fate`);
    this.fates[number] = fate;
  }
}

const down = (): never => {
  throw new Error("down");
};
const refused = (): never => {
  throw Object.assign(new Error("refused"), { isRetryable: false });
};

async function run(world: World, todo: Step): Promise<void> {
  if (todo.do === "add") { for (let i = 0; i < todo.count; i++) world.add(todo.bytes); }
  else if (todo.do === "advance") await world.clock.advance(todo.ms);
  else if (todo.do === "deliver") await world.answer(() => undefined);
  else if (todo.do === "fail") await world.answer(down);
  else if (todo.do === "refuse") await world.answer(refused);
  else if (todo.do === "flush") void world.buffer.flush();
  else {
    const chosen = (bits: number) => (events: readonly Sent[]): number[] =>
      events.flatMap((_, i) => (bits >> i & 1) === 1 ? [i] : []);
    await world.answer((events) => ({
      retry: chosen(todo.retry)(events),
      rejected: chosen(todo.rejected)(events),
    }));
  }
  await turns();
}

Deno.test("EventBuffer keeps order and count through any interleaving of add, flush, failure, overflow and stop", async () => {
  let delivered = 0, dropped = 0, left = 0;
  await fc.assert(
    fc.asyncProperty(scenario, async ({ steps, atStop, ...options }) => {
      const world = new World(options);
      for (const todo of steps) {
        await run(world, todo);
        world.check();
      }
      const added = world.fates.length;
      const stopped = world.buffer.stop({ deadlineMs: 60_000 });
      for (let i = 0; i < 400; i++) {
        if (atStop === "deliver") await world.answer(() => undefined);
        if (atStop === "fail") await world.answer(down);
        await world.clock.advance(200);
      }
      const report = await stopped;
      world.check();
      assertEquals(report.delivered + report.dropped + report.undelivered, added);
      const open = world.fates.flatMap((fate, number) => fate === undefined ? [number] : []);
      assertEquals(report.events.map(({ number }) => number), open);
      assertEquals(report.undelivered, open.length);
      if (atStop !== "silence") assertEquals(open, []);
      assertEquals(world.clock.timers.all, 0);
      delivered += report.delivered;
      dropped += report.dropped;
      left += report.undelivered;
    }),
    { seed: 20_261_120, numRuns: 1_500 },
  );
  assert(
    delivered > 100 && dropped > 100 && left > 50,
    `too little was tried: ${delivered} ${dropped} ${left}`,
  );
});
