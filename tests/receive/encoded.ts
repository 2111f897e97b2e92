/**
 * Bytes for tests of content codings.
 * @module
 */

import {
  brotliCompressSync,
  constants,
  createGzip,
  deflateSync,
  gzipSync,
  zstdCompressSync,
} from "node:zlib";

/** Codings that bodies may have, and how to make them. */
export const encoders: Record<string, (bytes: Uint8Array) => Uint8Array> = {
  gzip: (bytes) => gzipSync(bytes),
  deflate: (bytes) => deflateSync(bytes),
  br: (bytes) => brotliCompressSync(bytes, { params: { [constants.BROTLI_PARAM_QUALITY]: 5 } }),
  zstd: (bytes) => zstdFrame(bytes, { checksum: true }),
};

/** Bytes that look random, the same ones in every run. */
export function randomBytes(size: number, seed = 7400): Uint8Array {
  let state = seed;
  return Uint8Array.from({ length: size }, () => {
    state = Math.imul(state, 1_664_525) + 1_013_904_223 | 0;
    return state >>> 24;
  });
}

/** All of them, one after the other. */
export function joined(pieces: readonly Uint8Array[]): Uint8Array<ArrayBuffer> {
  const all = new Uint8Array(pieces.reduce((size, piece) => size + piece.length, 0));
  let at = 0;
  for (const piece of pieces) {
    all.set(piece, at);
    at += piece.length;
  }
  return all;
}

/** `"28b5 2ffd"` as bytes. */
export function hexBytes(hex: string): Uint8Array {
  return Uint8Array.from(hex.replaceAll(" ", "").match(/../g) ?? [], (pair) => parseInt(pair, 16));
}

/** One zstd frame; the runtime may add an empty one, which is cut off here. */
export function zstdFrame(bytes: Uint8Array, options: { checksum?: boolean } = {}): Uint8Array {
  const params = { [constants.ZSTD_c_checksumFlag]: options.checksum ? 1 : 0 };
  const frames = zstdCompressSync(bytes, { params });
  const emptyFrame = hexBytes("28b52ffd 00 58 010000");
  const tail = frames.subarray(-emptyFrame.length);
  const hasEmpty = frames.length > 2 * emptyFrame.length && tail.every((byte, i) => byte === emptyFrame[i]);
  const withChecksum = hexBytes("28b52ffd 04 58 010000 99e9d851");
  const longTail = frames.subarray(-withChecksum.length);
  const hasEmptyWithChecksum = frames.length > 2 * withChecksum.length &&
    longTail.every((byte, i) => byte === withChecksum[i]);
  if (hasEmptyWithChecksum) return frames.subarray(0, -withChecksum.length);
  return hasEmpty ? frames.subarray(0, -emptyFrame.length) : frames;
}

/** A zstd frame that decoders skip, with so many bytes in it. */
export function skippable(size: number): Uint8Array {
  const frame = new Uint8Array(8 + size).fill(0x28);
  const view = new DataView(frame.buffer);
  view.setUint32(0, 0x184d2a57, true);
  view.setUint32(4, size, true);
  return frame;
}

/** A zstd frame of `blocks` times 128 KiB of one byte, 4 bytes each. */
export function zstdBomb(blocks: number): Uint8Array {
  const frame = new Uint8Array(6 + 4 * blocks);
  frame.set(hexBytes("28b52ffd 00 38"));
  for (let i = 0; i < blocks; i++) {
    const header = 131_072 << 3 | 1 << 1 | (i === blocks - 1 ? 1 : 0);
    frame.set([header & 255, header >>> 8 & 255, header >>> 16, 0x20], 6 + 4 * i);
  }
  return frame;
}

/** Spaces, `mebibytes` of them, as gzip. */
export async function gzipBomb(mebibytes: number): Promise<Uint8Array> {
  const stream = createGzip();
  const pieces: Uint8Array[] = [];
  stream.on("data", (piece: Uint8Array) => pieces.push(piece));
  const ended = new Promise((resolve) => stream.on("end", resolve));
  const spaces = new Uint8Array(1024 * 1024).fill(0x20);
  for (let i = 0; i < mebibytes; i++) {
    await new Promise<void>((resolve) => stream.write(spaces, () => resolve()));
  }
  stream.end();
  await ended;
  return joined(pieces);
}
