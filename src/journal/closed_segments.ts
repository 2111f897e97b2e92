/**
 * The segments on disk that take no more frames: which there are, how large they are, and how they go.
 * @module
 */

import type { JournalFiles } from "./files.ts";
import { listSegments, segmentPath } from "./segment.ts";
import { storageError } from "./segment_writer.ts";

/** Numbers of closed segments, ascending, with their bytes. */
export class ClosedSegments {
  readonly #dir: string;
  readonly #sizes: Map<number, number>;
  #bytes: number;

  /** Those that lie in a directory. @throws Deno.errors.NotFound and the like when it cannot be read */
  static async list(dir: string): Promise<ClosedSegments> {
    const sizes = new Map<number, number>();
    for (const segment of (await listSegments(dir)).segments) {
      sizes.set(segment, (await Deno.stat(segmentPath(dir, segment))).size);
    }
    return new ClosedSegments(dir, sizes);
  }

  private constructor(dir: string, sizes: Map<number, number>) {
    this.#dir = dir;
    this.#sizes = sizes;
    this.#bytes = sizes.values().reduce((sum, size) => sum + size, 0);
  }

  get numbers(): number[] {
    return [...this.#sizes.keys()];
  }

  get count(): number {
    return this.#sizes.size;
  }

  /** Bytes of all of them. */
  get bytes(): number {
    return this.#bytes;
  }

  /** A segment takes no more frames; its number is greater than all others. */
  add(segment: number, bytes: number): void {
    this.#sizes.set(segment, bytes);
    this.#bytes += bytes;
  }

  /**
   * Removes segments durably; one that is gone already is fine.
   * @throws WeirError when a file cannot be removed; all of them still count then
   */
  async remove(segments: Iterable<number>, files: JournalFiles): Promise<void> {
    const removed = new Set(segments).intersection(this.#sizes);
    if (removed.size === 0) return;
    try {
      for (const segment of removed) await files.remove(segmentPath(this.#dir, segment));
      await files.syncDirectory(this.#dir);
    } catch (error) {
      throw storageError("remove journal segments", error);
    }
    for (const segment of removed) {
      this.#bytes -= this.#sizes.get(segment) ?? 0;
      this.#sizes.delete(segment);
    }
  }
}
