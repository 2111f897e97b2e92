/**
 * A buffer that gathers events and hands them on in batches: in order, one batch at a time, again when that failed.
 * It never throws into its host, never keeps a program alive, and never holds more than it may.
 * @module
 */

import { BoundedQueue, type Held } from "./bounded_queue.ts";
import { type ClientClock, systemClock } from "./client_clock.ts";
import {
  checkBounds,
  type DropReason,
  type EventBufferEvents,
  type EventBufferOptions,
  type EventBufferStats,
  type FlushVerdict,
  type StopReport,
} from "./event_buffer_options.ts";
import { defaultGiveUpAfterMs, GivenUpError, hintsOf, RefusedTime } from "./giving_up.ts";
import { backoffMs, type RetryPolicy, retryPolicy } from "./retry.ts";

/** A batch at the head, in flight or waiting for its next try. */
interface Batch<T> {
  readonly id: string;
  readonly held: readonly Held<T>[];
  readonly refused: RefusedTime;
  attempts: number;
}

interface Blocked<T> {
  readonly event: T;
  readonly bytes: number;
  admit(isHeld: boolean): void;
}

/**
 * Gathers events.
 *
 * - `#batch` holds the oldest events; it goes before all that wait in `#queue`.
 * - `#running` is true while `onFlush` runs: never twice at once.
 * - Exactly one of timer, retry timer and running flush is there while events are held.
 * - `#due` counts the events, from the head on, that go without waiting for the timer.
 */
