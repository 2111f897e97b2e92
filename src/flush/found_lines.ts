/**
 * Lines whose places are known, read one by one in any order.
 * @module
 */

import type { Compression } from "./layout.ts";
import type { Candidate } from "./newest.ts";
import { gather, readStretch, StretchReader } from "./stored_bytes.ts";

/** Files that stay open from line to line. */
const maxOpen = 16;

/** Where a line lies. */
export interface FoundLine extends Candidate {
  readonly path: string;
  readonly compression: Compression;
  /** Where the line, or the compressed piece that it begins in, begins in the file. */
  readonly offset: number;
  /** Bytes from the start of the piece, uncompressed. */
  readonly start: number;
  /** Without the line break. */
  readonly length: number;
}

/** Does the path name a segment of the journal? A flush removes those; what was in them is in parts then. */
export function isSegment(path: string): boolean {
  return path.endsWith(".wal");
}

/** The lines, in order. */
export class FoundLines implements Disposable {
  readonly #ended: () => void;
  readonly #files = new Map<string, Deno.FsFile>();
  #lines: readonly FoundLine[] = [];
  #next = 0;
  /** The piece that was decompressed last: neighbours mostly lie together. */
  #piece = { key: "", bytes: new Uint8Array(0) };
  #isDisposed = false;

  /** @param ended Called once, when nothing more is read. */
  constructor(ended: () => void) {
    this.#ended = ended;
  }

  /**
   * Takes the lines over, and opens the segments that they lie in, so that a flush may remove them.
   * @throws Deno.errors.NotFound when one is gone
   */
  async hold(lines: readonly FoundLine[]): Promise<void> {
    this.#lines = lines;
    for (const path of new Set(lines.map(({ path }) => path).filter(isSegment))) {
      if (!this.#files.has(path)) this.#files.set(path, await Deno.open(path));
    }
  }

  /** The next line, without its line break, valid until the one after it; undefined after the last. */
  async read(): Promise<Uint8Array | undefined> {
    while (this.#next < this.#lines.length && !this.#isDisposed) {
      const line = this.#lines[this.#next++];
      try {
        return line.compression === "none" ? await this.#readPlain(line) : await this.#readPiece(line);
      } catch (error) {
        // Retention has removed the part.
        if (isSegment(line.path) || !(error instanceof Deno.errors.NotFound)) throw error;
      }
    }
    return undefined;
  }

  /** A line that is being read is given up. */
  [Symbol.dispose](): void {
    if (this.#isDisposed) return;
    this.#isDisposed = true;
    for (const file of this.#files.values()) file.close();
    this.#files.clear();
    this.#ended();
  }

  async #readPlain({ path, offset, length }: FoundLine): Promise<Uint8Array> {
    const file = await this.#open(path);
    const line = new Uint8Array(length);
    await file.seek(offset, Deno.SeekMode.Start);
    for (let done = 0; done < length;) {
      const read = await file.read(line.subarray(done));
      if (read === null) {
        throw new Error(`Cannot read a line: its file ends ${length - done} bytes too early`);
      }
      done += read;
    }
    return line;
  }

  async #readPiece({ path, compression, offset, start, length }: FoundLine): Promise<Uint8Array> {
    const stretch = { path, compression, offset, length: Infinity };
    const key = `${path}:${offset}`;
    if (this.#piece.key !== key) {
      for await (const { bytes } of readStretch(stretch)) {
        this.#piece = { key, bytes: bytes.slice() };
        break;
      }
    }
    if (start + length <= this.#piece.bytes.length) return this.#piece.bytes.subarray(start, start + length);
    await using reader = new StretchReader(stretch);
    return await gather(reader.range(start, length), length);
  }

  async #open(path: string): Promise<Deno.FsFile> {
    const file = this.#files.get(path) ?? await Deno.open(path);
    this.#files.set(path, file);
    if (this.#files.size <= maxOpen) return file;
    const unused = [...this.#files.keys()].find((each) => !isSegment(each) && each !== path);
    if (unused !== undefined) {
      this.#files.get(unused)!.close();
      this.#files.delete(unused);
    }
    return file;
  }
}
