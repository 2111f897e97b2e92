/**
 * GET /api/traces/list: the traces of one directory, newest first.
 * @module
 */

import { WeirError } from "../../base/errors.ts";
import type { RealDirectory } from "./file_root.ts";
import { writeError } from "./file_writer.ts";
import { isBelow, isTemporaryName } from "./names.ts";
import type { TraceFileStore } from "./store.ts";

/** Files in one reply; of more, the newest. */
const maxListed = 10_000;

interface Listed {
  readonly name: string;
  readonly size: number;
  /** ISO 8601, UTC. */
  readonly modified: string;
  readonly created: string;
}

/**
 * Lists a directory. An entry that cannot be read, or is a link that leads out of the root, is left out.
 * @throws WeirError `invalid_directory`, `write_failed`
 */
export async function listFiles(named: string, store: TraceFileStore): Promise<Record<string, unknown>> {
  try {
    const directory = await store.find(named);
    if (directory === undefined) return { success: true, files: [], message: "Directory does not exist" };
    const { files, total } = await newest(directory, store);
    // Swapped for a link while it was read: what was read may be anything.
    if (!await store.root.isStill(directory)) throw new WeirError("invalid_directory", "");
    const facts = { success: true, directory: directory.relative || ".", count: files.length };
    return total > files.length ? { ...facts, truncated: true, total, files } : { ...facts, files };
  } catch (error) {
    const problem = writeError(error);
    if (problem.code !== "invalid_directory") throw problem;
    throw new WeirError("invalid_directory", "Invalid directory path");
  }
}

async function newest(
  directory: RealDirectory,
  { root }: TraceFileStore,
): Promise<{ files: Listed[]; total: number }> {
  let files: Listed[] = [];
  let total = 0;
  const sorted = (): Listed[] => files.sort(newerFirst).slice(0, maxListed);
  for await (const { name, isDirectory } of Deno.readDir(directory.path)) {
    if (isDirectory || !/\.(json|txt)$/.test(name) || isTemporaryName(name)) continue;
    const file = await lookAt(`${directory.path}/${name}`, root.path);
    if (file === undefined) continue;
    total++;
    if (files.push({ name, ...file }) >= 2 * maxListed) files = sorted();
  }
  return { files: sorted(), total };
}

function newerFirst(a: Listed, b: Listed): number {
  if (a.created !== b.created) return a.created > b.created ? -1 : 1;
  return a.name < b.name ? -1 : 1;
}

async function lookAt(path: string, root: string): Promise<Omit<Listed, "name"> | undefined> {
  try {
    let file = await Deno.lstat(path);
    if (file.isSymlink) {
      const real = await Deno.realPath(path);
      if (!isBelow(real, root)) return undefined;
      file = await Deno.lstat(real);
    }
    if (!file.isFile) return undefined;
    const modified = (file.mtime ?? new Date(0)).toISOString();
    return { size: file.size, modified, created: file.birthtime?.toISOString() ?? modified };
  } catch {
    // Gone, dangling or not ours to read: one such entry is no reason to fail the list.
    return undefined;
  }
}
