/**
 * What the event buffer is told and what it tells: options, verdicts, statistics.
 * @module
 */

import type { OverflowPolicy } from "./bounded_queue.ts";
import type { ClientClock } from "./client_clock.ts";
import type { RetryOptions } from "./retry.ts";

/** How `EventBuffer` works. */
export interface EventBufferOptions<T> extends RetryOptions {
  /**
   * Takes a batch. A batch whose promise rejects stays at the head and is handed over again, the same events under
   * the same id; an error with `isRetryable: false` ends that, one with `retryAfterMs` says when to come again, and
   * one with `isNoReply: true` does not count against `giveUpAfterMs`.
   */
  onFlush: (events: readonly T[], batch: BatchContext) => void | FlushVerdict | Promise<void | FlushVerdict>;
  /** Events in a batch; so many begin a flush at once. @default 50 */
  maxSize?: number;
  /** A flush begins this long after the first event that waits. @default 100 */
  flushIntervalMs?: number;
  /** Bytes in a batch with more than one event. @default 1048576 */
  maxBatchBytes?: number;
  /** Events held, those in flight included. @default 10000 */
  maxEvents?: number;
  /** Bytes held, by `sizeOf`. @default 8388608 */
  maxBytes?: number;
  /** @default "drop-oldest" */
  overflow?: OverflowPolicy;
  /** Bytes of an event. @default the length of its JSON */
  sizeOf?: (event: T) => number;
  /** Told of each event that is given up, and why; what it throws is dropped. */
  onDrop?: (event: T, reason: DropReason) => void;
  /** Told of each failed try, and with a `GivenUpError` of each batch given up after its last; what it throws is dropped. */
  onError?: (error: unknown) => void;
  /** Tries of a batch after the first one. @default 20 */
  retries?: number;
  /**
   * A batch that is answered with failures for so long is given up, so that it does not hold up for ever what is
   * queued behind it. Time without any reply does not count. Infinity for never, 0 for the first failure. ms.
   * @default 300000
   */
  giveUpAfterMs?: number;
  /** @default 100 */
  firstDelayMs?: number;
  /** @default 5000 */
  maxDelayMs?: number;
  clock?: ClientClock;
  /** From 0 to 1, 1 excluded. @default Math.random */
  random?: () => number;
}

/** Why an event was given up. */
export type DropReason =
  /** There was no room. */
  | "overflow"
  /** It alone is larger than all that may be held. */
  | "too_large"
  /** It has no size: it is no JSON. */
  | "unserialisable"
  /** It came after the stop. */
  | "stopped"
  /** The receiver refused it for good. */
  | "rejected"
  /** All tries failed. */
  | "exhausted"
  /** All tries failed; the spool keeps it, and the next start sends it again. */
  | "spooled";

/** What `onFlush` is told of its batch. */
export interface BatchContext {
  /** The same at each try. */
  readonly id: string;
  /** From 1. */
  readonly attempt: number;
  /** Aborted when nobody waits for the batch any more. */
  readonly signal: AbortSignal;
}

/** What became of single events of a batch, by position; the others are delivered. */
export interface FlushVerdict {
  /** To be handed over again, before all that came later. */
  readonly retry?: readonly number[];
  /** Refused for good. */
  readonly rejected?: readonly number[];
  /** How long to wait before the events of {@link retry} are handed over again. */
  readonly retryAfterMs?: number;
}

/** What the buffer has done so far; `delivered + dropped + undelivered` is `added`. */
export interface EventBufferStats {
  /** Events that were handed in before the stop. */
  readonly added: number;
  readonly delivered: number;
  readonly dropped: number;
  /** Held at this moment, waiting senders included. */
  readonly undelivered: number;
  /** Handed in after the stop; not part of `added`. */
  readonly refused: number;
  /** Calls of `onFlush` that delivered at least one event. */
  readonly batchesProcessed: number;
  /** Events that wait at this moment or are in flight. */
  readonly eventsBuffered: number;
  /** Delivered events for each such call. */
  readonly avgBatchSize: number;
  /** Calls of `onFlush` for a batch that had one before. */
  readonly retries: number;
}

/** How a stop went. */
export interface StopReport<T> {
  readonly delivered: number;
  readonly dropped: number;
  readonly undelivered: number;
  /** The undelivered events in order. Those in flight at the deadline are among them: they may have arrived. */
  readonly events: readonly T[];
}

/** What is told to listeners. */
export interface EventBufferEvents<T> {
  flushed: (events: readonly T[], batch: { id: string; attempts: number; durationMs: number }) => void;
  error: (error: unknown, batch: { id: string; attempts: number; events: number }) => void;
}

/**
 * Bounds must leave room for something.
 * @throws RangeError when one is less than the least, or is no number
 */
export function checkBounds(bounds: Readonly<Record<string, number>>, least: number): void {
  for (const [name, value] of Object.entries(bounds)) {
    if (value >= least) continue;
    throw new RangeError(`Cannot buffer: ${name} must be at least ${least}: current value is ${value}`);
  }
}
