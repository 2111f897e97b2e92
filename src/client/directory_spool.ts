/**
 * A spool in a folder, for Deno, Node and Bun. One process at a time may use the folder.
 * @module
 */

import { mkdir, open, readdir, readFile, rename, rm } from "node:fs/promises";
import { join } from "node:path";
import type { SpoolStorage } from "./spool.ts";

const extension = ".ndjson";

/** Keeps each chunk as a file of this folder, which is made where it is missing. */
export function directorySpool(folder: string): SpoolStorage {
  const pathOf = (key: string): string => join(folder, key + extension);
  return {
    async keys(): Promise<string[]> {
      await mkdir(folder, { recursive: true });
      const names = await readdir(folder);
      return names.filter((name) => name.endsWith(extension)).map((name) => name.slice(0, -extension.length));
    },
    async read(key): Promise<string | undefined> {
      try {
        return await readFile(pathOf(key), "utf8");
      } catch (error) {
        if ((error as { code?: string }).code === "ENOENT") return undefined;
        throw error;
      }
    },
    async write(key, text): Promise<void> {
      await mkdir(folder, { recursive: true });
      const temporary = pathOf(key) + ".tmp";
      const file = await open(temporary, "w");
      try {
        await file.writeFile(text);
        await file.sync();
      } finally {
        await file.close();
      }
      await rename(temporary, pathOf(key));
    },
    async remove(key): Promise<void> {
      await rm(pathOf(key), { force: true });
    },
  };
}
