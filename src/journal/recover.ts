/**
 * Reads the journal back at start: every stored frame in order, whatever else the segments hold.
 * @module
 */

import { basename, join } from "node:path";
import { faultPoint } from "../base/faults.ts";
import type { Log } from "../base/log.ts";
import type { Metrics } from "../base/metrics.ts";
import { frameHeaderBytes } from "../base/record.ts";
import { makeDirectory, syncDirectory } from "./files.ts";
import { quarantineName, setAside } from "./quarantine.ts";
import { type Gap, readPieces } from "./resync.ts";
import {
  framesIn,
  type JournalPosition,
  largeFrameBytes,
  listSegments,
  magic,
  segmentPath,
} from "./segment.ts";
import { SegmentReader } from "./segment_reader.ts";
import { storageError } from "./segment_writer.ts";

/** How {@link recoverJournal} reads. */
export interface RecoverOptions {
  readonly dir: string;
  /** Where damaged pieces are copied to. */
  readonly quarantineDir: string;
  /** As the journal was written with. @default largeFrameBytes of segment.ts */
  readonly largeFrameBytes?: number;
  /** Segments below this one are listed, but not read: the catalog has what they hold. @default 1 */
  readonly fromSegment?: number;
  readonly log: Log;
  readonly metrics: Metrics;
  /**
   * Takes one frame; `payload` is valid until it returns, or until its promise settles. With a {@link FrameRefusal}
   * the frame counts as damage; whatever else it throws, ends all.
   */
  onFrame(at: JournalPosition, payload: Uint8Array): void | Promise<void>;
}

/** Bytes that were cut off. */
export interface TornTail {
  readonly segment: number;
  readonly at: number;
  readonly bytes: number;
}

/** What {@link recoverJournal} found. */
export interface Recovered {
  /** Numbers of all segments on disk, ascending. */
  readonly segments: number[];
  /** A number greater than all of them. */
  readonly nextSegment: number;
  /** The tail that was cut off the current segment of then. */
  readonly truncated?: TornTail;
  /** The beginning of a large frame that was cut off the segment made for it. */
  readonly truncatedLarge?: TornTail;
  /** Pieces set aside by this call. */
  readonly quarantined: number;
}

/** A frame that is whole, and still cannot be read: its lines are none of ours, or of a later version. */
export class FrameRefusal extends Error {
  override readonly name = "FrameRefusal";
}

interface Findings {
  records: number;
  quarantined: number;
  truncated?: TornTail;
  truncatedLarge?: TornTail;
  /** What `onFrame` threw; it is passed on as it is. */
  failure?: { readonly error: unknown };
}

/**
 * Hands every whole frame to `onFrame`, in the order of the appends; all of them are durable when this resolves,
 * also those that nobody had acknowledged. What is no frame is dealt with in one of three ways, see docs/journal.md:
 *
 * - A segment no longer than its magic line holds nothing; the daemon stopped while it was made.
 * - What stands behind the last frame of the last segment is a write that was cut off: it is cut off. A copy is set
 *   aside first when it does not look like one. Where this is the beginning of a large frame, and of nothing else, the
 *   segment before it took frames meanwhile, and its tail is dealt with in the same way.
 * - Anything else is damage, and so is a frame that `onFrame` refuses: a copy is set aside, the segment stays as it is.
 *
 * @throws WeirError `journal_failed`, `storage_full` or `overloaded` when a segment cannot be read or a piece cannot
 * be set aside; and whatever `onFrame` throws
 */
export async function recoverJournal(options: RecoverOptions): Promise<Recovered> {
  const findings: Findings = { records: 0, quarantined: 0 };
  try {
    return await readSegments(options, findings);
  } catch (error) {
    if (findings.failure) throw findings.failure.error;
    throw storageError("read the journal back", error);
  }
}

async function readSegments(options: RecoverOptions, findings: Findings): Promise<Recovered> {
  const { dir, log, fromSegment = 1 } = options;
  await makeDirectory(dir);
  const { segments, foreign } = await listSegments(dir);
  for (const name of foreign) {
    log.warn("A file in the journal's directory is none of its segments", {
      file: join(basename(dir), name),
    });
  }
  const written = await lastWritten(options, segments);
  for (const segment of segments) {
    if (segment < fromSegment) continue;
    await readSegment(options, { segment, written }, findings);
    await syncSegment(segmentPath(dir, segment));
  }
  await syncDirectory(dir);
  options.metrics.counter("weir_recovered_records_total").inc(findings.records);
  faultPoint("recover.done");
  const { records: _, ...found } = findings;
  return { segments, nextSegment: (segments.at(-1) ?? 0) + 1, ...found };
}

