/**
 * Makes the disk what the catalog says: files that no committed flush made are removed.
 * @module
 */

import { join } from "node:path";
import type { CheckpointWriter } from "../catalog/checkpoint.ts";
import { isTemporaryName, parsePartName, partFolders } from "./layout.ts";

/** What was found. */
export interface SweepReport {
  /** Parts that no catalog lists, and unfinished ones: removed. */
  readonly removed: number;
  /** Parts that are listed and not there. They stay listed: they may have been moved, and come back. */
  readonly lost: number;
}

/** A part on the disk. */
export interface PartFile {
  /** Below data_dir. */
  readonly path: string;
  readonly name: string;
}

/**
 * Removes unfinished parts and parts that the catalog does not list. Looks only into the folders of parts, and
 * leaves alone what does not have the name of a part.
 */
export function sweep(dataDir: string, writer: CheckpointWriter): SweepReport {
  const listed = new Set(writer.partPaths());
  let removed = 0;
  for (const { path, name } of filesBelow(dataDir)) {
    if (listed.delete(path)) continue;
    if (!isTemporaryName(name) && parsePartName(name) === undefined) continue;
    Deno.removeSync(join(dataDir, path));
    removed++;
  }
  return { removed, lost: listed.size };
}

/** All parts on the disk, unfinished ones left out. */
export function* partsOnDisk(dataDir: string): Generator<PartFile, void, undefined> {
  for (const file of filesBelow(dataDir)) if (parsePartName(file.name)) yield file;
}

function* filesBelow(dataDir: string): Generator<PartFile, void, undefined> {
  for (const folder of partFolders) yield* walk(dataDir, folder);
}

/** Links are not followed: what they lead to is not ours. */
function* walk(dataDir: string, path: string): Generator<PartFile, void, undefined> {
  let entries: Deno.DirEntry[];
  try {
    entries = [...Deno.readDirSync(join(dataDir, path))];
  } catch (error) {
    if (error instanceof Deno.errors.NotFound) return;
    throw error;
  }
  for (const { name, isDirectory, isFile } of entries) {
    if (isDirectory) yield* walk(dataDir, `${path}/${name}`);
    else if (isFile) yield { path: `${path}/${name}`, name };
  }
}