export class EventBuffer<T> {
  readonly #options: EventBufferOptions<T>;
  readonly #policy: RetryPolicy;
  readonly #clock: ClientClock;
  readonly #maxSize: number;
  readonly #giveUpAfterMs: number;
  readonly #queue: BoundedQueue<T>;
  readonly #listeners = { flushed: new Set(), error: new Set() } as {
    [K in keyof EventBufferEvents<T>]: Set<EventBufferEvents<T>[K]>;
  };
  readonly #abort = new AbortController();
  readonly #name = randomName();
  #blocked: Blocked<T>[] = [];
  #flushWaiters: { through: number; done: () => void }[] = [];
  #batch: Batch<T> | undefined;
  #running = false;
  #due = 0;
  #cancelTimer: (() => void) | undefined;
  #cancelRetry: (() => void) | undefined;
  #batches = 0;
  #counts = { added: 0, delivered: 0, dropped: 0, refused: 0, batchesProcessed: 0, retries: 0 };
  #stopping: Promise<StopReport<T>> | undefined;
  #drained: (() => void) | undefined;
  #isOver = false;

  constructor(options: EventBufferOptions<T>) {
    const { maxSize = 50, maxEvents = 10_000, maxBytes = 8 * 1024 * 1024 } = options;
    const { giveUpAfterMs = defaultGiveUpAfterMs } = options;
    checkBounds({ maxSize, maxEvents, maxBytes }, 1);
    checkBounds({ giveUpAfterMs }, 0);
    this.#options = options;
    this.#giveUpAfterMs = giveUpAfterMs;
    const { retries = 20, firstDelayMs = 100, maxDelayMs = 5_000 } = options;
    this.#policy = retryPolicy({ ...options, retries, firstDelayMs, maxDelayMs });
    this.#clock = options.clock ?? systemClock;
    this.#maxSize = Math.min(maxSize, maxEvents);
    this.#queue = new BoundedQueue({ maxEvents, maxBytes });
  }

  /** Events held at this moment, in flight or waiting. */
  get size(): number {
    return this.#queue.size;
  }

  /** See {@link EventBufferStats}. */
  get stats(): EventBufferStats {
    const { added, delivered, dropped, refused, batchesProcessed, retries } = this.#counts;
    return {
      ...{ added, delivered, dropped, refused, batchesProcessed, retries },
      undelivered: this.size + this.#blocked.length,
      eventsBuffered: this.size,
      avgBatchSize: batchesProcessed === 0 ? 0 : delivered / batchesProcessed,
    };
  }

  /** Listens; what a listener throws is dropped. Returns what ends it. */
  on<K extends keyof EventBufferEvents<T>>(name: K, listener: EventBufferEvents<T>[K]): () => void {
    this.#listeners[name].add(listener);
    return () => this.#listeners[name].delete(listener);
  }

  /**
   * Hands in an event.
   * @returns whether it is held; with `overflow: "block"` and no room, a promise of that, which the host must await
   */
  add(event: T): boolean | Promise<boolean> {
    if (this.#stopping !== undefined) {
      this.#counts.refused++;
      this.#tellDrop(event, "stopped");
      return false;
    }
    this.#counts.added++;
    const bytes = this.#sizeOf(event);
    if (bytes === undefined) return this.#drop(event, "unserialisable");
    if (bytes > this.#queue.maxBytes) return this.#drop(event, "too_large");
    if (this.#blocked.length > 0 || !this.#queue.hasRoomFor(bytes)) {
      const { overflow = "drop-oldest" } = this.#options;
      if (overflow === "block") {
        return new Promise((admit) => this.#blocked.push({ event, bytes, admit }));
      }
      if (overflow === "drop-oldest") this.#makeRoom(bytes);
      if (!this.#queue.hasRoomFor(bytes)) return this.#drop(event, "overflow");
    }
    this.#hold(event, bytes);
    this.#schedule();
    return true;
  }

  /** Flushes what is held; resolves when that is delivered or given up, or when a try fails. It never rejects. */
  flush(): Promise<void> {
    if (this.size === 0) return Promise.resolve();
    const through = this.#queue.lastNumber;
    const promise = new Promise<void>((done) => this.#flushWaiters.push({ through, done }));
    this.#flushAll();
    return promise;
  }

  /**
   * Takes no further event, and delivers what is held until the deadline. A second call waits for the first.
   * @param options.deadlineMs @default 5000
   */
  stop(options: { deadlineMs?: number } = {}): Promise<StopReport<T>> {
    this.#stopping ??= this.#stop(options.deadlineMs ?? 5_000);
    return this.#stopping;
  }

  async #stop(deadlineMs: number): Promise<StopReport<T>> {
    const drained = new Promise<void>((resolve) => {
      this.#drained = resolve;
    });
    const cancel = this.#clock.after(deadlineMs, () => this.#drained?.(), { holdsProcess: true });
    this.#flushAll();
    if (this.size === 0) this.#drained?.();
    await drained;
    cancel();
    return this.#end();
  }

  #end(): StopReport<T> {
    this.#isOver = true;
    this.#cancelTimer?.();
    this.#cancelRetry?.();
    this.#abort.abort();
    const { delivered, dropped, undelivered } = this.stats;
    const events = [
      ...(this.#batch?.held ?? []).map(({ event }) => event),
      ...this.#queue.waitingEvents(),
      ...this.#blocked.map(({ event }) => event),
    ];
    for (const { admit } of this.#blocked) admit(false);
    for (const { done } of this.#flushWaiters.splice(0)) done();
    return { delivered, dropped, undelivered, events };
  }

  #flushAll(): void {
    this.#due = this.size;
    this.#cancelTimer?.();
    this.#cancelTimer = undefined;
    if (this.#running) return;
    this.#cancelRetry?.();
    this.#cancelRetry = undefined;
    this.#next();
  }

  /** Sees to it that the events held go out in time. */
  #schedule(): void {
    if (this.#running || this.#cancelRetry !== undefined || this.#isOver) return;
    const { first, waiting } = this.#queue;
    if (this.#batch !== undefined || waiting >= this.#maxSize || (this.#due > 0 && waiting > 0)) {
      return this.#next();
    }
    if (first === undefined || this.#cancelTimer !== undefined) return;
    const { flushIntervalMs = 100 } = this.#options;
    const waitMs = Math.max(0, first.heldAt + flushIntervalMs - this.#clock.monotonic());
    this.#cancelTimer = this.#clock.after(waitMs, () => {
      this.#cancelTimer = undefined;
      this.#due = this.size;
      this.#schedule();
    }, { holdsProcess: false });
  }

  /** Begins the next try. */
  #next(): void {
    if (this.#isOver) return;
    this.#batch ??= this.#takeBatch();
    if (this.#batch === undefined) return;
    this.#cancelTimer?.();
    this.#cancelTimer = undefined;
    this.#running = true;
    void this.#try(this.#batch);
  }

  #takeBatch(): Batch<T> | undefined {
    const { maxBatchBytes = 1024 * 1024 } = this.#options;
    const held = this.#queue.take(this.#maxSize, maxBatchBytes);
    if (held.length === 0) return undefined;
    return { id: this.#batchId(), held, refused: new RefusedTime(), attempts: 0 };
  }

  /** Never rejects. */
  async #try(batch: Batch<T>): Promise<void> {
    batch.attempts++;
    if (batch.attempts > 1) this.#counts.retries++;
    const start = this.#clock.monotonic();
    const context = { id: batch.id, attempt: batch.attempts, signal: this.#abort.signal };
    let verdict: FlushVerdict | undefined;
    let failure: { error: unknown } | undefined;
    try {
      verdict = await this.#options.onFlush(batch.held.map(({ event }) => event), context) ?? undefined;
    } catch (error) {
      failure = { error };
    }
    if (this.#isOver) return;
    this.#running = false;
    if (failure) this.#failed(batch, failure.error);
    else this.#answered(batch, verdict ?? {}, this.#clock.monotonic() - start);
    this.#admitBlocked();
    this.#resolveFlushes(failure !== undefined);
    if (this.size === 0) this.#drained?.();
    this.#schedule();
  }

  #failed(batch: Batch<T>, error: unknown): void {
    const hints = hintsOf(error);
    this.#tellError(error, batch);
    batch.refused.note(this.#clock.monotonic(), hints);
    if (hints.isRetryable && !this.#isExhausted(batch)) return this.#retryLater(batch, hints.retryAfterMs);
    this.#batch = undefined;
    if (hints.isRetryable) this.#exhaust(batch, { cause: error });
    else this.#giveUp(batch.held, "rejected");
  }

  #answered(batch: Batch<T>, verdict: FlushVerdict, durationMs: number): void {
    const rejected = new Set(verdict.rejected);
    const retry = new Set(verdict.retry);
    const delivered = batch.held.filter((_, i) => !rejected.has(i) && !retry.has(i));
    const again = batch.held.filter((_, i) => retry.has(i) && !rejected.has(i));
    this.#batch = undefined;
    this.#settle(delivered);
    this.#counts.delivered += delivered.length;
    this.#giveUp(batch.held.filter((_, i) => rejected.has(i)), "rejected");
    if (delivered.length > 0) {
      this.#counts.batchesProcessed++;
      const { id, attempts } = batch;
      const events = delivered.map(({ event }) => event);
      this.#tell("flushed", events, { id, attempts, durationMs });
    }
    if (again.length === 0) return;
    batch.refused.note(this.#clock.monotonic(), { isNoReply: false });
    // Another id: what a server remembers of the first one would answer for this one as well.
    const rest = { ...batch, id: this.#batchId(), held: again };
    if (this.#isExhausted(rest)) this.#exhaust(rest);
    else this.#retryLater(rest, verdict.retryAfterMs);
  }

  #isExhausted({ attempts, refused }: Batch<T>): boolean {
    return attempts > this.#policy.retries || refused.ms >= this.#giveUpAfterMs;
  }

  #exhaust(batch: Batch<T>, options: ErrorOptions = {}): void {
    const { held, attempts, refused } = batch;
    this.#tellError(
      new GivenUpError({ events: held.length, attempts, refusedMs: refused.ms }, options),
      batch,
    );
    this.#giveUp(held, "exhausted");
  }

  #retryLater(batch: Batch<T>, retryAfterMs: number | undefined): void {
    this.#batch = batch;
    const random = this.#options.random ?? Math.random;
    const ownMs = backoffMs(batch.attempts, this.#policy, random());
    const waitMs = Math.max(ownMs, Math.min(retryAfterMs ?? 0, this.#policy.maxRetryAfterMs));
    this.#cancelRetry = this.#clock.after(waitMs, () => {
      this.#cancelRetry = undefined;
      this.#schedule();
    }, { holdsProcess: this.#stopping !== undefined });
  }

  #hold(event: T, bytes: number): void {
    this.#queue.push(event, bytes, this.#clock.monotonic());
  }

  #settle(held: readonly Held<T>[]): void {
    this.#queue.settle(held);
    this.#due = Math.max(0, this.#due - held.length);
  }

  #giveUp(held: readonly Held<T>[], reason: DropReason): void {
    this.#settle(held);
    for (const { event } of held) this.#drop(event, reason);
  }

  /** Drops events that wait longest, where that makes enough room; what is in flight stays. */
  #makeRoom(bytes: number): void {
    while (!this.#queue.hasRoomFor(bytes)) {
      const oldest = this.#queue.shift();
      if (oldest === undefined) return;
      this.#due = Math.max(0, this.#due - 1);
      this.#drop(oldest.event, "overflow");
    }
  }

  #drop(event: T, reason: DropReason): false {
    this.#counts.dropped++;
    this.#tellDrop(event, reason);
    return false;
  }

  #admitBlocked(): void {
    let admitted = 0;
    for (const { event, bytes, admit } of this.#blocked) {
      if (!this.#queue.hasRoomFor(bytes)) break;
      this.#hold(event, bytes);
      admit(true);
      admitted++;
    }
    this.#blocked = this.#blocked.slice(admitted);
    if (this.#stopping !== undefined) this.#due = this.size;
  }

  #resolveFlushes(hasFailed: boolean): void {
    const oldest = (this.#batch?.held[0] ?? this.#queue.first)?.number ?? Infinity;
    const isDone = (through: number): boolean => hasFailed || through < oldest;
    for (const { through, done } of this.#flushWaiters) if (isDone(through)) done();
    this.#flushWaiters = this.#flushWaiters.filter(({ through }) => !isDone(through));
  }

  #batchId(): string {
    return `${this.#name}-${this.#batches++}`;
  }

  #sizeOf(event: T): number | undefined {
    try {
      const { sizeOf } = this.#options;
      const bytes = sizeOf ? sizeOf(event) : JSON.stringify(event)?.length;
      return typeof bytes === "number" && bytes >= 0 ? bytes : undefined;
    } catch {
      return undefined;
    }
  }

  #tellDrop(event: T, reason: DropReason): void {
    quietly(() => this.#options.onDrop?.(event, reason));
  }

  #tellError(error: unknown, { id, attempts, held }: Batch<T>): void {
    quietly(() => this.#options.onError?.(error));
    this.#tell("error", error, { id, attempts, events: held.length });
  }

  #tell<K extends keyof EventBufferEvents<T>>(name: K, ...args: Parameters<EventBufferEvents<T>[K]>): void {
    for (const listener of this.#listeners[name]) {
      quietly(() => (listener as (...args: unknown[]) => void)(...args));
    }
  }
}

/** What the host's own code throws is the host's affair, and changes nothing here. */
function quietly(call: () => unknown): void {
  try {
    const result = call();
    if (result instanceof Promise) result.catch(() => undefined);
  } catch {
    return;
  }
}

/** Tells the batches of this buffer from those of every other. */
function randomName(): string {
  const bytes = crypto.getRandomValues(new Uint8Array(12));
  return Array.from(bytes, (byte) => byte.toString(16).padStart(2, "0")).join("");
}
