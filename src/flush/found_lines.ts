/**
 * Lines whose places are known, read one by one in any order.
 * @module
 */

import type { Compression } from "./layout.ts";
import type { Candidate } from "./newest.ts";
import { OpenSegments, readAt } from "./open_segments.ts";
import { gather, readStretch, type StoredPiece, type Stretch, StretchReader } from "./stored_bytes.ts";

/** Parts that stay open from line to line. */
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

/** The lines, in order. */
export class FoundLines implements Disposable {
  readonly #ended: () => void;
  readonly #files = new Map<string, Deno.FsFile>();
  #lines: readonly FoundLine[] = [];
  #next = 0;
  readonly #segments = new OpenSegments();
  /** The piece that was decompressed last: neighbours mostly lie together. */
  #piece = { key: "", bytes: new Uint8Array(0) };
  #isDisposed = false;

  /** @param ended Called once, when nothing more is read. */
  constructor(ended: () => void) {
    this.#ended = ended;
  }

  /** As `OpenSegments.open`, to be called in the turn in which the index named the segment. */
  openSegment(path: string): void {
    this.#segments.open(path);
  }

  /** The pieces of a stretch; of a segment, from where it was opened. */
  pieces(stretch: Stretch): AsyncGenerator<StoredPiece, void, undefined> {
    return this.#segments.pieces(stretch);
  }

  /** Takes the lines over. */
  hold(lines: readonly FoundLine[]): void {
    this.#lines = lines;
  }

  /** The next line, without its line break, valid until the one after it; undefined after the last. */
  async read(): Promise<Uint8Array | undefined> {
    while (this.#next < this.#lines.length && !this.#isDisposed) {
      const line = this.#lines[this.#next++];
      try {
        return line.compression === "none" ? await this.#readPlain(line) : await this.#readPiece(line);
      } catch (error) {
        // Retention has removed the part.
        if (!(error instanceof Deno.errors.NotFound)) throw error;
      }
    }
    return undefined;
  }

  /** A line that is being read is given up. */
  [Symbol.dispose](): void {
    if (this.#isDisposed) return;
    this.#isDisposed = true;
    for (const file of this.#files.values()) file.close();
    this.#segments[Symbol.dispose]();
    this.#ended();
  }

  async #readPlain({ path, offset, length }: FoundLine): Promise<Uint8Array> {
    return await readAt(this.#segments.get(path) ?? await this.#open(path), offset, length);
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
    const [[oldest, unused]] = this.#files;
    unused.close();
    this.#files.delete(oldest);
    return file;
  }
}
