/**
 * A segment's file that is longer than what is in it: a sync of bytes written over zeroes that are on the disk already
 * has no new length to store, which is two thirds of what a small one costs.
 * @module
 */

import type { SegmentFile } from "./files.ts";

/** Writes up to this size go into room made before; for larger ones the new length is a small part of the cost. */
const smallWriteBytes = 64 * 1024;
const leastRoomBytes = 64 * 1024;
/** The sync that stores new room costs in proportion, and is one of those that somebody waits for. */
const mostRoomBytes = 1024 * 1024;

/**
 * Writes go behind the one before. Behind the last of them stand zeroes, no more than the file held when they were
 * written, or {@link leastRoomBytes}; {@link close} cuts them off.
 */
export class RoomyFile implements SegmentFile {
  readonly #file: Deno.FsFile;
  #end = 0;
  /** End of the file. */
  #roomEnd = 0;
  /** Takes what is written with its room; all zeroes in between. */
  #scratch: Uint8Array | undefined;

  /** @param file Empty, open for writing, and not for appending. */
  constructor(file: Deno.FsFile) {
    this.#file = file;
  }

  async write(bytes: Uint8Array): Promise<number> {
    const fits = this.#end + bytes.length <= this.#roomEnd;
    const written = fits || bytes.length > smallWriteBytes
      ? await this.#file.write(bytes)
      : await this.#writeWithRoom(bytes);
    this.#end += written;
    this.#roomEnd = Math.max(this.#roomEnd, this.#end);
    return written;
  }

  syncData(): Promise<void> {
    return this.#file.syncData();
  }

  sync(): Promise<void> {
    return this.#file.sync();
  }

  async truncate(length: number): Promise<void> {
    await this.#file.truncate(length);
    this.#end = this.#roomEnd = length;
    this.#file.seekSync(length, Deno.SeekMode.Start);
  }

  close(): void {
    try {
      if (this.#roomEnd > this.#end) this.#file.truncateSync(this.#end);
    } catch {
      // Zeroes that stay do no harm.
    } finally {
      this.#file.close();
    }
  }

  /** In one write, so that a disk without room for both takes what it has room for. */
  async #writeWithRoom(bytes: Uint8Array): Promise<number> {
    const room = Math.min(mostRoomBytes, Math.max(leastRoomBytes, this.#end));
    const scratch = this.#scratch ??= new Uint8Array(smallWriteBytes + mostRoomBytes);
    scratch.set(bytes);
    const written = await this.#file.write(scratch.subarray(0, bytes.length + room));
    scratch.fill(0, 0, bytes.length);
    if (written <= bytes.length) return written;
    this.#roomEnd = this.#end + written;
    this.#file.seekSync(this.#end + bytes.length, Deno.SeekMode.Start);
    return bytes.length;
  }
}
