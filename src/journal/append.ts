/**
 * The journal's one writer: group commit. While one write and fdatasync run, the next frames gather.
 * @module
 */

import type { Clock } from "../base/clock.ts";
import { WeirError } from "../base/errors.ts";
import { faultPoint } from "../base/faults.ts";
import type { Log } from "../base/log.ts";
import { type Frame, FrameQueue, type QueuedFrame } from "./frame_queue.ts";
import { LargeWrite } from "./large_write.ts";
import { JournalHealth } from "./journal_health.ts";
import { frameRefusal, largeFrameBytes, sealFrame, sealFrameInPieces } from "./segment.ts";
import { Rotations } from "./rotations.ts";
import { SegmentSet, type SegmentSetOptions } from "./segment_set.ts";
import { CopyBuffer, type SegmentWriter, storageError } from "./segment_writer.ts";
import { canPass, type StepFailure, stepFaults, writeStep } from "./write_step.ts";

export type { Frame } from "./frame_queue.ts";
export type { JournalPosition } from "./segment.ts";

/** Bytes of a large frame that are written and synced at once. */
const largePieceBytes = 512 * 1024;

/** How {@link Journal.open} begins. With durability `fsync` a frame is stored when it is on the disk. */
export interface JournalOptions extends SegmentSetOptions {
  /** A segment that has reached this size is followed by the next. */
  readonly segmentBytes: number;
  readonly clock: Clock;
  readonly log: Log;
  /** @default largeFrameBytes of segment.ts; the journal is read back with the same */
  readonly largeFrameBytes?: number;
  /** Bytes of a large frame that are written and synced at once. @default 512 KiB */
  readonly pieceBytes?: number;
}

/**
 * Stores frames: small ones in the order in which they are appended, and a large one behind all that were appended
 * before it. Small ones that are appended while a large one is on its way may be stored before it, see
 * docs/adr/0019-large-frames-have-a-segment-of-their-own.md. Places are given in ascending order.
 *
 * - `#run` alone writes, except that the pieces of a large frame are written beside it, all but the last one.
 * - A group of small frames lies in one segment.
 * - The next segment is made while the current one still takes frames; nobody waits for it.
 * - What breaks beside `#run` is noted in `#broken`, and `#run` fails the journal when nothing is being written.
 */
export class Journal {
  readonly #options: JournalOptions;
  readonly #largeFrameBytes: number;
  readonly #pieceBytes: number;
  readonly #copyBuffer = new CopyBuffer();
  readonly #queue: FrameQueue;
  readonly #segments: SegmentSet;
  readonly #health: JournalHealth;
  #large: LargeWrite | undefined;
  readonly #sealed = new WeakSet<QueuedFrame>();
  #turnAt: number;
  readonly #rotations = new Rotations();
  #bytesSinceRotate = 0;
  #running: Promise<void> | undefined;
  #preparing: Promise<void> | undefined;
  #closing: Promise<void> | undefined;
  #broken: { step: string; error: unknown } | undefined;

  /**
   * Begins a new segment in `dir`, which is made where it is missing.
   *
   * @throws RangeError when `firstSegment` is not greater than every segment that is there
   * @throws WeirError `storage_full`, `overloaded` or `journal_failed` when the segment cannot be made
   */
  static async open(options: JournalOptions): Promise<Journal> {
    return new Journal(options, await SegmentSet.open(options));
  }

  private constructor(options: JournalOptions, segments: SegmentSet) {
    this.#options = options;
    this.#largeFrameBytes = options.largeFrameBytes ?? largeFrameBytes;
    this.#pieceBytes = options.pieceBytes ?? largePieceBytes;
    this.#queue = new FrameQueue(options.log);
    this.#segments = segments;
    this.#turnAt = options.segmentBytes;
    this.#health = new JournalHealth(options);
  }

  /** Numbers of the segments on disk, ascending; the last is the current one. */
  get segments(): readonly number[] {
    return this.#segments.numbers;
  }

  /** Bytes of the segments on disk. */
  get heldBytes(): number {
    return this.#segments.bytes;
  }

  /** Number of the segment that takes frames. */
  get currentSegment(): number {
    return this.#segments.current.number;
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
    return this.#health.state;
  }

  /** Why it is not `ok`; undefined when it is. */
  get reason(): string | undefined {
    return this.#health.reason;
  }