async function readSegment(
  options: RecoverOptions,
  { segment, written }: { segment: number; written: Written },
  findings: Findings,
): Promise<void> {
  const path = segmentPath(options.dir, segment);
  const isLarge = segment === written.large;
  const isTearable = isLarge || segment === written.current;
  let tail: Gap | undefined;
  for await (const piece of readPieces(path)) {
    if ("frame" in piece) {
      const { offset, payload } = piece.frame;
      const reason = await takeFrame(options, { at: { segment, offset }, payload }, findings);
      if (reason !== undefined) {
        const gap = { from: offset - frameHeaderBytes, to: offset + payload.length, reason };
        await quarantine(options, { ...gap, path, segment }, findings);
      }
      faultPoint("recover.frame");
    } else if (piece.gap.from === 0 && piece.gap.atEnd && piece.gap.to <= magic.length) {
      options.log.info("A journal segment was never begun", { segment, bytes: piece.gap.to });
    } else if (isTearable && piece.gap.atEnd) tail = piece.gap;
    else await quarantine(options, { ...piece.gap, path, segment }, findings);
  }
  if (!tail) return;
  const cut = await cutTail(options, { ...tail, path, segment }, findings);
  if (isLarge) findings.truncatedLarge = cut;
  else findings.truncated = cut;
}

/** @returns why the frame cannot be read; undefined when it was taken */
async function takeFrame(
  options: RecoverOptions,
  { at, payload }: { at: JournalPosition; payload: Uint8Array },
  findings: Findings,
): Promise<string | undefined> {
  try {
    const taken = options.onFrame(at, payload);
    if (taken) await taken;
  } catch (error) {
    if (error instanceof FrameRefusal) return error.message;
    findings.failure = { error };
    throw error;
  }
  findings.records += countLines(payload);
  return undefined;
}

type Found = Pick<Gap, "from" | "to" | "reason"> & { readonly path: string; readonly segment: number };

async function cutTail(
  options: RecoverOptions,
  found: Found & Gap,
  findings: Findings,
): Promise<TornTail> {
  const { path, segment, from, to, end, reason } = found;
  // The copy is durable before the original is gone.
  if (end === "damaged") await quarantine(options, found, findings);
  using file = await Deno.open(path, { write: true });
  await file.truncate(from);
  await file.sync();
  options.log.warn("The journal's torn tail is cut off", { segment, offset: from, bytes: to - from, reason });
  return { segment, at: from, bytes: to - from };
}

async function quarantine(options: RecoverOptions, found: Found, findings: Findings): Promise<void> {
  const { segment, from, to, reason } = found;
  if (!await setAside(options.quarantineDir, found)) return;
  findings.quarantined++;
  options.metrics.counter("weir_quarantined_total").inc();
  const file = join(basename(options.quarantineDir), quarantineName(found));
  options.log.error("A damaged piece of the journal is set aside", {
    segment,
    offset: from,
    bytes: to - from,
    reason,
    file,
  });
}

/** The segments that were being written when the journal ended. */
interface Written {
  /** Holds the beginning of a large frame and nothing else. */
  readonly large?: number;
  readonly current?: number;
}

/** Only their ends can be torn: those behind them were begun and hold nothing. */
async function lastWritten(options: RecoverOptions, segments: readonly number[]): Promise<Written> {
  const { dir } = options;
  const [last, before] = await lastWithFrames(dir, segments);
  if (last === undefined || !await isLargeBegun(segmentPath(dir, last), options)) return { current: last };
  return { large: last, current: before };
}

/** The last two segments that hold more than their magic line, the last one first. */
async function lastWithFrames(dir: string, segments: readonly number[]): Promise<number[]> {
  const found: number[] = [];
  for (const segment of segments.toReversed()) {
    using reader = await SegmentReader.open(segmentPath(dir, segment));
    if (reader.size > magic.length) found.push(segment);
    if (found.length === 2) break;
  }
  return found;
}

/** Is there the beginning of a large frame behind the magic line? A header that is cut off may be one's. */
async function isLargeBegun(path: string, options: RecoverOptions): Promise<boolean> {
  using reader = await SegmentReader.open(path);
  const frames = framesIn(reader);
  const { done, value } = await frames.next();
  if (!done || value.end !== "torn" || value.at !== magic.length) return false;
  if (reader.size < magic.length + frameHeaderBytes) return true;
  const header = await reader.bytes(magic.length, frameHeaderBytes);
  const payloadBytes = new DataView(header.buffer, header.byteOffset).getUint32(0, true);
  return payloadBytes + frameHeaderBytes >= (options.largeFrameBytes ?? largeFrameBytes);
}

/**
 * A frame whose sync was interrupted may be read back and then relied upon, while it is only in the kernel's memory:
 * after this it is on the disk.
 */
async function syncSegment(path: string): Promise<void> {
  using file = await Deno.open(path);
  await file.sync();
}

function countLines(payload: Uint8Array): number {
  let lines = 0;
  for (let at = payload.indexOf(0x0a); at >= 0; at = payload.indexOf(0x0a, at + 1)) lines++;
  return lines;
}
