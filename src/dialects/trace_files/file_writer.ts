/**
 * Writing a file so that its path shows the old content or the new one, whole, at every moment: a temporary file
 * in the same directory, fsync, rename, fsync of the directory.
 * @module
 */

import { WeirError } from "../../base/errors.ts";
import { type FaultPlace, faultPoint } from "../../base/faults.ts";
import { errorCode, isDiskFull, writeAll } from "../../journal/files.ts";
import { BriefWork } from "./brief_work.ts";
import type { FileRoot, RealDirectory } from "./file_root.ts";
import { temporaryName } from "./names.ts";
import { Places, Turns } from "./turns.ts";

/** Files written at once, of all requests. */
const maxWriters = 64;
/** Files no larger than this are made and named by calls that block the thread; what waits for the disk never does. */
const briefBytes = 64 * 1024;

/** How often a temporary file is looked for that is not where it was made, and how long after one another, in ms. */
const maxRemoveTries = 50;
const removeWaitMs = 2;

/** One file that is to be written. */
export interface FileToWrite {
  readonly directory: RealDirectory;
  /** A name that was found fit. */
  readonly name: string;
  readonly bytes: Uint8Array;
}

/** Writes files below one root. */
export class FileWriter {
  readonly #root: FileRoot;
  readonly #isDurable: boolean;
  readonly #turns = new Turns();
  readonly #places = new Places(maxWriters);
  readonly #brief = new BriefWork();
  readonly #passed: (place: FaultPlace) => void;

  /**
   * @param options.isDurable Is everything synced before it counts as written?
   * @param options.passed Called on the way, so that a test can step in. @default faultPoint
   */
  constructor(
    root: FileRoot,
    { isDurable, passed = faultPoint }: { isDurable: boolean; passed?: (place: FaultPlace) => void },
  ) {
    this.#root = root;
    this.#isDurable = isDurable;
    this.#passed = passed;
  }

  /** Writers of one path that work or wait; for tests. */
  get busyPaths(): number {
    return this.#turns.size;
  }

  /** What is the same for all spellings of one path. */
  keyOf({ directory, name }: Pick<FileToWrite, "directory" | "name">): string {
    const path = `${directory.path}/${name}`;
    return this.#root.foldsCase ? path.normalize("NFC").toLowerCase() : path;
  }

  /**
   * Gives the file its content. It is safe once {@link sync} of its directory has resolved as well.
   * @throws WeirError; the path shows what it showed before
   */
  async write(file: FileToWrite): Promise<void> {
    try {
      await this.exclusively(file, () => this.#places.take(() => this.#replace(file)));
    } catch (error) {
      throw writeError(error);
    }
  }

  /** Runs `work` while nobody writes this path. */
  exclusively<T>(file: Pick<FileToWrite, "directory" | "name">, work: () => Promise<T>): Promise<T> {
    return this.#turns.take(this.keyOf(file), work);
  }

  /**
   * Makes the names in a directory durable.
   * @param atWork Called while the disk is at work on that; must not throw.
   * @throws WeirError
   */
  async sync({ path, device, inode }: RealDirectory, atWork?: () => void): Promise<void> {
    if (!this.#isDurable) return;
    try {
      using directory = await this.#brief.run(() => Deno.openSync(path), () => Deno.open(path));
      const { dev, ino } = directory.statSync();
      if (dev !== device || ino !== inode) throw swapped();
      const syncing = directory.sync();
      atWork?.();
      await syncing;
    } catch (error) {
      throw writeError(error);
    }
  }

  /**
   * The temporary file is proven to lie in the directory before anything is written to it. From then on nobody who
   * swaps the directory for a link can lead the content elsewhere: it goes to the open file, and the rename finds no
   * such temporary file behind the link. A link that has the file's own name is replaced, not followed.
   */
  async #replace({ directory, name, bytes }: FileToWrite): Promise<void> {
    const temporary = `${directory.path}/${temporaryName()}`;
    const path = `${directory.path}/${name}`;
    const isBrief = bytes.length <= briefBytes;
    const run: BriefWork["run"] = (brief, slow) => isBrief ? this.#brief.run(brief, slow) : slow();
    const file = await run(() => Deno.openSync(temporary, newFile), () => Deno.open(temporary, newFile));
    try {
      using _ = file;
      this.#passed("files.made");
      if (!this.#root.holds(temporary, file)) throw swapped();
      await run(() => writeAllSync(file, bytes), () => writeAll(file, bytes));
      this.#passed("files.written");
      if (this.#isDurable) await file.sync();
      this.#passed("files.synced");
      await run(() => Deno.renameSync(temporary, path), () => Deno.rename(temporary, path));
    } catch (error) {
      await removeIfThere(temporary);
      throw error;
    }
    this.#passed("files.renamed");
  }
}

const newFile = { write: true, createNew: true } as const;

function writeAllSync(file: Deno.FsFile, bytes: Uint8Array): void {
  for (let at = 0; at < bytes.length;) {
    const written = file.writeSync(bytes.subarray(at));
    // Would go round for ever otherwise; no regular file does this.
    if (written === 0) throw Object.assign(new Error("The disk takes no bytes"), { code: "EIO" });
    at += written;
  }
}

/** What a write ran into, in words that name no path. */
export function writeError(error: unknown): WeirError {
  if (error instanceof WeirError) return error;
  const code = errorCode(error);
  if (isDiskFull(error)) {
    return new WeirError("storage_full", "The disk is full", { cause: error, retryAfterS: 5 });
  }
  // The path to a file that was just made, or to the directory it was made in, is not what it was.
  if (code === "ENOENT" || code === "ENOTDIR") return swapped();
  if (code === "EISDIR" || code === "ENOTEMPTY" || code === "EEXIST") {
    return new WeirError("is_a_directory", "A directory has this name", { cause: error });
  }
  return new WeirError("write_failed", `Failed to write trace file: ${code}`, { cause: error });
}

function swapped(): WeirError {
  return new WeirError("invalid_directory", "Invalid output path");
}

/**
 * A temporary file that cannot be removed now is removed by the next start. Where one is not found, somebody swapped its
 * directory for another: it is found again once that is back, which is waited for a little.
 */
async function removeIfThere(path: string): Promise<void> {
  for (let tries = 0; tries < maxRemoveTries; tries++) {
    try {
      return await Deno.remove(path);
    } catch (error) {
      if (!(error instanceof Deno.errors.NotFound)) return;
    }
    await new Promise((resolve) => setTimeout(resolve, removeWaitMs));
  }
}
