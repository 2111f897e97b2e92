/**
 * Room on the disk: asked now and then, so that new rows are refused while there is still room to flush.
 * @module
 */

import { statfs } from "node:fs/promises";

/** Watches the free space of the file system under a folder. */
export class DiskWatch {
  readonly #path: string;
  readonly #minFreeBytes: () => number;
  #freeBytes = Infinity;
  #timer: ReturnType<typeof setInterval> | undefined;

  constructor(path: string, minFreeBytes: () => number) {
    this.#path = path;
    this.#minFreeBytes = minFreeBytes;
  }

  /** Free bytes at the last look; Infinity before the first. */
  get freeBytes(): number {
    return this.#freeBytes;
  }

  /** Is there less room than disk.min_free_bytes? */
  get low(): boolean {
    return this.#freeBytes < this.#minFreeBytes();
  }

  /** Looks now, and from then on every two seconds; `looked` is called after each. */
  async start(looked?: () => void): Promise<void> {
    await this.look();
    this.#timer = setInterval(() => void this.look().then(looked), 2_000);
    Deno.unrefTimer(this.#timer);
  }

  stop(): void {
    clearInterval(this.#timer);
  }

  /** Asks the system once; where it does not tell, the last answer stands. */
  async look(): Promise<void> {
    const { bavail, bsize } = await statfs(this.#path).catch(() => ({ bavail: NaN, bsize: 1 }));
    if (!Number.isNaN(bavail)) this.#freeBytes = bavail * bsize;
  }
}
