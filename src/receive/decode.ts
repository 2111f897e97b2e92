/**
 * Content codings of bodies (RFC 9110, section 8.4), undone piece by piece.
 * @module
 */

import { createBrotliDecompress, createGunzip, createInflate, createZstdDecompress } from "node:zlib";
import type { Transform } from "node:stream";
import { WeirError } from "../base/errors.ts";
import { ZstdBlocks } from "./zstd_blocks.ts";

/** Chunks of a body, as they arrive. */
export type Chunks = AsyncIterable<Uint8Array>;

/** The least that decoders give at once, where there is more: 16 KiB by default, which is many turns. */
const pieceBytes = 64 * 1024;

const codings: Record<string, (chunks: Chunks) => AsyncGenerator<Uint8Array>> = {
  gzip: (chunks) => decodeStream(chunks, createGunzip({ chunkSize: pieceBytes })),
  "x-gzip": (chunks) => decodeStream(chunks, createGunzip({ chunkSize: pieceBytes })),
  deflate: (chunks) => decodeStream(chunks, createInflate({ chunkSize: pieceBytes })),
  br: (chunks) => decodeStream(chunks, createBrotliDecompress({ chunkSize: pieceBytes })),
  zstd: (chunks) => decodeZstd(chunks, createZstdDecompress({ chunkSize: pieceBytes })),
};

/**
 * Undoes one content coding. What comes out for one chunk is given before the next one is asked for, so that a body
 * that grows without end costs no memory here.
 *
 * @throws WeirError `unsupported_encoding`; while it is read `bad_encoding`, when the body is not what the coding says,
 * is cut off or followed by something else; and what `chunks` throws
 */
export function decoded(coding: string, chunks: Chunks): AsyncGenerator<Uint8Array> {
  if (Object.hasOwn(codings, coding)) return codings[coding](chunks);
  throw new WeirError(
    "unsupported_encoding",
    "Content-Encoding must be gzip, deflate, br, zstd or identity",
    {
      headers: { "accept-encoding": "gzip, deflate, br, zstd" },
    },
  );
}

async function* decodeStream(chunks: Chunks, stream: Transform): AsyncGenerator<Uint8Array> {
  using pump = new Pump(stream);
  let put = 0;
  for await (const chunk of chunks) {
    put += chunk.length;
    yield* pump.put(chunk);
    if (pump.used < put) throw badEncoding();
  }
  // Not every decoder of the runtime tells a body that is cut off. One that is would use another byte.
  for await (const _ of pump.put(new Uint8Array(1))) throw badEncoding();
  if (pump.used > put) throw badEncoding();
}

async function* decodeZstd(chunks: Chunks, stream: Transform): AsyncGenerator<Uint8Array> {
  using pump = new Pump(stream);
  const blocks = new ZstdBlocks();
  let isEmpty = true;
  for await (const chunk of chunks) {
    isEmpty = false;
    try {
      for (const piece of blocks.cut(chunk)) yield* pump.put(piece);
    } catch (error) {
      throw error instanceof RangeError ? badEncoding(error) : error;
    }
  }
  if (isEmpty || !blocks.isBetween) throw badEncoding();
}

function badEncoding(cause?: unknown): WeirError {
  return new WeirError("bad_encoding", "The body is not what its Content-Encoding says", { cause });
}

/** A decoder of the runtime, driven by hand. */
class Pump implements Disposable {
  readonly #stream: Transform;
  #error: unknown;
  #wake: () => void = () => {};

  constructor(stream: Transform) {
    this.#stream = stream;
    stream.on("readable", () => this.#wake());
    stream.on("error", (error) => {
      this.#error = error;
      this.#wake();
    });
  }

  /** Bytes that were used, of all that were put in. */
  get used(): number {
    return (this.#stream as Transform & { readonly bytesWritten: number }).bytesWritten;
  }

  /** Puts bytes in, and gives all that comes out. */
  async *put(bytes: Uint8Array): AsyncGenerator<Uint8Array> {
    let isTaken = false;
    this.#stream.write(bytes, () => {
      isTaken = true;
      this.#wake();
    });
    for (;;) {
      const piece: Uint8Array | null = this.#stream.read();
      if (piece !== null) yield piece;
      else if (this.#error !== undefined) throw badEncoding(this.#error);
      else if (isTaken) return;
      else await new Promise<void>((resolve) => this.#wake = resolve);
    }
  }

  [Symbol.dispose](): void {
    this.#stream.destroy();
  }
}
