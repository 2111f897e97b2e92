/**
 * Reads a stretch of a part where waiting is no matter: in the flush worker.
 * @module
 */

import { maxStoredBytes, readMember } from "./members.ts";
import type { Stretch } from "./stored_bytes.ts";

/** Bytes read at once where nothing is compressed. */
const pieceBytes = 256 * 1024;

/**
 * The bytes of a stretch, decompressed, in pieces that are valid until the next one.
 * @throws what the disk says; Error when a member is damaged
 */
export function* readStretchSync(stretch: Stretch): Generator<Uint8Array, void, undefined> {
  const { path, compression, offset, length } = stretch;
  using file = Deno.openSync(path);
  file.seekSync(offset, Deno.SeekMode.Start);
  const buffer = new Uint8Array(Math.min(length, compression === "none" ? pieceBytes : maxStoredBytes));
  let held = 0, left = length;
  for (;;) {
    const size = fill(file, buffer.subarray(held, Math.min(buffer.length, held + left)));
    left -= size;
    held += size;
    if (held === 0) return;
    if (compression === "none") {
      yield buffer.subarray(0, held);
      held = 0;
      continue;
    }
    const { data, storedBytes } = readMember(compression, buffer.subarray(0, held));
    yield data;
    buffer.copyWithin(0, storedBytes, held);
    held -= storedBytes;
  }
}

function fill(file: Deno.FsFile, buffer: Uint8Array): number {
  let done = 0;
  while (done < buffer.length) {
    const read = file.readSync(buffer.subarray(done));
    if (read === null) break;
    done += read;
  }
  return done;
}
