/**
 * The frames between append and disk, each in the lane in which it waits.
 * @module
 */

import { toWeirError, type WeirError } from "../base/errors.ts";
import { describeError, type Log } from "../base/log.ts";
import { frameHeaderBytes } from "../base/record.ts";
import type { JournalPosition } from "./segment.ts";

/** A group ends with the frame that reaches this size, so that a small frame never waits for all that is queued. */
const groupBytes = 4 * 1024 * 1024;

/** What is stored together or not at all. Of `placed` and `released` exactly one is called, once; neither may throw. */
export interface Frame {
  /** 8 free bytes for the header, then record lines. Must not change until the frame is settled. */
  readonly bytes: Uint8Array;
  /**
   * Must it be stored behind the large frames that are on their way? Asked at once by the append, when there are any;
   * without an answer it may overtake them.
   */
  follows?(): boolean;
  /** It is durable. Called in the order of the places, before any promise of the same group resolves. */
  placed(at: JournalPosition): void;
  /** It was not stored. Called in the reverse order of the appends, the youngest first, as one undoes a stack. */
  released(error: WeirError): void;
}

/** A frame that is not settled. */
export interface QueuedFrame {
  /** The first frame appended has 0. */
  readonly number: number;
  readonly frame: Frame;
  readonly isSettled: boolean;
}

interface Entry extends QueuedFrame {
  isSettled: boolean;
  resolve(): void;
  reject(error: WeirError): void;
}

interface Waiter {
  /** Frames with lower numbers must be settled. */
  readonly upTo: number;
  resolve(): void;
  reject(error: WeirError): void;
}

/**
 * Keeps frames in order and settles each of them once. In every lane they stand in the order of the appends.
 *
 * - `#ordinary`: they go into the current segment, group by group; `#group` is the one that is being written.
 * - `#large`: the first one may be on its way into a segment of its own.
 * - `#behind`: they wait for all large frames that were appended before them, and are ordinary then.
 */
export class FrameQueue {
  /** Frames appended so far, which is the number of the next one. */
  enqueued = 0;
  /** Bytes of the frames that are not settled. */
  bytes = 0;
  readonly #log: Log;
  #group: Entry[] = [];
  #ordinary: Entry[] = [];
  #large: Entry[] = [];
  #behind: Entry[] = [];
  #waiters: Waiter[] = [];

  constructor(log: Log) {
    this.#log = log;
  }

  /** Number of the oldest frame that is not settled; that of the next one when all are. */
  get oldest(): number {
    const lanes = [this.#group, this.#ordinary, this.#large, this.#behind];
    return Math.min(this.enqueued, ...lanes.map((lane) => lane[0]?.number ?? Infinity));
  }

  /** The large frame whose turn it is. */
  get large(): QueuedFrame | undefined {
    return this.#large[0];
  }

  /** Enqueues a frame; the promise settles with it. */
  add(frame: Frame, isLarge: boolean): { entry: QueuedFrame; settled: Promise<void> } {
    const { promise, resolve, reject } = Promise.withResolvers<void>();
    const entry = { number: this.enqueued++, frame, isSettled: false, resolve, reject };
    this.bytes += frame.bytes.length;
    if (isLarge) this.#large.push(entry);
    else if (this.#large.length > 0 && frame.follows?.()) this.#behind.push(entry);
    else this.#ordinary.push(entry);
    return { entry, settled: promise };
  }

  /** Resolves when all that is enqueued is settled; rejects when any of it is released. */
  settled(): Promise<void> {
    if (this.oldest === this.enqueued) return Promise.resolve();
    const { promise, resolve, reject } = Promise.withResolvers<void>();
    this.#waiters.push({ upTo: this.enqueued, resolve, reject });
    return promise;
  }

  /** The bytes of the ordinary frames to be written next, in order; they stay the group until they are settled. */
  takeGroup(): readonly Uint8Array[] {
    let bytes = 0;
    let count = 0;
    while (count < this.#ordinary.length && bytes < groupBytes) {
      bytes += this.#ordinary[count++].frame.bytes.length;
    }
    if (count < this.#ordinary.length) this.#group = this.#ordinary.splice(0, count);
    else {
      this.#group = this.#ordinary;
      this.#ordinary = [];
    }
    return this.#group.map((entry) => entry.frame.bytes);
  }

  /** Is a group being written? */
  get hasGroup(): boolean {
    return this.#group.length > 0;
  }

  /** The group is stored; its first header lies at `offset`. */
  placeGroup(segment: number, offset: number): void {
    const group = this.#group;
    this.#group = [];
    this.#place(group, segment, offset);
  }

  /** The large frame whose turn it was is stored; its header lies at `offset`. */
  placeLarge(segment: number, offset: number): void {
    const stored = this.#large.splice(0, 1);
    this.#free();
    this.#place(stored, segment, offset);
  }

  /** The large frame whose turn it is goes with the ordinary ones. */
  keepWithOrdinary(): void {
    this.#ordinary = inOrder(this.#ordinary, this.#large.splice(0, 1));
    this.#free();
  }

  /** Nothing that is enqueued is stored. */
  release(error: WeirError): void {
    const entries = inOrder(this.#group, this.#ordinary, this.#large, this.#behind);
    const waiters = this.#waiters;
    this.#group = [];
    this.#ordinary = [];
    this.#large = [];
    this.#behind = [];
    this.#waiters = [];
    for (const entry of entries.toReversed()) {
      this.#count(entry);
      this.refuse(entry.frame, error);
    }
    for (const { reject } of [...entries, ...waiters]) reject(error);
  }

  /** Tells one frame that it is not stored. */
  refuse(frame: Frame, error: WeirError): void {
    try {
      frame.released(error);
    } catch (thrown) {
      this.#log.error("A released frame was not taken back", { error: describeError(thrown) });
    }
  }

  /** Those that waited for the large frame that is gone now. */
  #free(): void {
    const next = this.#large[0]?.number ?? Infinity;
    const count = this.#behind.findLastIndex(({ number }) => number < next) + 1;
    if (count > 0) this.#ordinary = inOrder(this.#ordinary, this.#behind.splice(0, count));
  }

  #place(entries: readonly Entry[], segment: number, offset: number): void {
    const settle = entries.map((entry) => {
      const { frame, resolve, reject } = entry;
      const at = { segment, offset: offset + frameHeaderBytes };
      offset += frame.bytes.length;
      this.#count(entry);
      try {
        frame.placed(at);
        return resolve;
      } catch (thrown) {
        this.#log.error("A stored frame was not taken up", { error: describeError(thrown) });
        return () => reject(toWeirError(thrown));
      }
    });
    for (const each of settle) each();
    const { oldest } = this;
    while (this.#waiters.length > 0 && this.#waiters[0].upTo <= oldest) this.#waiters.shift()!.resolve();
  }

  #count(entry: Entry): void {
    entry.isSettled = true;
    this.bytes -= entry.frame.bytes.length;
  }
}

function inOrder(...lanes: Entry[][]): Entry[] {
  return lanes.flat().sort((a, b) => a.number - b.number);
}
