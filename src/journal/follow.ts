/**
 * Follows a journal that a daemon writes, from another process: frame by frame, segment by segment.
 * @module
 */

import { frameHeaderBytes } from "../base/record.ts";
import { framesIn, listSegments, magic, segmentPath } from "./segment.ts";
import { SegmentReader } from "./segment_reader.ts";

/** How {@link followJournal} follows. */
export interface FollowOptions {
  /** Begin with what is there, or with what comes? @default with what comes */
  readonly fromStart?: boolean;
  /** Ends it. @default nothing does */
  readonly signal?: AbortSignal;
  /** Time between two looks at the end of the journal. @default 200 */
  readonly pollMs?: number;
}

/**
 * The payloads of frames as they are written; each is valid until the next. A frame may be seen before it is synced. Of
 * segments that come and are flushed away between two looks, nothing is seen.
 * @throws Deno.errors.NotFound when there is no journal
 */
export async function* followJournal(
  dir: string,
  { fromStart = false, signal, pollMs = 200 }: FollowOptions = {},
): AsyncGenerator<Uint8Array, void, undefined> {
  let { segments } = await listSegments(dir);
  let segment = fromStart ? segments[0] ?? 0 : segments.at(-1) ?? 0;
  let at: number | undefined;
  let isSkipping = !fromStart;
  while (!signal?.aborted) {
    ({ segments } = await listSegments(dir));
    // Looked at before the segment is read: once a later one has a whole frame, this one gets no other.
    const next = await nextWithFrame(dir, segments.filter((each) => each > segment));
    for await (const step of readFrom(dir, segment, at)) {
      if (typeof step === "number") at = step;
      else if (!isSkipping) yield step;
    }
    isSkipping = false;
    if (next === undefined) await pause(pollMs, signal);
    else [segment, at] = [next, undefined];
  }
}

/** The first of these segments that begins with a whole frame. One that was removed meanwhile did, as far as is known. */
async function nextWithFrame(dir: string, segments: readonly number[]): Promise<number | undefined> {
  for (const segment of segments) {
    try {
      using reader = await SegmentReader.open(segmentPath(dir, segment));
      if (await hasFrame(reader)) return segment;
    } catch (error) {
      if (!(error instanceof Deno.errors.NotFound)) throw error;
      return segment;
    }
  }
  return undefined;
}

/** Judges by the length: a large frame is written piece by piece, from its beginning on. */
async function hasFrame(reader: SegmentReader): Promise<boolean> {
  const start = magic.length + frameHeaderBytes;
  if (reader.size < start) return false;
  const header = await reader.bytes(magic.length, frameHeaderBytes);
  return reader.size >= start + new DataView(header.buffer, header.byteOffset).getUint32(0, true);
}

/** The frames from there on, and then where to go on. Nothing, when the segment is not there or not begun. */
async function* readFrom(
  dir: string,
  segment: number,
  from: number | undefined,
): AsyncGenerator<Uint8Array | number, void, undefined> {
  if (segment < 1) return;
  try {
    using reader = await SegmentReader.open(segmentPath(dir, segment));
    const frames = framesIn(reader, from);
    let step = await frames.next();
    for (; !step.done; step = await frames.next()) yield step.value.payload;
    // What is no frame yet may become one.
    if (step.value.at > 0) yield step.value.at;
  } catch (error) {
    if (!(error instanceof Deno.errors.NotFound)) throw error;
  }
}

/** Waits, but not beyond the end. */
function pause(ms: number, signal: AbortSignal | undefined): Promise<void> {
  return new Promise((resolve) => {
    const end = (): void => {
      clearTimeout(timer);
      signal?.removeEventListener("abort", end);
      resolve();
    };
    const timer = setTimeout(end, ms);
    signal?.addEventListener("abort", end);
  });
}
