/**
 * Reads stretches of parts and of journal segments, in pieces of bounded size, compressed or not.
 * @module
 */

import { type Compression } from "./layout.ts";
import { maxStoredBytes, readMember } from "./members.ts";

/** Bytes read at once where nothing is compressed. */
const pieceBytes = 256 * 1024;
/** A stretch that is not compressed is read through, not sought, where less than this is to be skipped. */
const maxSkipBytes = 256 * 1024;

/** A stretch of a file. */
export interface Stretch {
  readonly path: string;
  readonly compression: Compression;
  /** Where it begins in the file; with compression, where a member begins. */
  readonly offset: number;
  /** Bytes in the file. */
  readonly length: number;
}

/** Some of a stretch's bytes. */
export interface StoredPiece {
  /** Decompressed; valid until the next piece is asked for. */
  readonly bytes: Uint8Array;
  /** Where they, or the member they come from, begin in the file. */
  readonly offset: number;
}

/**
 * The bytes of a stretch, decompressed. It ends at the end of the file when the stretch is longer.
 * @throws Deno.errors.NotFound when there is no such file
 * @throws Error when a member is damaged
 */
export async function* readStretch(stretch: Stretch): AsyncGenerator<StoredPiece, void, undefined> {
  const { path, compression, offset, length } = stretch;
  using file = await Deno.open(path);
  const buffer = new Uint8Array(Math.min(length, compression === "none" ? pieceBytes : maxStoredBytes));
  await file.seek(offset, Deno.SeekMode.Start);
  let at = offset, held = 0, left = length;
  for (;;) {
    const size = await fill(file, buffer.subarray(held, Math.min(buffer.length, held + left)));
    left -= size;
    held += size;
    if (held === 0) return;
    const { data, storedBytes } = compression === "none"
      ? { data: buffer.subarray(0, held), storedBytes: held }
      : readMember(compression, buffer.subarray(0, held));
    yield { bytes: data, offset: at };
    at += storedBytes;
    buffer.copyWithin(0, storedBytes, held);
    held -= storedBytes;
  }
}

/** Reads ranges of one stretch, each from where the last one ended or later; going back starts anew. */
export class StretchReader implements AsyncDisposable {
  readonly #stretch: Stretch;
  #pieces: AsyncGenerator<StoredPiece, void, undefined> | undefined;
  /** Decompressed bytes that were read and not handed out. */
  #rest: Uint8Array = new Uint8Array(0);
  /** Where {@link #rest} begins, in decompressed bytes from the start of the stretch. */
  #at = 0;
  /** Where {@link #rest}, or the member it comes from, begins in the file. */
  #offset = 0;

  constructor(stretch: Stretch) {
    this.#stretch = stretch;
  }

  /**
   * `length` bytes from `start` on, both in decompressed bytes from the start of the stretch. A piece is valid until
   * the next is asked for.
   * @throws as {@link readStretch}; Error when the stretch ends before
   */
  async *range(start: number, length: number): AsyncGenerator<Uint8Array, void, undefined> {
    if (length > 0) await this.#goTo(start);
    for (let left = length; left > 0;) {
      if (this.#rest.length === 0 && !await this.#more()) {
        throw new Error(`Cannot read stored bytes: they end ${left} bytes too early`);
      }
      const piece = this.#rest.subarray(0, left);
      left -= piece.length;
      this.#skip(piece.length);
      yield piece;
    }
  }

  /**
   * Where the byte at `start`, or the member that begins with it, lies in the file; undefined at the end.
   * @throws as {@link readStretch}
   */
  async offsetOf(start: number): Promise<number | undefined> {
    await this.#goTo(start);
    if (this.#rest.length === 0 && !await this.#more()) return undefined;
    return this.#offset;
  }

  async [Symbol.asyncDispose](): Promise<void> {
    await this.#pieces?.return();
    this.#pieces = undefined;
  }

  async #goTo(start: number): Promise<void> {
    const seekable = this.#stretch.compression === "none";
    const ahead = start - this.#at - this.#rest.length;
    if (this.#pieces === undefined || start < this.#at || (seekable && ahead > maxSkipBytes)) {
      await this.#pieces?.return();
      const { offset, length } = this.#stretch;
      const from = seekable ? start : 0;
      this.#pieces = readStretch({ ...this.#stretch, offset: offset + from, length: length - from });
      this.#rest = new Uint8Array(0);
      this.#at = from;
    }
    while (this.#at + this.#rest.length < start) {
      this.#skip(this.#rest.length);
      if (!await this.#more()) return;
    }
    this.#skip(start - this.#at);
  }

  #skip(size: number): void {
    this.#at += size;
    this.#rest = this.#rest.subarray(size);
    if (this.#stretch.compression === "none") this.#offset += size;
  }

  async #more(): Promise<boolean> {
    const pieces = this.#pieces;
    if (pieces === undefined) return false;
    // A generator that threw is at its end: the next range begins with another.
    this.#pieces = undefined;
    const next = await pieces.next();
    this.#pieces = pieces;
    if (next.done) return false;
    this.#rest = next.value.bytes;
    this.#offset = next.value.offset;
    return true;
  }
}

/** Pieces as one; `length` is what they are together. */
export async function gather(pieces: AsyncIterable<Uint8Array>, length: number): Promise<Uint8Array> {
  const bytes = new Uint8Array(length);
  let at = 0;
  for await (const piece of pieces) {
    bytes.set(piece, at);
    at += piece.length;
  }
  return bytes;
}

/** Fills the buffer as far as the file goes. */
async function fill(file: Deno.FsFile, buffer: Uint8Array): Promise<number> {
  let done = 0;
  while (done < buffer.length) {
    const read = await file.read(buffer.subarray(done));
    if (read === null) break;
    done += read;
  }
  return done;
}
