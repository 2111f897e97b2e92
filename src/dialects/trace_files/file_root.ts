/**
 * The one directory below which trace files are written and listed, and the proof that a path does not lead out
 * of it: by the real paths of what is on the disk, compared segment by segment.
 * @module
 */

import { WeirError } from "../../base/errors.ts";
import { errorCode, makeDirectory, syncDirectory } from "../../journal/files.ts";
import { isBelow } from "./names.ts";

/** A directory at or below the root, as it was when it was looked at. */
export interface RealDirectory {
  /** Absolute, no symbolic link in it. */
  readonly path: string;
  /** Below the root; "" for the root itself. */
  readonly relative: string;
  readonly device: number;
  readonly inode: number | null;
}

/** Codes of a path that can never be a directory of ours; every other one is the disk's trouble. */
const unfit = new Set(["ENOTDIR", "ELOOP", "ENAMETOOLONG", "EINVAL", "EEXIST", "NotCapable"]);

/** The root; made when it is not there. */
export class FileRoot {
  /** Absolute, no symbolic link in it. */
  readonly path: string;
  /** Does the disk take names that differ only in case for one and the same? */
  readonly foldsCase: boolean;

  /** @throws Error of the system when it cannot be made or read */
  static async open(path: string): Promise<FileRoot> {
    await makeDirectory(path);
    const real = await Deno.realPath(path);
    return new FileRoot(real, await foldsCase(real));
  }

  private constructor(path: string, foldsCase: boolean) {
    this.path = path;
    this.foldsCase = foldsCase;
  }

  /**
   * Goes down to a directory, following symbolic links as long as they stay below the root.
   * @param segments Names that were found fit.
   * @param options.make Make what is missing; `isDurable` also makes sure that it stays.
   * @returns undefined when it is not there
   * @throws WeirError `invalid_directory`; Error of the system when it cannot be made or looked at
   */
  async enter(
    segments: readonly string[],
    options: { make: false } | { make: true; isDurable: boolean },
  ): Promise<RealDirectory | undefined> {
    try {
      const whole = [this.path, ...segments].join("/");
      // Nearly always it is there, with no link on the way: one look for all of it.
      const isPlain = this.#isPlain(whole);
      let at = isPlain ? whole : this.path;
      if (!isPlain && await Deno.realPath(at) !== at) throw leadsOut();
      for (const segment of isPlain ? [] : segments) {
        const next = await this.#real(`${at}/${segment}`) ??
          (options.make ? await this.#make(`${at}/${segment}`, options.isDurable) : undefined);
        if (next === undefined) return undefined;
        at = next;
      }
      const { isDirectory, dev, ino } = Deno.lstatSync(at);
      if (!isDirectory) throw leadsOut();
      return { path: at, relative: at.slice(this.path.length + 1), device: dev, inode: ino };
    } catch (error) {
      throw unfit.has(errorCode(error)) ? leadsOut(error) : error;
    }
  }

  /** Is the directory still where and what it was? */
  async isStill({ path, device, inode }: RealDirectory): Promise<boolean> {
    try {
      const [real, { dev, ino }] = await Promise.all([Deno.realPath(path), Deno.lstat(path)]);
      return real === path && dev === device && ino === inode;
    } catch (error) {
      if (error instanceof Deno.errors.NotFound) return false;
      throw error;
    }
  }

  /**
   * Does this path, with no symbolic link in it, lead to this open file, which was just made? All that is asked is in
   * the system's caches then, so that nobody waits for a disk.
   */
  holds(path: string, file: Deno.FsFile): boolean {
    const { dev, ino } = file.statSync();
    try {
      if (Deno.realPathSync(path) !== path) return false;
      const found = Deno.lstatSync(path);
      return found.dev === dev && found.ino === ino;
    } catch (error) {
      if (error instanceof Deno.errors.NotFound) return false;
      throw error;
    }
  }

  /**
   * Is it there, with no symbolic link on the way? The path that everybody writes to is in the system's caches, so
   * that this is a synchronous call for the same reason as in {@link holds}.
   */
  #isPlain(path: string): boolean {
    try {
      return Deno.realPathSync(path) === path;
    } catch (error) {
      if (error instanceof Deno.errors.NotFound) return false;
      throw error;
    }
  }

  /** The real path, when there is something there. @throws WeirError `invalid_directory` when it is outside */
  async #real(path: string): Promise<string | undefined> {
    try {
      const real = await Deno.realPath(path);
      if (isBelow(real, this.path)) return real;
    } catch (error) {
      if (error instanceof Deno.errors.NotFound) return undefined;
      throw error;
    }
    throw leadsOut();
  }

  /** Makes one directory; another request may be as fast. */
  async #make(path: string, isDurable: boolean): Promise<string> {
    let isOurs = true;
    try {
      await Deno.mkdir(path);
    } catch (error) {
      if (!(error instanceof Deno.errors.AlreadyExists)) throw error;
      isOurs = false;
    }
    // Somebody who swaps the directory above for a link at this moment gets an empty directory, and loses it.
    if (await this.#real(path).catch(() => undefined) !== path) {
      if (isOurs) await Deno.remove(path).catch(() => undefined);
      throw leadsOut();
    }
    if (isOurs && isDurable) await syncDirectory(path.slice(0, path.lastIndexOf("/")));
    return path;
  }
}

function leadsOut(cause?: unknown): WeirError {
  return new WeirError("invalid_directory", "Invalid output path", { cause });
}

async function foldsCase(root: string): Promise<boolean> {
  const name = `.weir-${crypto.randomUUID()}`;
  await Deno.writeFile(`${root}/${name}.tmp`, new Uint8Array(0), { createNew: true });
  try {
    await Deno.lstat(`${root}/${name}.TMP`);
    return true;
  } catch (error) {
    if (error instanceof Deno.errors.NotFound) return false;
    throw error;
  } finally {
    await Deno.remove(`${root}/${name}.tmp`);
  }
}
