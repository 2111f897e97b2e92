/**
 * Compressed parts consist of members: gzip members (RFC 1952) or zstd frames (RFC 8878) that each hold at most
 * 1 MiB and can be decompressed by themselves. Joined they are one legal file, and a reader that knows where a
 * member begins need not decompress what stands before it.
 * @module
 */

import { constants, crc32, gzipSync, inflateRawSync, zstdCompressSync, zstdDecompressSync } from "node:zlib";
import type { Compression } from "./layout.ts";

/** Most bytes that a member holds, before compression. */
export const memberBytes = 1024 * 1024;
/** Most bytes that a member takes in the file: what cannot be compressed grows by less than 1%. */
export const maxStoredBytes = memberBytes + 64 * 1024;

const gzipHeaderBytes = 10;
const gzipTrailerBytes = 8;
const zstdMagic = 0xfd2fb528;
const zstdLeastBytes = 9;

/** One member, read. */
export interface Member {
  readonly data: Uint8Array;
  /** Bytes it took in the file. */
  readonly storedBytes: number;
}

/** Compresses at most {@link memberBytes} into one member. */
export function compressMember(compression: Exclude<Compression, "none">, data: Uint8Array): Uint8Array {
  if (compression === "gzip") return gzipSync(data);
  const frame = zstdCompressSync(data, { params: { [constants.ZSTD_c_checksumFlag]: 1 } });
  // Where its buffers happen to be full at the end, the runtime adds a frame that holds nothing.
  return frame.subarray(0, zstdFrameBytes(frame));
}

/**
 * Reads the member that `bytes` begins with; what follows it is ignored.
 * @throws Error when there is no whole, undamaged member
 */
export function readMember(compression: Exclude<Compression, "none">, bytes: Uint8Array): Member {
  return compression === "gzip" ? readGzipMember(bytes) : readZstdFrame(bytes);
}

function readGzipMember(bytes: Uint8Array): Member {
  // gunzip would go on into the next member, so header and trailer are looked at here.
  if (bytes[0] !== 0x1f || bytes[1] !== 0x8b || bytes[2] !== 8 || bytes[3] !== 0) {
    throw new Error("Cannot read a part: a gzip member does not begin where it should");
  }
  const { buffer, engine } = withInfo(inflateRawSync(bytes.subarray(gzipHeaderBytes), infoOptions));
  const trailerAt = gzipHeaderBytes + engine.bytesWritten;
  const storedBytes = trailerAt + gzipTrailerBytes;
  if (storedBytes > bytes.length) throw new Error("Cannot read a part: a gzip member is cut off");
  const trailer = new DataView(bytes.buffer, bytes.byteOffset + trailerAt, gzipTrailerBytes);
  if (trailer.getUint32(0, true) !== crc32(buffer) || trailer.getUint32(4, true) !== buffer.length) {
    throw new Error("Cannot read a part: a gzip member's checksum is wrong");
  }
  return { data: buffer, storedBytes };
}

/** zstdDecompress goes on into the next frame or not, as it happens, so it gets one frame alone. */
function readZstdFrame(bytes: Uint8Array): Member {
  const storedBytes = zstdFrameBytes(bytes);
  return {
    data: zstdDecompressSync(bytes.subarray(0, storedBytes), { maxOutputLength: memberBytes }),
    storedBytes,
  };
}

/** Length of the zstd frame that `bytes` begins with (RFC 8878, section 3.1.1). */
function zstdFrameBytes(bytes: Uint8Array): number {
  const view = new DataView(bytes.buffer, bytes.byteOffset, bytes.byteLength);
  if (bytes.length < zstdLeastBytes || view.getUint32(0, true) !== zstdMagic) {
    throw new Error("Cannot read a part: a zstd frame does not begin where it should");
  }
  const descriptor = bytes[4];
  const isSingleSegment = (descriptor & 0x20) !== 0;
  const contentSizeBytes = [isSingleSegment ? 1 : 0, 2, 4, 8][descriptor >>> 6];
  const dictionaryIdBytes = [0, 1, 2, 4][descriptor & 3];
  let at = 5 + (isSingleSegment ? 0 : 1) + dictionaryIdBytes + contentSizeBytes;
  for (let isLast = false; !isLast;) {
    if (at + 3 > bytes.length) throw new Error("Cannot read a part: a zstd frame is cut off");
    const header = bytes[at] | bytes[at + 1] << 8 | bytes[at + 2] << 16;
    isLast = (header & 1) === 1;
    const isRepeatedByte = (header >>> 1 & 3) === 1;
    at += 3 + (isRepeatedByte ? 1 : header >>> 3);
  }
  at += (descriptor & 4) === 0 ? 0 : 4;
  if (at > bytes.length) throw new Error("Cannot read a part: a zstd frame is cut off");
  return at;
}

const infoOptions = { info: true, maxOutputLength: memberBytes };

/** With `info`, node:zlib also says how many bytes it took; its types do not know. */
function withInfo(result: unknown): { buffer: Uint8Array; engine: { bytesWritten: number } } {
  return result as { buffer: Uint8Array; engine: { bytesWritten: number } };
}
