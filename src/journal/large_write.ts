/**
 * A large frame on its way into a segment of its own, piece by piece.
 * @module
 */

import { faultPoint } from "../base/faults.ts";
import type { CopyBuffer, SegmentWriter } from "./segment_writer.ts";
import { type StepFailure, stepFaults, type StepOptions, writeStep } from "./write_step.ts";

/** The last piece is short: small frames wait for it. */
const lastPieceBytes = 64 * 1024;

/** What {@link LargeWrite} writes, and how. */
export interface LargeWriteOptions extends StepOptions {
  /** A whole sealed frame. */
  readonly bytes: Uint8Array;
  /** Holds nothing. */
  readonly segment: SegmentWriter;
  /** Most bytes that are written and synced at once. */
  readonly pieceBytes: number;
  readonly copyBuffer: CopyBuffer;
}

/**
 * All but the last piece are written beside groups of small frames; the last one is not, so that the frame is never
 * whole on disk while another segment is written.
 */
export class LargeWrite {
  readonly #options: LargeWriteOptions;
  readonly #lastPieceAt: number;
  #written = 0;
  #isStopped = false;
  #running: Promise<void> | undefined;
  #failure: StepFailure | undefined;

  constructor(options: LargeWriteOptions) {
    const { bytes, pieceBytes } = options;
    this.#options = options;
    this.#lastPieceAt = Math.max(0, bytes.length - Math.min(pieceBytes, lastPieceBytes));
  }

  get segment(): SegmentWriter {
    return this.#options.segment;
  }

  /** Is nothing of it being written, and only the last piece, or nothing, left to do? */
  get isResting(): boolean {
    return this.#running === undefined;
  }

  /** What went wrong, if so; it goes no further then. */
  get failure(): StepFailure | undefined {
    return this.#failure;
  }

  /** Writes all but the last piece, then calls `onRest`. To be called once. */
  start(onRest: () => void): void {
    this.#running = this.#writeTo(this.#lastPieceAt).finally(() => {
      this.#running = undefined;
      onRest();
    });
  }

  /** Writes the last piece. Nothing else may be written meanwhile. */
  async finish(): Promise<void> {
    await this.#writeTo(this.#options.bytes.length);
    try {
      if (this.#failure === undefined) faultPoint("journal.piece_stored");
    } catch (error) {
      this.#failure = { step: "fdatasync", error };
    }
  }

  /** Lets it go no further; resolves, when nothing of it is being written, to what went wrong, if so. */
  async stop(): Promise<StepFailure | undefined> {
    this.#isStopped = true;
    await this.#running;
    return this.#failure;
  }

  async #writeTo(end: number): Promise<void> {
    const { bytes, segment, pieceBytes, copyBuffer } = this.#options;
    while (this.#written < end && !this.#isStopped && this.#failure === undefined) {
      const piece = bytes.subarray(this.#written, Math.min(end, this.#written + pieceBytes));
      this.#failure = await writeStep(
        { frames: [piece], segment, faults: stepFaults.piece },
        copyBuffer,
        this.#options,
      );
      this.#written += piece.length;
    }
  }
}
