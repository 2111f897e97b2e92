/**
 * Compressed parts consist of members: gzip members (RFC 1952) or zstd frames (RFC 8878) that each hold at most
 * 1 MiB and can be decompressed by themselves. Joined they are one legal file, and a reader that knows where a
 * member begins need not decompress what stands before it.
 * @module
 */

import { crc32, gzipSync, inflateRawSync, zstdCompressSync, zstdDecompressSync } from "node:zlib";
import { constants } from "node:zlib";
import type { Compression } from "./layout.ts";

/** Most bytes that a member holds, before compression. */
export const memberBytes = 1024 * 1024;
/** Most bytes that a member takes in the file: what cannot be compressed grows by less than 1%. */
export const maxStoredBytes = memberBytes + 64 * 1024;

const gzipHeaderBytes = 10;
const gzipTrailerBytes = 8;

/** One member, read. */
export interface Member {
  readonly data: Uint8Array;
  /** Bytes it took in the file. */
  readonly storedBytes: number;
}

/** Compresses at most {@link memberBytes} into one member. */
export function compressMember(compression: Exclude<Compression, "none">, data: Uint8Array): Uint8Array {
  if (compression === "gzip") return gzipSync(data);
  return zstdCompressSync(data, { params: { [constants.ZSTD_c_checksumFlag]: 1 } });
}

/**
 * Reads the member that `bytes` begins with; what follows it is ignored.
 * @throws Error when there is no whole, undamaged member
 */
export function readMember(compression: Exclude<Compression, "none">, bytes: Uint8Array): Member {
  if (compression === "gzip") return readGzipMember(bytes);
  const { buffer, engine } = withInfo(zstdDecompressSync(bytes, infoOptions));
  return { data: buffer, storedBytes: engine.bytesWritten };
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

const infoOptions = { info: true, maxOutputLength: memberBytes };

/** With `info`, node:zlib also says how many bytes it took; its types do not know. */
function withInfo(result: unknown): { buffer: Uint8Array; engine: { bytesWritten: number } } {
  return result as { buffer: Uint8Array; engine: { bytesWritten: number } };
}
