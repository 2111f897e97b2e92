/**
 * The format of a journal segment, told in docs/journal.md: a magic line, then frames of length, CRC-32 and payload.
 * @module
 */

import { join } from "node:path";
import { setImmediate } from "node:timers";
import { crc32 } from "node:zlib";
import { WeirError } from "../base/errors.ts";
import { frameHeaderBytes } from "../base/record.ts";
import { SegmentReader } from "./segment_reader.ts";

/** The first line of every segment; its number is the format's version. */
export const magic: Uint8Array = new TextEncoder().encode("weir journal 1\n");

/**
 * Most bytes of a payload, 128 MiB. With it the fourth byte of every length is at most 8, a byte that JSON text
 * never holds: so no row, whatever a client puts in it, can be taken for a frame when a damaged segment is searched.
 */
export const maxPayloadBytes = 128 * 1024 * 1024;

/**
 * Frames from this size on, header included, get a segment of their own, and while one is written, small ones go on
 * into the segment before: so a crash may leave the ends of two segments torn.
 */
export const largeFrameBytes = 2 * 1024 * 1024;

const openBrace = 0x7b;
const lineBreak = 0x0a;
/** Bytes whose CRC-32 is computed without a pause: 0.2 ms. */
const sealedAtOnceBytes = 1024 * 1024;

/** Where a payload lies. */
export interface JournalPosition {
  /** Number of the segment. */
  readonly segment: number;
  /** Offset of the payload's first byte in the segment file. */
  readonly offset: number;
}

/** Does `a` stand before `b`? */
export function isBefore(a: JournalPosition, b: JournalPosition): boolean {
  return a.segment < b.segment || (a.segment === b.segment && a.offset < b.offset);
}

/** A frame read back. */
export interface StoredFrame {
  /** Offset of the payload's first byte in the segment file. */
  readonly offset: number;
  /** Whole record lines. Valid until the next frame is asked for. */
  readonly payload: Uint8Array;
}

/** How reading ended. */
export interface Verdict {
  /**
   * - `clean`: at the end of the file, right behind a frame.
   * - `torn`: the file ends inside the magic line or inside a frame.
   * - `damaged`: what stands there is neither a magic line nor a frame.
   */
  readonly end: "clean" | "torn" | "damaged";
  /** Offset of the first byte that was not read as part of a frame. */
  readonly at: number;
  /** Why, in words. */
  readonly reason: string;
}

/** The file of a segment. @throws RangeError when `segment` is no whole number from 1 on */
export function segmentPath(dir: string, segment: number): string {
  if (!Number.isSafeInteger(segment) || segment < 1) {
    throw new RangeError(`Cannot name a segment: its number must be 1 or more: current value is ${segment}`);
  }
  return join(dir, `${String(segment).padStart(16, "0")}.wal`);
}

/** The number of a segment from the name of its file; undefined when the name is not a segment's. */
export function segmentOf(name: string): number | undefined {
  const number = /^\d{16}\.wal$/.test(name) ? Number(name.slice(0, 16)) : 0;
  return Number.isSafeInteger(number) && number > 0 ? number : undefined;
}