  /**
   * Enqueues the frame at once, and resolves when it is stored. A rejected frame was released before, and does not
   * come back after a restart, unless the disk that failed the journal also fails to cut it off.
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
    const isLarge = frame.bytes.length >= this.#largeFrameBytes;
    if (!isLarge) sealFrame(frame.bytes);
    const { entry, settled } = this.#queue.add(frame, isLarge);
    if (isLarge) this.#seal(entry);
    this.#wake();
    return settled;
  }

  /** Resolves when all that is enqueued is stored. @throws WeirError when any of it was not, or the journal failed */
  barrier(): Promise<void> {
    return this.state === "failed" ? Promise.reject(this.#health.failure) : this.#queue.settled();
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
    if (this.state === "failed") return Promise.reject(this.#health.failure);
    const rotated = this.#rotations.add(this.#queue.enqueued);
    this.#wake();
    return rotated;
  }

  /**
   * Removes segments durably. The current one and later ones stay; one that is gone already is fine.
   * @throws WeirError when a file cannot be removed
   */
  async drop(segments: Iterable<number>): Promise<void> {
    await this.#segments.drop(segments);
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
    // What was refused has been told so.
    await this.#queue.settled().catch(() => undefined);
    while (this.#running || this.#preparing) {
      await this.#running;
      await this.#preparing;
    }
    const failedBefore = this.state === "failed";
    await this.#segments.close(failedBefore ? undefined : (error) => this.#noteBroken("fdatasync", error));
    await this.#running;
    if (this.state === "failed" && !failedBefore) throw this.#health.failure;
  }

  /** The CRC-32 of a large frame takes so long that others get their turns meanwhile. */
  #seal(entry: QueuedFrame): void {
    sealFrameInPieces(entry.frame.bytes, () => !entry.isSettled).then(() => {
      this.#sealed.add(entry);
      this.#wake();
    });
  }

  #wake(): void {
    this.#running ??= this.#run();
  }

