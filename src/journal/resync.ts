/**
 * Reads a segment past its damaged places.
 * @module
 */

import { frameHeaderBytes } from "../base/record.ts";
import { checkFrame, framesIn, maxPayloadBytes, type StoredFrame } from "./segment.ts";
import { pieceBytes, SegmentReader } from "./segment_reader.ts";

/** Bytes of a segment that belong to no frame. */
export interface Gap {
  readonly from: number;
  /** End, exclusive: where the next frame's header begins, or the size of the file. */
  readonly to: number;
  /** Is this the end of the file, with nothing whole behind it? */
  readonly atEnd: boolean;
  /** `torn`: as a write that was cut off would leave it; `damaged`: otherwise. */
  readonly end: "torn" | "damaged";
  readonly reason: string;
}

/** What a segment consists of, in order. */
export type Piece = { readonly frame: StoredFrame } | { readonly gap: Gap };

const openBrace = 0x7b;
const lineBreak = 0x0a;
const highestLengthByte = maxPayloadBytes >>> 24;
/** The least payload: `{}` and a line break. */
const leastPayloadBytes = 3;

/** Every frame of the segment, and between them the places where there is none. */
export async function* readPieces(path: string): AsyncGenerator<Piece, void, undefined> {
  using reader = await SegmentReader.open(path);
  let from: number | undefined;
  for (;;) {
    const frames = framesIn(reader, from);
    let step = await frames.next();
    for (; !step.done; step = await frames.next()) yield { frame: step.value };
    const { end, at, reason } = step.value;
    if (end === "clean") return;
    from = await findFrame(reader, at);
    yield { gap: { from: at, to: from ?? reader.size, atEnd: from === undefined, end, reason } };
    if (from === undefined) return;
  }
}

/**
 * The offset of the first whole frame at or behind `from`: a length that fits, a payload that begins with `{` and
 * ends with a line break, and the right CRC-32. Goes byte by byte, because a damaged length says nothing.
 */
export async function findFrame(reader: SegmentReader, from: number): Promise<number | undefined> {
  const last = reader.size - frameHeaderBytes - leastPayloadBytes;
  for (let at = from; at <= last;) {
    const span = Math.min(pieceBytes, reader.size - at);
    const candidate = firstCandidate(await reader.bytes(at, span));
    if (candidate === undefined) {
      at += span - frameHeaderBytes;
      continue;
    }
    if (await isFrame(reader, at + candidate)) return at + candidate;
    at += candidate + 1;
  }
  return undefined;
}

/** First place in these bytes where a frame may begin, judging by the two bytes that cost least to look at. */
function firstCandidate(bytes: Uint8Array): number | undefined {
  for (let i = bytes.indexOf(openBrace, frameHeaderBytes); i >= 0; i = bytes.indexOf(openBrace, i + 1)) {
    if (bytes[i - frameHeaderBytes + 3] <= highestLengthByte) return i - frameHeaderBytes;
  }
  return undefined;
}

async function isFrame(reader: SegmentReader, at: number): Promise<boolean> {
  const header = await reader.bytes(at, frameHeaderBytes);
  const length = new DataView(header.buffer, header.byteOffset).getUint32(0, true);
  const end = at + frameHeaderBytes + length;
  if (length < leastPayloadBytes || length > maxPayloadBytes || end > reader.size) return false;
  if ((await reader.bytes(end - 1, 1))[0] !== lineBreak) return false;
  return typeof await checkFrame(reader, at) === "number";
}
