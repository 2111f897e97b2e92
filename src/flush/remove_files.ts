/**
 * Removes files below data_dir, and the folders that become empty.
 * @module
 */

import { dirname, join } from "node:path";

/** Removes files; one that is gone already is as good. @param paths Below data_dir, each in a folder that stays. */
export function removeFiles(dataDir: string, paths: readonly string[]): void {
  for (const path of paths) {
    try {
      Deno.removeSync(join(dataDir, path));
    } catch (error) {
      if (!(error instanceof Deno.errors.NotFound)) throw error;
    }
  }
  for (const directory of new Set(paths.map((path) => dirname(path)))) removeEmpty(dataDir, directory);
}

/** Removes a folder that has become empty, and those above it, up to the outermost, which stays. */
function removeEmpty(dataDir: string, directory: string): void {
  for (let path = directory; path.includes("/"); path = dirname(path)) {
    const full = join(dataDir, path);
    try {
      if (!Deno.readDirSync(full)[Symbol.iterator]().next().done) return;
      Deno.removeSync(full);
    } catch (error) {
      if (!(error instanceof Deno.errors.NotFound)) throw error;
    }
  }
}
