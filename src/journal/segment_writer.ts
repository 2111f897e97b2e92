/**
 * One segment that is being written: its frames go to its end, and what was not stored is cut off again.
 * @module
 */

import { WeirError } from "../base/errors.ts";
import {
  errorCode,
  isDiskFull,
  type JournalFiles,
  pathlessError,
  type SegmentFile,
  writeAll,
} from "./files.ts";
import { magic, segmentPath } from "./segment.ts";

/** Frames up to this size are copied together, so that many of them cost one write. */
const copiedFrameBytes = 64 * 1024;
const copyBufferBytes = 1024 * 1024;

/** Where a new segment goes. */
export interface SegmentPlace {
  readonly files: JournalFiles;
  readonly dir: string;
  readonly number: number;
}

/** An open segment. `length` is the end of its last stored frame; bytes behind it count for nothing. */
export class SegmentWriter {
  readonly number: number;
  readonly #file: SegmentFile;
  #length = magic.length;

  /**
   * Makes the file, its magic line and its name durable: no frame in it may be acknowledged before.
   *
   * @throws WeirError `storage_full`, `overloaded` (too many open files) or `journal_failed`
   */
  static async create(place: SegmentPlace): Promise<SegmentWriter> {
    const { files, dir, number } = place;
    const path = segmentPath(dir, number);
    const file = await files.create(path).catch((error) => {
      throw storageError("begin a segment", error);
    });
    try {
      await writeAll(file, magic);
      await syncNew(place, file);
    } catch (error) {
      file.close();
      // What stays behind is a segment without frames, which does no harm.
      await files.remove(path).catch(() => undefined);
      throw error instanceof WeirError ? error : storageError("begin a segment", error);
    }
    return new SegmentWriter(number, file);
  }

  private constructor(number: number, file: SegmentFile) {
    this.number = number;
    this.#file = file;
  }

  /** Bytes of the magic line and of all stored frames. */
  get length(): number {
    return this.#length;
  }

  /** Writes sealed frames behind the stored ones, with as few writes as copying little allows. */
  async write(frames: readonly Uint8Array[], copyBuffer: CopyBuffer): Promise<void> {
    if (frames.length === 1) return await writeAll(this.#file, frames[0]);
    for (const frame of frames) {
      if (copyBuffer.add(frame)) continue;
      await writeAll(this.#file, copyBuffer.take());
      if (!copyBuffer.add(frame)) await writeAll(this.#file, frame);
    }
    await writeAll(this.#file, copyBuffer.take());
  }

  /** fdatasync. */
  async syncData(): Promise<void> {
    await this.#file.syncData();
  }

  /** Counts what was written as stored. */
  commit(bytes: number): void {
    this.#length += bytes;
  }

  /** Cuts off what was written and not stored; with `sync`, so that it cannot come back. */
  async rollback(sync: boolean): Promise<void> {
    await this.#file.truncate(this.#length);
    if (sync) await this.#file.sync();
  }

  close(): void {
    this.#file.close();
  }
}

/** Gathers small frames for one write. */
export class CopyBuffer {
  readonly #bytes = new Uint8Array(copyBufferBytes);
  #used = 0;

  /** Copies the frame behind the others; false when there is no room or it is too large to copy. */
  add(frame: Uint8Array): boolean {
    if (frame.length > copiedFrameBytes || frame.length > this.#bytes.length - this.#used) return false;
    this.#bytes.set(frame, this.#used);
    this.#used += frame.length;
    return true;
  }

  /** What was gathered; valid until the next {@link add}. Then it is empty again. */
  take(): Uint8Array {
    const taken = this.#bytes.subarray(0, this.#used);
    this.#used = 0;
    return taken;
  }
}

/** What a failed call of the system means for who wanted something stored; names no path. */
export function storageError(action: string, error: unknown): WeirError {
  const code = errorCode(error);
  const cause = pathlessError(error);
  if (isDiskFull(error)) {
    return new WeirError("storage_full", `Cannot ${action}: the disk is full`, { cause, retryAfterS: 5 });
  }
  if (code === "EMFILE" || code === "ENFILE") {
    return new WeirError("overloaded", `Cannot ${action}: too many open files`, { cause });
  }
  return new WeirError("journal_failed", `Cannot ${action}: the journal failed: ${code}`, { cause });
}

/** A failed sync is final, also for want of room: what a second one would say cannot be trusted. */
async function syncNew(place: SegmentPlace, file: SegmentFile): Promise<void> {
  try {
    await file.sync();
    await place.files.syncDirectory(place.dir);
  } catch (error) {
    const message = `Cannot begin a segment: the journal failed: ${errorCode(error)}`;
    throw new WeirError("journal_failed", message, { cause: pathlessError(error) });
  }
}
