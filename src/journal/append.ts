/**
 * The journal's one writer: group commit. While one write and fdatasync run, the next frames gather.
 * @module
 */

import type { Clock } from "../base/clock.ts";
import { WeirError } from "../base/errors.ts";
import { faultPoint } from "../base/faults.ts";
import type { Log } from "../base/log.ts";
import type { Metrics } from "../base/metrics.ts";
import { frameHeaderBytes } from "../base/record.ts";
import { ClosedSegments } from "./closed_segments.ts";
import { diskFiles, errorCode, isDiskFull, type JournalFiles, makeDirectory } from "./files.ts";
import { type Frame, FrameQueue } from "./frame_queue.ts";
import { maxPayloadBytes, sealFrame, segmentPath } from "./segment.ts";
import { CopyBuffer, SegmentWriter, storageError } from "./segment_writer.ts";

export type { Frame } from "./frame_queue.ts";
export type { JournalPosition } from "./segment.ts";

const openBrace = 0x7b;
const lineBreak = 0x0a;

/** How {@link Journal.open} begins. */
export interface JournalOptions {
  readonly dir: string;
  /** `fsync`: a frame is stored when it is on the disk; `write`: when the kernel has it. */
  readonly durability: "fsync" | "write";
  /** A segment that has reached this size is followed by the next. */
  readonly segmentBytes: number;
  /** Number of the segment to begin; greater than every one that is there. */
  readonly firstSegment: number;
  readonly clock: Clock;
  readonly log: Log;
  readonly metrics: Metrics;
  /** @default the real disk */
  readonly files?: JournalFiles;
}

interface Rotation {
  /** Frames that were enqueued before it. */
  readonly upTo: number;
  resolve(segment: number): void;
  reject(error: WeirError): void;
}

/**
 * Stores frames in the order in which they are appended.
 *
 * - At most one group is being written, by `#run` alone; a frame lies in one group, a group in one segment.
 * - The next segment is made while the current one still takes frames; nobody waits for it.
 * - What breaks beside `#run` is noted in `#broken`, and `#run` fails the journal when no group is being written.
 * - Once `failed`, always `failed`.
 */
export class Journal {
  readonly #options: JournalOptions;
  readonly #files: JournalFiles;
  readonly #copyBuffer = new CopyBuffer();
  readonly #queue: FrameQueue;
  #current: SegmentWriter;
  #next: SegmentWriter | undefined;
  #lastNumber: number;
  readonly #closed: ClosedSegments;
  #turnAt: number;
  #rotations: Rotation[] = [];
  #bytesSinceRotate = 0;
  #running: Promise<void> | undefined;
  #preparing: Promise<void> | undefined;
  #retiring = new Set<Promise<void>>();
  #closing: Promise<void> | undefined;
  #broken: { step: string; error: unknown } | undefined;
  #state: "ok" | "full" | "failed" = "ok";
  #reason: string | undefined;

  /**
   * Begins a new segment in `dir`, which is made where it is missing.
   *
   * @throws RangeError when `firstSegment` is not greater than every segment that is there
   * @throws WeirError `storage_full`, `overloaded` or `journal_failed` when the segment cannot be made
   */
  static async open(options: JournalOptions): Promise<Journal> {
    const { dir, firstSegment } = options;
    const closed = await makeDirectory(dir).then(() => ClosedSegments.list(dir)).catch((error) => {
      throw storageError("open the journal", error);
    });
    const greatest = closed.numbers.at(-1) ?? 0;
    if (firstSegment <= greatest) {
      throw new RangeError(
        `Cannot open the journal: firstSegment must be greater than ${greatest}: current value is ${firstSegment}`,
      );
    }
    const files = options.files ?? diskFiles;
    const current = await SegmentWriter.create({ files, dir, number: firstSegment });
    return new Journal(options, current, closed);
  }

  private constructor(options: JournalOptions, current: SegmentWriter, closed: ClosedSegments) {
    this.#options = options;
    this.#files = options.files ?? diskFiles;
    this.#queue = new FrameQueue(options.log);
    this.#current = current;
    this.#lastNumber = current.number;
    this.#turnAt = options.segmentBytes;
    this.#closed = closed;
    options.metrics.gauge("weir_journal_failed").set(0);
    this.#countSegments();
  }

