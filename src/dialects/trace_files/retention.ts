/**
 * What is removed below the root: files that were not finished, at start; old ones, where that is configured.
 * Symbolic links are neither followed nor removed.
 * @module
 */

import type { FileRoot, RealDirectory } from "./file_root.ts";
import type { FileWriter } from "./file_writer.ts";
import { isTemporaryName } from "./names.ts";

/** How much of one directory is kept; 0 keeps all. */
export interface FileLimits {
  /** The oldest files are removed until there are no more. */
  readonly maxFiles: number;
  readonly maxAgeMs: number;
}

/** Files removed, by reason. */
export interface FileReport {
  age: number;
  count: number;
}

/** Removes temporary files wherever they lie. To be called while nobody writes. @returns how many there were */
export async function sweepTemporaries(root: FileRoot): Promise<number> {
  let removed = 0;
  for await (const directory of directories(root)) {
    for await (const { name, isFile } of Deno.readDir(directory.path)) {
      if (!isFile || !isTemporaryName(name)) continue;
      if (await removeFile(root, directory, name)) removed++;
    }
  }
  return removed;
}

/**
 * Removes files that are too old, and the oldest of those that are too many, directory by directory.
 * @param now Wall clock, ms since the epoch.
 */
export async function applyRetention(
  limits: FileLimits,
  now: number,
  { root, writer }: { root: FileRoot; writer: FileWriter },
): Promise<FileReport> {
  const report = { age: 0, count: 0 };
  for await (const directory of directories(root)) {
    const files = await filesOf(directory);
    files.sort((a, b) => a.writtenAt - b.writtenAt || (a.name < b.name ? -1 : 1));
    const excess = limits.maxFiles === 0 ? 0 : files.length - limits.maxFiles;
    for (const [i, file] of files.entries()) {
      const isOld = limits.maxAgeMs > 0 && now - file.writtenAt > limits.maxAgeMs;
      if (!isOld && i >= excess) break;
      const isGone = await writer.exclusively({ directory, name: file.name }, async () => {
        // Written again since it was looked at: it is not old any more.
        const { writtenAt } = await lookAt(directory, file.name) ?? {};
        return writtenAt === file.writtenAt && await removeFile(root, directory, file.name);
      });
      if (isGone) report[isOld ? "age" : "count"]++;
    }
  }
  return report;
}

/** Every directory at and below the root. One that goes away meanwhile is left out. */
async function* directories(root: FileRoot): AsyncGenerator<RealDirectory> {
  const waiting: string[][] = [[]];
  for (let segments = waiting.pop(); segments !== undefined; segments = waiting.pop()) {
    const directory = await root.enter(segments, { make: false }).catch(() => undefined);
    if (directory === undefined) continue;
    for await (const { name, isDirectory } of Deno.readDir(directory.path)) {
      if (isDirectory) waiting.push([...segments, name]);
    }
    yield directory;
  }
}

interface Aged {
  readonly name: string;
  /** Ms since the epoch. */
  readonly writtenAt: number;
}

async function filesOf(directory: RealDirectory): Promise<Aged[]> {
  const files: Aged[] = [];
  for await (const { name, isFile } of Deno.readDir(directory.path)) {
    if (!isFile || isTemporaryName(name)) continue;
    const file = await lookAt(directory, name);
    if (file !== undefined) files.push(file);
  }
  return files;
}

/** Undefined when there is no such file any more. */
async function lookAt(directory: RealDirectory, name: string): Promise<Aged | undefined> {
  try {
    const { isFile, mtime } = await Deno.lstat(`${directory.path}/${name}`);
    return isFile ? { name, writtenAt: mtime?.getTime() ?? 0 } : undefined;
  } catch (error) {
    if (error instanceof Deno.errors.NotFound) return undefined;
    throw error;
  }
}

/** Removes a file of a directory that is still where it was; false when there was nothing to remove. */
async function removeFile(root: FileRoot, directory: RealDirectory, name: string): Promise<boolean> {
  if (!await root.isStill(directory)) return false;
  try {
    await Deno.remove(`${directory.path}/${name}`);
    return true;
  } catch (error) {
    if (error instanceof Deno.errors.NotFound) return false;
    throw error;
  }
}
