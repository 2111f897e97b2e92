/**
 * Journal segments that stay readable when a flush removes them.
 * @module
 */

import { readStretch, type StoredPiece, type Stretch } from "./stored_bytes.ts";

/** Bytes read at once. */
const pieceBytes = 256 * 1024;

/** Segments that were opened while the index named them: a flush may remove them since. */
export class OpenSegments implements Disposable {
  readonly #files = new Map<string, Deno.FsFile>();

  /**
   * Opens a segment. To be called in the turn of the event loop in which the index named it: then it is there, and
   * can be read however long that takes.
   */
  open(path: string): void {
    if (!this.#files.has(path)) this.#files.set(path, Deno.openSync(path));
  }

  /** The file, where the path is that of an open segment. */
  get(path: string): Deno.FsFile | undefined {
    return this.#files.get(path);
  }

  /** The pieces of a stretch; of a segment, from where it was opened. @throws as `readStretch` */
  async *pieces(stretch: Stretch): AsyncGenerator<StoredPiece, void, undefined> {
    const file = this.#files.get(stretch.path);
    if (file === undefined) return yield* readStretch(stretch);
    for (let at = 0; at < stretch.length; at += pieceBytes) {
      const offset = stretch.offset + at;
      yield { bytes: await readAt(file, offset, Math.min(pieceBytes, stretch.length - at)), offset };
    }
  }

  [Symbol.dispose](): void {
    for (const file of this.#files.values()) file.close();
    this.#files.clear();
  }
}

/** So many bytes of a file. @throws Error when it ends before */
export async function readAt(file: Deno.FsFile, offset: number, length: number): Promise<Uint8Array> {
  const bytes = new Uint8Array(length);
  await file.seek(offset, Deno.SeekMode.Start);
  for (let done = 0; done < length;) {
    const read = await file.read(bytes.subarray(done));
    if (read === null) throw new Error(`Cannot read stored bytes: they end ${length - done} bytes too early`);
    done += read;
  }
  return bytes;
}
