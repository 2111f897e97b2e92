/**
 * The file system as the journal's writer uses it: a seam, so that tests can hand in a disk that is full or broken.
 * @module
 */

import { dirname } from "node:path";
import { RoomyFile } from "./roomy_file.ts";

/** An open segment. Writes go behind the one before, or behind the place of the last cut. */
export interface SegmentFile {
  /** Writes some of the bytes, at least one, and tells how many. */
  write(bytes: Uint8Array): Promise<number>;
  /** fdatasync. */
  syncData(): Promise<void>;
  /** fsync. */
  sync(): Promise<void>;
  /** Cuts the file off after `length` bytes. */
  truncate(length: number): Promise<void>;
  close(): void;
}

/** What the writer asks of the disk. */
export interface JournalFiles {
  /** A new, empty file. @throws when there is one already */
  create(path: string): Promise<SegmentFile>;
  /** Removes a file; one that is gone already is fine. */
  remove(path: string): Promise<void>;
  /** Makes the names in a directory durable. */
  syncDirectory(path: string): Promise<void>;
}

/** The real disk. */
export const diskFiles: JournalFiles = {
  create: async (path) => new RoomyFile(await Deno.open(path, { createNew: true, write: true })),
  remove: removeFile,
  syncDirectory,
};

/** Writes all of it, in as many calls as it takes. */
export async function writeAll(file: Pick<SegmentFile, "write">, bytes: Uint8Array): Promise<void> {
  let rest = bytes;
  while (rest.length > 0) {
    const written = await file.write(rest);
    // Would go round for ever otherwise; no regular file does this.
    if (written === 0) throw Object.assign(new Error("The disk takes no bytes"), { code: "EIO" });
    rest = rest.subarray(written);
  }
}

/** Makes a directory and those above it, durably; one that is there already is fine. */
export async function makeDirectory(path: string): Promise<void> {
  try {
    await Deno.mkdir(path);
  } catch (error) {
    if (error instanceof Deno.errors.AlreadyExists) return;
    if (!(error instanceof Deno.errors.NotFound) || dirname(path) === path) throw error;
    await makeDirectory(dirname(path));
    return await makeDirectory(path);
  }
  await syncDirectory(dirname(path));
}

/** fsync of a directory: a file whose name is not durable is no durable file. */
export async function syncDirectory(path: string): Promise<void> {
  using directory = await Deno.open(path);
  await directory.sync();
}

/**
 * The system's word for an error, such as `EIO`; its name where it has none. Log lines and replies carry this word alone, because the
 * runtime's own texts name paths.
 */
export function errorCode(error: unknown): string {
  if (!(error instanceof Error)) return typeof error;
  return "code" in error && typeof error.code === "string" ? error.code : error.name;
}

/** The same error without its text, which may hold a path. */
export function pathlessError(error: unknown): Error {
  const code = errorCode(error);
  return Object.assign(new Error(code), { code });
}

/** Is there no room, or no quota? That can pass; every other failed write is for good. */
export function isDiskFull(error: unknown): boolean {
  const code = errorCode(error);
  return code === "ENOSPC" || code === "EDQUOT";
}

async function removeFile(path: string): Promise<void> {
  try {
    await Deno.remove(path);
  } catch (error) {
    if (!(error instanceof Deno.errors.NotFound)) throw error;
  }
}
