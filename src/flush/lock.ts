/**
 * One daemon at a time for a data_dir.
 * @module
 */

import { lockPath } from "./layout.ts";

/** A data_dir that cannot be used. The message names no path. */
export class DataDirError extends Error {
  override readonly name = "DataDirError";
}

/** The right to be the only one in a data_dir; the system takes it back when the process ends, however it ends. */
export class DataLock implements Disposable {
  readonly #file: Deno.FsFile;

  /** @throws DataDirError when another process has it */
  static async take(dataDir: string): Promise<DataLock> {
    const file = await Deno.open(lockPath(dataDir), { create: true, read: true, write: true });
    try {
      if (await file.tryLock(true)) {
        await file.truncate();
        await file.write(new TextEncoder().encode(`${Deno.pid}\n`));
        return new DataLock(file);
      }
      const holder = await Deno.readTextFile(lockPath(dataDir));
      throw new DataDirError(
        `Cannot use data_dir: another process has it: its id is ${holder.trim() || "unknown"}`,
      );
    } catch (error) {
      file.close();
      throw error;
    }
  }

  private constructor(file: Deno.FsFile) {
    this.#file = file;
  }

  [Symbol.dispose](): void {
    this.#file.close();
  }
}