  /** Numbers of the segments on disk, ascending; the last is the current one. */
  get segments(): readonly number[] {
    return [...this.#closed.numbers, this.#current.number];
  }

  /** Bytes of the segments on disk. */
  get heldBytes(): number {
    return this.#closed.bytes + this.#current.length;
  }

  /** Number of the segment that takes frames. */
  get currentSegment(): number {
    return this.#current.number;
  }

  /** Bytes stored since {@link rotate} last began a segment, or since the journal was opened. */
  get bytesSinceRotate(): number {
    return this.#bytesSinceRotate;
  }

  /** Bytes of the frames that are not settled. */
  get queuedBytes(): number {
    return this.#queue.bytes;
  }

  /** `full` passes with the next frame or {@link rotate} that finds room; `failed` lasts until a restart. */
  get state(): "ok" | "full" | "failed" {
    return this.#state;
  }

  /** Why it is not `ok`; undefined when it is. */
  get reason(): string | undefined {
    return this.#reason;
  }

  /**
   * Enqueues the frame at once, so that the order of the calls is the order on disk, and resolves when it is
   * stored. A rejected frame was released before, and does not come back after a restart, unless the disk that
   * failed the journal also fails to cut it off.
   *
   * @throws WeirError `storage_full`, `journal_failed`, `draining` (closed), `body_too_large` (more than
   * {@link maxPayloadBytes}), `internal` (the payload is not record lines)
   */
  append(frame: Frame): Promise<void> {
    const refusal = this.#refusalOf(frame.bytes);
    if (refusal) {
      this.#queue.refuse(frame, refusal);
      return Promise.reject(refusal);
    }
    sealFrame(frame.bytes);
    const stored = this.#queue.add(frame);
    this.#wake();
    return stored;
  }

  /** Resolves when all that is enqueued is stored. @throws WeirError when any of it was not, or the journal failed */
  barrier(): Promise<void> {
    // A failure takes along everything behind it, so the youngest frame speaks for all.
    if (this.#queue.settled < this.#queue.enqueued) return this.#queue.youngest;
    return this.#state === "failed" ? Promise.reject(this.#failure()) : Promise.resolve();
  }

  /**
   * Begins a new segment, also when the current one is empty, and resolves to its number once every frame that
   * was enqueued before this call is settled: the stored ones lie in lower segments. Calls that overlap may share
   * a segment; otherwise each number is greater than the one before.
   *
   * @throws WeirError `storage_full` or `overloaded` (the journal goes on in the current segment),
   * `journal_failed`, `draining`
   */
  rotate(): Promise<number> {
    if (this.#closing) return Promise.reject(closedError());
    if (this.#state === "failed") return Promise.reject(this.#failure());
    const { promise, resolve, reject } = Promise.withResolvers<number>();
    this.#rotations.push({ upTo: this.#queue.enqueued, resolve, reject });
    this.#wake();
    return promise;
  }

  /**
   * Removes segments durably. The current one and later ones stay; one that is gone already is fine.
   * @throws WeirError when a file cannot be removed
   */
  async drop(segments: Iterable<number>): Promise<void> {
    await this.#closed.remove(segments, this.#files);
    this.#countSegments();
  }

  /**
   * Takes nothing more, settles what is enqueued and closes the files. A second call waits for the first.
   *
   * @throws WeirError `journal_failed` when, with durability `write`, the last sync fails
   */
  close(): Promise<void> {
    this.#closing ??= this.#close();
    return this.#closing;
  }

  async #close(): Promise<void> {
    while (this.#running || this.#preparing) {
      await this.#running;
      await this.#preparing;
    }
    if (this.#next) {
      this.#next.close();
      // Nothing is in it; one that stays does no harm.
      await this.#files.remove(segmentPath(this.#options.dir, this.#next.number)).catch(() => undefined);
    }
    const failedBefore = this.#state === "failed";
    this.#retire(this.#current);
    await Promise.all(this.#retiring);
    await this.#running;
    if (this.#state === "failed" && !failedBefore) throw this.#failure();
  }

  #wake(): void {
    this.#running ??= this.#run();
  }

  async #run(): Promise<void> {
    // Lets the appends of the same turn of the event loop gather; and `#running` is set before this goes on.
    await Promise.resolve();
    for (;;) {
      if (this.#broken && this.#state !== "failed") await this.#fail(this.#broken.step, this.#broken.error);
      this.#turnOver();
      const frames = this.#queue.takeGroup();
      if (frames.length === 0) break;
      await this.#store(frames);
    }
    this.#running = undefined;
  }

  async #store(frames: readonly Uint8Array[]): Promise<void> {
    const { clock, durability, metrics } = this.#options;
    const segment = this.#current;
    const began = clock.monotonic();
    try {
      faultPoint("journal.write");
      await segment.write(frames, this.#copyBuffer);
      faultPoint("journal.written");
    } catch (error) {
      return isDiskFull(error) ? await this.#giveBack(error) : await this.#fail("write", error);
    }
    if (durability === "fsync") {
      try {
        faultPoint("journal.fsync");
        await segment.syncData();
      } catch (error) {
        return await this.#fail("fdatasync", error);
      }
      metrics.counter("weir_journal_syncs_total").inc();
    }
    const bytes = frames.reduce((sum, frame) => sum + frame.length, 0);
    metrics.histogram("weir_journal_sync_seconds").observe((clock.monotonic() - began) / 1000);
    metrics.counter("weir_journal_frames_total").inc(frames.length);
    metrics.counter("weir_journal_bytes_total").inc(bytes);
    this.#place(bytes);
  }

  #place(bytes: number): void {
    this.#noteRoom();
    const segment = this.#current;
    const offset = segment.length;
    segment.commit(bytes);
    this.#bytesSinceRotate += bytes;
    this.#queue.place(segment.number, offset);
  }

  #noteRoom(): void {
    if (this.#state !== "full") return;
    this.#options.log.info("The journal has room again", { segment: this.#current.number });
    this.#state = "ok";
    this.#reason = undefined;
  }

  /** The disk is full: what was written is cut off, and everything enqueued is given back. */
  async #giveBack(error: unknown): Promise<void> {
    try {
      await this.#current.rollback(true);
    } catch (rollbackError) {
      return await this.#fail("truncate", rollbackError);
    }
    const segment = this.#current.number;
    if (this.#state === "ok") {
      this.#options.log.error("The disk is full", { segment, reason: errorCode(error) });
    }
    this.#state = "full";
    this.#reason = `write: ${errorCode(error)}`;
    this.#queue.release(storageError("store the rows", error));
  }

  async #fail(step: string, error: unknown): Promise<void> {
    this.#state = "failed";
    this.#reason = `${step}: ${errorCode(error)}`;
    this.#options.metrics.gauge("weir_journal_failed").set(1);
    this.#options.log.error("The journal failed", { segment: this.#current.number, reason: this.#reason });
    // The clients hear that the group was not stored, so it should not be found at the next start. More than try
    // nobody can: the disk is not to be trusted any longer.
    if (this.#queue.hasGroup) await this.#current.rollback(false).catch(() => undefined);
    this.#queue.release(this.#failure());
    for (const rotation of this.#rotations.splice(0)) rotation.reject(this.#failure());
  }

  /** Between two groups: goes over to the next segment when that is due, and has it made when it is wanted. */
  #turnOver(): void {
    if (this.#state === "failed") return;
    const large = this.#current.length >= this.#turnAt;
    const asked = this.#rotations.length > 0;
    if (!large && !asked) return;
    if (!this.#next) {
      this.#preparing ??= this.#prepare().finally(() => {
        this.#preparing = undefined;
        this.#wake();
      });
      return;
    }
    if (!large && this.#rotations[0].upTo > this.#queue.settled) return;
    this.#closed.add(this.#current.number, this.#current.length);
    this.#retire(this.#current);
    this.#current = this.#next;
    this.#next = undefined;
    this.#turnAt = this.#options.segmentBytes;
    if (asked) this.#noteRoom();
    this.#countSegments();
    const done = this.#rotations.filter((rotation) => rotation.upTo <= this.#queue.settled);
    if (done.length > 0) this.#bytesSinceRotate = 0;
    this.#rotations = this.#rotations.slice(done.length);
    for (const rotation of done) rotation.resolve(this.#current.number);
  }

  async #prepare(): Promise<void> {
    // A number is used once, because a file that could not be made may still be there.
    const number = ++this.#lastNumber;
    try {
      faultPoint("journal.rotate");
      this.#next = await SegmentWriter.create({ files: this.#files, dir: this.#options.dir, number });
    } catch (error) {
      const failure = error instanceof WeirError ? error : storageError("begin a segment", error);
      if (failure.code === "journal_failed") {
        this.#broken ??= { step: "new segment", error: failure.cause };
        return;
      }
      // A full disk was told already, and is tried again and again.
      if (this.#state === "ok") {
        this.#options.log.error("Cannot begin a segment", { segment: number, code: failure.code });
      }
      this.#turnAt = this.#current.length + this.#options.segmentBytes;
      for (const rotation of this.#rotations.splice(0)) rotation.reject(failure);
    }
  }

  /** Closes a segment; with durability `write` it is synced first, so that only the last one can be torn. */
  #retire(segment: SegmentWriter): void {
    if (this.#options.durability === "fsync" || this.#state === "failed") return segment.close();
    const retired = segment.syncData().catch((error) => {
      this.#broken ??= { step: "fdatasync", error };
    }).finally(() => {
      segment.close();
      this.#retiring.delete(retired);
      this.#wake();
    });
    this.#retiring.add(retired);
  }

  #refusalOf(bytes: Uint8Array): WeirError | undefined {
    if (this.#closing) return closedError();
    if (this.#state === "failed") return this.#failure();
    const payloadBytes = bytes.length - frameHeaderBytes;
    if (payloadBytes > maxPayloadBytes) {
      return new WeirError(
        "body_too_large",
        `Cannot store the rows: together they must be at most ${maxPayloadBytes} bytes: current value is ${payloadBytes}`,
      );
    }
    if (payloadBytes > 0 && bytes[frameHeaderBytes] === openBrace && bytes.at(-1) === lineBreak) {
      return undefined;
    }
    return new WeirError("internal", "Cannot store the rows: a frame must hold whole lines of JSON objects");
  }

  #failure(): WeirError {
    return new WeirError("journal_failed", `Cannot store the rows: the journal failed: ${this.#reason}`);
  }

  #countSegments(): void {
    this.#options.metrics.gauge("weir_journal_segments").set(this.#closed.count + 1);
  }
}

function closedError(): WeirError {
  return new WeirError("draining", "Cannot store the rows: the journal is closed");
}
