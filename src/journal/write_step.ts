/**
 * One write and its sync, which is what the journal's writer does at a time.
 * @module
 */

import type { Clock } from "../base/clock.ts";
import { faultDelay, faultPoint } from "../base/faults.ts";
import type { Metrics } from "../base/metrics.ts";
import { isDiskFull } from "./files.ts";
import type { CopyBuffer, SegmentWriter } from "./segment_writer.ts";

/** What is written. */
export interface WriteStep {
  readonly frames: readonly Uint8Array[];
  readonly segment: SegmentWriter;
  readonly faults: (typeof stepFaults)[keyof typeof stepFaults];
}

/** With what it is written. */
export interface StepOptions {
  readonly durability: "fsync" | "write";
  readonly clock: Clock;
  readonly metrics: Metrics;
}

/** What went wrong. */
export interface StepFailure {
  readonly step: "write" | "fdatasync";
  readonly error: unknown;
}

/** Where tests plan faults: of a group of small frames, and of a piece of a large one. */
export const stepFaults = {
  group: { write: "journal.write", written: "journal.written", fsync: "journal.fsync" },
  piece: { write: "journal.piece", written: "journal.piece_written", fsync: "journal.piece_fsync" },
} as const;

/** Writes and, with durability `fsync`, syncs. Never throws: returns what went wrong. */
export async function writeStep(
  { frames, segment, faults }: WriteStep,
  copyBuffer: CopyBuffer,
  { clock, durability, metrics }: StepOptions,
): Promise<StepFailure | undefined> {
  const began = clock.monotonic();
  const delay = faultDelay(faults.write);
  if (delay) await delay;
  try {
    faultPoint(faults.write);
    await segment.write(frames, copyBuffer);
    faultPoint(faults.written);
  } catch (error) {
    return { step: "write", error };
  }
  if (durability === "fsync") {
    try {
      faultPoint(faults.fsync);
      await segment.syncData();
    } catch (error) {
      return { step: "fdatasync", error };
    }
    metrics.counter("weir_journal_syncs_total").inc();
  }
  metrics.histogram("weir_journal_sync_seconds").observe((clock.monotonic() - began) / 1000);
  return undefined;
}

/** Can the journal go on after it? A full disk can get room; a failed sync is final, also for want of room. */
export function canPass({ step, error }: StepFailure): boolean {
  return step === "write" && isDiskFull(error);
}
