/**
 * Reads a segment in pieces of bounded size.
 * @module
 */

import { crc32 } from "node:zlib";

/** Bytes read at once; only a frame larger than this gets a buffer of its own. */
export const pieceBytes = 1024 * 1024;

/** An open segment, read at any place through one buffer. */
export class SegmentReader implements Disposable {
  /**
   * Bytes of the file when it was opened, without zeroes at its end, which are room for frames to come: a frame ends
   * with a line break. What a writer adds later is not seen.
   */
  readonly size: number;
  readonly #file: Deno.FsFile;
  readonly #buffer = new Uint8Array(pieceBytes);
  #start = 0;
  #end = 0;

  /** @throws Deno.errors.NotFound and the like when the file cannot be opened */
  static async open(path: string): Promise<SegmentReader> {
    const file = await Deno.open(path);
    try {
      return new SegmentReader(file, await endOfContent(file));
    } catch (error) {
      file.close();
      throw error;
    }
  }

  private constructor(file: Deno.FsFile, size: number) {
    this.#file = file;
    this.size = size;
  }

  /** The bytes of `[offset, offset + length)`, which must lie in the file; valid until the next call. */
  async bytes(offset: number, length: number): Promise<Uint8Array> {
    if (length > pieceBytes) return await this.#read(offset, new Uint8Array(length));
    if (offset < this.#start || offset + length > this.#end) {
      const more = Math.min(pieceBytes, this.size - offset);
      this.#start = this.#end = 0;
      await this.#read(offset, this.#buffer.subarray(0, more));
      this.#start = offset;
      this.#end = offset + more;
    }
    return this.#buffer.subarray(offset - this.#start, offset - this.#start + length);
  }

  /** The CRC-32 of `[offset, offset + length)`, piece by piece. */
  async crc(offset: number, length: number): Promise<number> {
    let crc = 0;
    for (let done = 0; done < length; done += pieceBytes) {
      crc = crc32(await this.bytes(offset + done, Math.min(pieceBytes, length - done)), crc);
    }
    return crc;
  }

  [Symbol.dispose](): void {
    this.#file.close();
  }

  async #read(offset: number, into: Uint8Array): Promise<Uint8Array> {
    await this.#file.seek(offset, Deno.SeekMode.Start);
    for (let done = 0; done < into.length;) {
      const read = await this.#file.read(into.subarray(done));
      if (read === null) {
        throw Object.assign(new Error("The segment got shorter while it was read"), { code: "EIO" });
      }
      done += read;
    }
    return into;
  }
}

/** Behind the last byte that is not 0. */
async function endOfContent(file: Deno.FsFile): Promise<number> {
  const piece = new Uint8Array(64 * 1024);
  let { size: end } = await file.stat();
  while (end > 0) {
    const start = Math.max(0, end - piece.length);
    await file.seek(start, Deno.SeekMode.Start);
    let got = 0;
    while (got < end - start) {
      const read = await file.read(piece.subarray(got, end - start));
      if (read === null) break;
      got += read;
    }
    let at = got;
    while (at > 0 && piece[at - 1] === 0) at--;
    if (at > 0) return start + at;
    end = start;
  }
  return 0;
}
