/**
 * The frames between append and disk: those of the group that is being written, and those that wait behind it.
 * @module
 */

import { toWeirError, type WeirError } from "../base/errors.ts";
import { describeError, type Log } from "../base/log.ts";
import { frameHeaderBytes } from "../base/record.ts";
import type { JournalPosition } from "./segment.ts";

/** A group ends with the frame that reaches this size, so that a small frame never waits for all that is queued. */
const groupBytes = 8 * 1024 * 1024;

/** What is stored together or not at all. Of `placed` and `released` exactly one is called, once; neither may throw. */
export interface Frame {
  /** 8 free bytes for the header, then record lines. Must not change until the frame is settled. */
  readonly bytes: Uint8Array;
  /** It is durable. Called in the order of the appends, before any promise of the same group resolves. */
  placed(at: JournalPosition): void;
  /** It was not stored. Called in the reverse order of the appends, the youngest first, as one undoes a stack. */
  released(error: WeirError): void;
}

interface Entry {
  readonly frame: Frame;
  resolve(): void;
  reject(error: WeirError): void;
}

/** Keeps frames in order and settles each of them once. `settled` of the `enqueued` ones are: always the oldest. */
export class FrameQueue {
  enqueued = 0;
  settled = 0;
  /** Bytes of the frames that are not settled. */
  bytes = 0;
  readonly #log: Log;
  #group: Entry[] = [];
  #waiting: Entry[] = [];
  #youngest: Promise<void> = Promise.resolve();

  constructor(log: Log) {
    this.#log = log;
  }

  /** Settles as the youngest frame does. */
  get youngest(): Promise<void> {
    return this.#youngest;
  }

  /** Enqueues a sealed frame; the promise settles with it. */
  add(frame: Frame): Promise<void> {
    const { promise, resolve, reject } = Promise.withResolvers<void>();
    this.#waiting.push({ frame, resolve, reject });
    this.enqueued++;
    this.bytes += frame.bytes.length;
    this.#youngest = promise;
    return promise;
  }

  /** The bytes of the frames to be written next, in order; they stay the group until they are settled. */
  takeGroup(): readonly Uint8Array[] {
    let bytes = 0;
    let count = 0;
    while (count < this.#waiting.length && bytes < groupBytes) {
      bytes += this.#waiting[count++].frame.bytes.length;
    }
    if (count < this.#waiting.length) this.#group = this.#waiting.splice(0, count);
    else {
      this.#group = this.#waiting;
      this.#waiting = [];
    }
    return this.#group.map((entry) => entry.frame.bytes);
  }

  /** Is a group being written? */
  get hasGroup(): boolean {
    return this.#group.length > 0;
  }

  /** The group is stored; its first header lies at `offset`. */
  place(segment: number, offset: number): void {
    const group = this.#group;
    this.#group = [];
    const settle = group.map(({ frame, resolve, reject }) => {
      const at = { segment, offset: offset + frameHeaderBytes };
      offset += frame.bytes.length;
      this.#count(frame);
      try {
        frame.placed(at);
        return resolve;
      } catch (thrown) {
        this.#log.error("A stored frame was not taken up", { error: describeError(thrown) });
        return () => reject(toWeirError(thrown));
      }
    });
    for (const each of settle) each();
  }

  /** Neither the group nor anything behind it is stored. */
  release(error: WeirError): void {
    const entries = [...this.#group, ...this.#waiting];
    this.#group = [];
    this.#waiting = [];
    for (const { frame } of entries.toReversed()) {
      this.#count(frame);
      this.refuse(frame, error);
    }
    for (const { reject } of entries) reject(error);
  }

  /** Tells one frame that it is not stored. */
  refuse(frame: Frame, error: WeirError): void {
    try {
      frame.released(error);
    } catch (thrown) {
      this.#log.error("A released frame was not taken back", { error: describeError(thrown) });
    }
  }

  #count(frame: Frame): void {
    this.settled++;
    this.bytes -= frame.bytes.length;
  }
}
