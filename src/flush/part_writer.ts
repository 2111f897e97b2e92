/**
 * Writes parts: under a temporary name, through one buffer, synced before they get their own name.
 * @module
 */

import { join } from "node:path";
import { compressMember, memberBytes } from "./members.ts";
import { type Compression, temporaryName } from "./layout.ts";

const lineBreak = 0x0a;
/** Synced at once, a part of many MiB would hold up every sync of the journal meanwhile. */
const syncBytes = 2 * 1024 * 1024;

/** One part after the other, through the same buffer. */
export class PartWriter {
  readonly #compression: Compression;
  readonly #buffer = new Uint8Array(memberBytes);
  #held = 0;
  #file: Deno.FsFile | undefined;
  #stored = 0;
  #syncedTo = 0;
  #inLine = false;

  constructor(compression: Compression) {
    this.#compression = compression;
  }

  /** Begins a part. @returns path of the temporary file */
  begin(directory: string, name: string): string {
    this.abandon();
    const path = join(directory, temporaryName(name));
    this.#file = Deno.openSync(path, { write: true, create: true, truncate: true });
    this.#stored = this.#syncedTo = this.#held = 0;
    return path;
  }

  /** Adds bytes. */
  write(bytes: Uint8Array): void {
    for (let from = 0; from < bytes.length;) {
      if (this.#held === memberBytes) this.#makeRoom();
      const size = Math.min(bytes.length - from, memberBytes - this.#held);
      this.#buffer.set(size === bytes.length ? bytes : bytes.subarray(from, from + size), this.#held);
      this.#held += size;
      from += size;
    }
  }

  /**
   * Begins a line that can be read by itself: with compression, in members of its own.
   * @returns where it begins in the file
   */
  beginLine(): number {
    if (this.#compression === "none") return this.#stored + this.#held;
    this.#drain(this.#held);
    this.#inLine = true;
    return this.#stored;
  }

  /** Ends such a line. @returns where it ends in the file */
  endLine(): number {
    if (this.#compression === "none") return this.#stored + this.#held;
    this.#drain(this.#held);
    this.#inLine = false;
    return this.#stored;
  }

  /** Writes what is left, syncs and closes. @returns size of the file */
  finish(): number {
    this.#drain(this.#held);
    const file = this.#opened();
    file.syncSync();
    file.close();
    this.#file = undefined;
    return this.#stored;
  }

  /** Closes a part that will not be finished; removing it is left to the caller. */
  abandon(): void {
    this.#file?.close();
    this.#file = undefined;
  }

  /** The buffer is full: with compression, the member ends at a line's end where there is one. */
  #makeRoom(): void {
    if (this.#compression === "none" || this.#inLine) return this.#drain(this.#held);
    const end = this.#buffer.lastIndexOf(lineBreak) + 1;
    this.#drain(end > 0 ? end : this.#held);
  }

  #drain(size: number): void {
    if (size === 0) return;
    const data = this.#buffer.subarray(0, size);
    this.#store(this.#compression === "none" ? data : compressMember(this.#compression, data));
    this.#buffer.copyWithin(0, size, this.#held);
    this.#held -= size;
  }

  #store(bytes: Uint8Array): void {
    const file = this.#opened();
    for (let from = 0; from < bytes.length;) from += file.writeSync(bytes.subarray(from));
    this.#stored += bytes.length;
    if (this.#stored - this.#syncedTo < syncBytes) return;
    file.syncDataSync();
    this.#syncedTo = this.#stored;
  }

  #opened(): Deno.FsFile {
    if (this.#file === undefined) throw new Error("Cannot write a part: none was begun");
    return this.#file;
  }
}