  #noteBroken(step: string, error: unknown): void {
    this.#broken ??= { step, error };
    this.#wake();
  }

  async #run(): Promise<void> {
    // Lets the appends of the same turn of the event loop gather; and `#running` is set before this goes on.
    await Promise.resolve();
    for (;;) {
      if (this.#broken && this.state !== "failed") await this.#fail(this.#broken.step, this.#broken.error);
      this.#turnOver();
      const frames = this.#queue.takeGroup();
      if (frames.length > 0) await this.#storeGroup(frames);
      const large = this.#largeDue();
      if (large) await this.#storeLarge(large, this.#queue.large!);
      else if (frames.length === 0) break;
    }
    this.#running = undefined;
  }

  async #storeGroup(frames: readonly Uint8Array[]): Promise<void> {
    const segment = this.#segments.current;
    const step = { frames, segment, faults: stepFaults.group };
    const failure = await writeStep(step, this.#copyBuffer, this.#options);
    if (failure) return await this.#giveUp(failure);
    const offset = segment.length;
    const bytes = frames.reduce((sum, frame) => sum + frame.length, 0);
    this.#commit(segment, { bytes, frames: frames.length });
    this.#queue.placeGroup(segment.number, offset);
  }

  /** The large frame, when its last piece may be written, or it failed. */
  #largeDue(): LargeWrite | undefined {
    const entry = this.#queue.large;
    if (!entry) return undefined;
    this.#large ??= this.#beginLarge(entry);
    const large = this.#large;
    if (!large?.isResting) return undefined;
    // It overtakes nothing: what was appended before it has the lower place.
    return large.failure === undefined && this.#queue.oldest < entry.number ? undefined : large;
  }

  #beginLarge(entry: QueuedFrame): LargeWrite | undefined {
    // A rotation that was asked for before is not held up.
    if (entry.number >= (this.#rotations.last ?? Infinity)) return undefined;
    if (!this.#sealed.has(entry)) return undefined;
    if (!this.#segments.next) {
      this.#prepare();
      return undefined;
    }
    const large = new LargeWrite({
      ...this.#options,
      bytes: entry.frame.bytes,
      segment: this.#segments.takeNext(),
      pieceBytes: this.#pieceBytes,
      copyBuffer: this.#copyBuffer,
    });
    large.start(() => this.#wake());
    return large;
  }

  async #storeLarge(large: LargeWrite, { frame: { bytes } }: QueuedFrame): Promise<void> {
    if (large.failure === undefined) await large.finish();
    if (large.failure) return await this.#giveUp(large.failure);
    this.#large = undefined;
    const { segment } = large;
    const offset = segment.length;
    this.#turnTo(segment);
    this.#commit(segment, { bytes: bytes.length, frames: 1 });
    this.#queue.placeLarge(segment.number, offset);
  }

  #commit(segment: SegmentWriter, { bytes, frames }: { bytes: number; frames: number }): void {
    const { metrics } = this.#options;
    metrics.counter("weir_journal_frames_total").inc(frames);
    metrics.counter("weir_journal_bytes_total").inc(bytes);
    this.#health.noteRoom(this.currentSegment);
    segment.commit(bytes);
    this.#bytesSinceRotate += bytes;
  }

  async #giveUp(failure: StepFailure): Promise<void> {
    const beside = await this.#large?.stop();
    const final = [failure, beside].find((each) => each !== undefined && !canPass(each));
    await (final ? this.#fail(final.step, final.error) : this.#giveBack(failure.error));
  }

  /** The disk is full: what was written is cut off, and everything enqueued is given back. */
  async #giveBack(error: unknown): Promise<void> {
    try {
      await this.#rollback(true);
    } catch (rollbackError) {
      return await this.#fail("truncate", rollbackError);
    }
    this.#health.noteFull(this.currentSegment, error);
    this.#queue.release(storageError("store the rows", error));
  }

  async #fail(step: string, error: unknown): Promise<void> {
    this.#health.noteFailure(this.currentSegment, { step, error });
    // The clients hear that the frames were not stored, so they should not be found at the next start. More than try
    // nobody can: the disk is not to be trusted any longer.
    await this.#rollback(false).catch(() => undefined);
    this.#queue.release(this.#health.failure);
    this.#rotations.reject(this.#health.failure);
  }

  /** Cuts off what was written and not stored; with `sync`, so that it cannot come back. */
  async #rollback(sync: boolean): Promise<void> {
    const large = this.#large;
    await large?.stop();
    this.#large = undefined;
    try {
      if (this.#queue.hasGroup) await this.#segments.current.rollback(sync);
    } finally {
      await large?.segment.rollback(sync).finally(() => this.#segments.abandon(large.segment));
    }
  }

  /** Between two groups: goes over to the next segment when that is due, and has it made when it is wanted. */
  #turnOver(): void {
    if (this.state === "failed") return;
    const { current, next } = this.#segments;
    const isFull = current.length >= this.#turnAt;
    const asked = this.#rotations.first;
    if (!isFull && asked === undefined) return;
    if (!next) return this.#prepare();
    // The places of small frames are below that of the large one, which has taken its segment already.
    if (this.#large) return;
    const { oldest } = this.#queue;
    if (!isFull && asked! > oldest) return;
    this.#turnTo(this.#segments.takeNext());
    if (asked !== undefined) this.#health.noteRoom(this.currentSegment);
    // Those that still wait want another segment.
    if (this.#rotations.resolve(oldest, this.currentSegment)) this.#bytesSinceRotate = 0;
  }

  #turnTo(segment: SegmentWriter): void {
    this.#segments.turnTo(segment, (error) => this.#noteBroken("fdatasync", error));
    this.#turnAt = this.#options.segmentBytes;
  }

  #prepare(): void {
    this.#preparing ??= this.#makeNext().finally(() => {
      this.#preparing = undefined;
      this.#wake();
    });
  }

  async #makeNext(): Promise<void> {
    try {
      faultPoint("journal.rotate");
      await this.#segments.prepare();
    } catch (error) {
      const failure = error instanceof WeirError ? error : storageError("begin a segment", error);
      if (failure.code === "journal_failed") return this.#noteBroken("new segment", failure.cause);
      this.#health.noteNoSegment(this.currentSegment, failure);
      this.#turnAt = this.#segments.current.length + this.#options.segmentBytes;
      this.#rotations.reject(failure);
      const entry = this.#queue.large;
      if (entry && !this.#large && this.#sealed.has(entry)) this.#queue.keepWithOrdinary();
    }
  }

  #refusalOf(bytes: Uint8Array): WeirError | undefined {
    if (this.#closing) return closedError();
    return this.state === "failed" ? this.#health.failure : frameRefusal(bytes);
  }
}

function closedError(): WeirError {
  return new WeirError("draining", "Cannot store the rows: the journal is closed");
}
