/**
 * Lines whose places are known, read one by one in any order.
 * @module
 */

import type { Compression } from "./layout.ts";
import type { Candidate } from "./newest.ts";
import { gather, readStretch, type StoredPiece, type Stretch, StretchReader } from "./stored_bytes.ts";

/** Bytes read at once. */
const pieceBytes = 256 * 1024;
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
  /** Segments that were opened while the index named them: a flush may remove them since. */
  readonly #segments = new Map<string, Deno.FsFile>();
  /** The piece that was decompressed last: neighbours mostly lie together. */
  #piece = { key: "", bytes: new Uint8Array(0) };
  #isDisposed = false;

  /** @param ended Called once, when nothing more is read. */
  constructor(ended: () => void) {
    this.#ended = ended;
  }

  /**
   * Opens a segment. To be called in the turn of the event loop in which the index named it: then it is there, and
   * can be read however long that takes.
   */
  openSegment(path: string): void {
    if (!this.#segments.has(path)) this.#segments.set(path, Deno.openSync(path));
  }

  /** The pieces of a stretch; of a segment, from where it was opened. */
  async *pieces(stretch: Stretch): AsyncGenerator<StoredPiece, void, undefined> {
    const file = this.#segments.get(stretch.path);
    if (file === undefined) return yield* readStretch(stretch);
    for (let at = 0; at < stretch.length; at += pieceBytes) {
      const offset = stretch.offset + at;
      yield { bytes: await readAt(file, offset, Math.min(pieceBytes, stretch.length - at)), offset };
    }
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
    for (const file of [...this.#files.values(), ...this.#segments.values()]) file.close();
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

async function readAt(file: Deno.FsFile, offset: number, length: number): Promise<Uint8Array> {
  const bytes = new Uint8Array(length);
  await file.seek(offset, Deno.SeekMode.Start);
  for (let done = 0; done < length;) {
    const read = await file.read(bytes.subarray(done));
    if (read === null) throw new Error(`Cannot read stored bytes: they end ${length - done} bytes too early`);
    done += read;
  }
  return bytes;
}