/** Why these bytes, header room and payload, cannot be a frame; undefined when they can. */
export function frameRefusal(bytes: Uint8Array): WeirError | undefined {
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

/** Fills in the header in front of a payload: `frame` is header room and payload together. */
export function sealFrame(frame: Uint8Array): void {
  writeHeader(frame, crc32(frame.subarray(frameHeaderBytes)));
}

/** As {@link sealFrame}, with turns for others in between; ends early when `isWanted` says no after one of them. */
export async function sealFrameInPieces(frame: Uint8Array, isWanted: () => boolean): Promise<void> {
  let crc = 0;
  for (let at = frameHeaderBytes; at < frame.length; at += sealedAtOnceBytes) {
    crc = crc32(frame.subarray(at, at + sealedAtOnceBytes), crc);
    await new Promise<void>((resolve) => setImmediate(resolve));
    if (!isWanted()) return;
  }
  writeHeader(frame, crc);
}

function writeHeader(frame: Uint8Array, crc: number): void {
  const header = new DataView(frame.buffer, frame.byteOffset, frameHeaderBytes);
  header.setUint32(0, frame.length - frameHeaderBytes, true);
  header.setUint32(4, crc, true);
}

/** The segments in a directory, ascending, and the names of other files there. */
export async function listSegments(dir: string): Promise<{ segments: number[]; foreign: string[] }> {
  const segments: number[] = [];
  const foreign: string[] = [];
  for await (const entry of Deno.readDir(dir)) {
    const segment = entry.isFile ? segmentOf(entry.name) : undefined;
    if (segment === undefined) foreign.push(entry.name);
    else segments.push(segment);
  }
  return { segments: segments.sort((a, b) => a - b), foreign: foreign.sort() };
}

/**
 * The frames of a segment, up to the first place where none begins; returns the verdict on that place.
 * Holds one piece of the file in memory, or one frame where that is larger.
 *
 * @throws Deno.errors.NotFound and the like when the file cannot be read
 */
export async function* readFrames(path: string): AsyncGenerator<StoredFrame, Verdict, undefined> {
  using reader = await SegmentReader.open(path);
  return yield* framesIn(reader);
}

/**
 * As {@link readFrames}, of an open segment.
 *
 * @param from Offset of a frame's header to begin at. @default the magic line, which is checked
 */
export async function* framesIn(
  reader: SegmentReader,
  from?: number,
): AsyncGenerator<StoredFrame, Verdict, undefined> {
  if (from === undefined) {
    const verdict = await checkMagic(reader);
    if (verdict) return verdict;
  }
  let at = from ?? magic.length;
  while (at < reader.size) {
    const length = await checkFrame(reader, at);
    if (typeof length !== "number") return length;
    const offset = at + frameHeaderBytes;
    yield { offset, payload: await reader.bytes(offset, length) };
    at = offset + length;
  }
  return { end: "clean", at, reason: "the segment ends behind a frame" };
}

/** Undefined when the segment begins as it must. */
async function checkMagic(reader: SegmentReader): Promise<Verdict | undefined> {
  const found = await reader.bytes(0, Math.min(magic.length, reader.size));
  if (!found.every((byte, i) => byte === magic[i])) {
    return { end: "damaged", at: 0, reason: "the first line is not that of a segment" };
  }
  if (found.length === magic.length) return undefined;
  return { end: "torn", at: 0, reason: "the segment ends inside its first line" };
}

/** The length of the payload when a whole frame with the right CRC-32 begins at `at`; else what is wrong there. */
export async function checkFrame(reader: SegmentReader, at: number): Promise<number | Verdict> {
  const rest = reader.size - at - frameHeaderBytes;
  if (rest < 0) return { end: "torn", at, reason: "the segment ends inside a frame's header" };
  const header = await reader.bytes(at, frameHeaderBytes);
  const view = new DataView(header.buffer, header.byteOffset, frameHeaderBytes);
  const length = view.getUint32(0, true);
  const crc = view.getUint32(4, true);
  if (length === 0 || length > maxPayloadBytes) {
    return { end: "damaged", at, reason: `a frame's length cannot be ${length}` };
  }
  if (length > rest) {
    // A write that was cut off leaves less than the payload; a payload that is whole has a wrong length in front.
    const whole = rest > 0 && await reader.crc(at + frameHeaderBytes, rest) === crc;
    if (whole) return { end: "damaged", at, reason: `a frame's length is ${length}, its payload ${rest}` };
    return { end: "torn", at, reason: `the segment ends inside a frame, after ${rest} of ${length} bytes` };
  }
  const found = await reader.crc(at + frameHeaderBytes, length);
  if (found === crc) return length;
  return { end: "damaged", at, reason: `a frame's CRC-32 is ${hex(found)}, its header says ${hex(crc)}` };
}

function hex(value: number): string {
  return value.toString(16).padStart(8, "0");
}
