/**
 * Bounds what lies in quarantine: it is there for a person to look at, and must not fill the disk until one does.
 * @module
 */

import { basename, dirname, join } from "node:path";
import { quarantineDir } from "./layout.ts";
import { removeFiles } from "./remove_files.ts";

const dayMs = 86_400_000;

/** How long and how much is kept. */
export interface QuarantineLimits {
  /** Files set aside longer ago are removed, but none within a day; 0 keeps them. */
  readonly maxAgeMs: number;
  /** The oldest files are removed until all together are no larger; 0 keeps them. */
  readonly maxBytes: number;
}

/** A file in quarantine. */
export interface QuarantinedFile {
  /** Below data_dir. */
  readonly path: string;
  readonly bytes: number;
  /** When it was set aside, ms since the epoch; not earlier than that, where the system does not tell. */
  readonly since: number;
}

/** What was removed. */
export interface QuarantineReport {
  /** Files, by reason. */
  readonly age: number;
  readonly excess: number;
  /** What they held. */
  readonly bytes: number;
}

/**
 * Removes what the limits do not keep, the oldest first.
 * @param now Wall clock, ms since the epoch.
 */
export function limitQuarantine(limits: QuarantineLimits, now: number, dataDir: string): QuarantineReport {
  const { maxAgeMs, maxBytes } = limits;
  if (maxAgeMs === 0 && maxBytes === 0) return { age: 0, excess: 0, bytes: 0 };
  const files = listQuarantine(dataDir);
  const all = files.reduce((sum, { bytes }) => sum + bytes, 0);
  const removed: QuarantinedFile[] = [];
  let age = 0, bytes = 0;
  for (const file of files) {
    const isOld = maxAgeMs > 0 && now - file.since > Math.max(maxAgeMs, dayMs);
    const isExcess = maxBytes > 0 && all - bytes > maxBytes;
    // Oldest first: where one may stay, all that follow may.
    if (!isOld && !isExcess) break;
    if (isOld) age++;
    bytes += file.bytes;
    removed.push(file);
  }
  removeFiles(dataDir, removed.map(({ path }) => path));
  return { age, excess: removed.length - age, bytes };
}

/** What lies in quarantine, the oldest first; nothing where there is none. Links are not followed. */
export function listQuarantine(dataDir: string): QuarantinedFile[] {
  const root = quarantineDir(dataDir);
  return filesBelow(dirname(root), basename(root)).sort((a, b) =>
    a.since - b.since || (a.path < b.path ? -1 : 1)
  );
}

/** How many files lie in quarantine; asks for nothing but their names. */
export function countQuarantined(dataDir: string): number {
  const count = (folder: string): number => {
    const entries = entriesOf(folder);
    return entries.reduce(
      (sum, { name, isDirectory }) => sum + (isDirectory ? count(join(folder, name)) : 1),
      0,
    );
  };
  return count(quarantineDir(dataDir));
}

function filesBelow(dataDir: string, directory: string): QuarantinedFile[] {
  const files: QuarantinedFile[] = [];
  for (const { name, isDirectory } of entriesOf(join(dataDir, directory))) {
    const path = `${directory}/${name}`;
    if (isDirectory) {
      files.push(...filesBelow(dataDir, path));
      continue;
    }
    const { size, mtime, ctime } = Deno.lstatSync(join(dataDir, path));
    // A part that is moved here keeps the time of its writing: the time of the move is that of the change.
    files.push({ path, bytes: size, since: Math.max(mtime?.getTime() ?? 0, ctime?.getTime() ?? 0) });
  }
  return files;
}

function entriesOf(path: string): Deno.DirEntry[] {
  try {
    return [...Deno.readDirSync(path)];
  } catch (error) {
    if (error instanceof Deno.errors.NotFound) return [];
    throw error;
  }
}
