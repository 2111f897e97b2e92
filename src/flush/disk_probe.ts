/**
 * Can data_dir be written to at this moment? SQLite has no code that says the disk is full, so the disk is asked.
 * @module
 */

import { join } from "node:path";

const probeBytes = 64 * 1024;

/** Writes and syncs a little, and takes it away again. @throws what the disk says, such as ENOSPC */
export function probeDisk(dataDir: string): void {
  const path = join(dataDir, ".probe.tmp");
  const file = Deno.openSync(path, { create: true, write: true, truncate: true });
  try {
    const bytes = new Uint8Array(probeBytes);
    for (let from = 0; from < bytes.length;) from += file.writeSync(bytes.subarray(from));
    file.syncSync();
  } finally {
    file.close();
    Deno.removeSync(path);
  }
}

/** The error, or what the disk says if that is behind an error of SQLite. To be called before anything is removed. */
export function diskErrorOr(error: unknown, dataDir: string): unknown {
  if ((error as { code?: unknown } | undefined)?.code !== "ERR_SQLITE_ERROR") return error;
  try {
    probeDisk(dataDir);
    return error;
  } catch (diskError) {
    return diskError;
  }
}
