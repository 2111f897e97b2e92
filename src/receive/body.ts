/**
 * Bodies: bytes as they arrive, decoded, under a cap on decoded bytes, with an eye on stalling clients.
 * @module
 */

import { createBrotliDecompress, createGunzip, createInflate, createZstdDecompress } from "node:zlib";
import type { Transform } from "node:stream";
import { WeirError } from "../base/errors.ts";
import type { StallWatch, Watch } from "./stall_watch.ts";

/** Bodies announced as no larger than this are read in one go, which is cheaper than a stream. */
const wholeBodyBytes = 65_536;

const decoders: Record<string, () => Transform> = {
  gzip: createGunzip,
  "x-gzip": createGunzip,
  deflate: createInflate,
  br: createBrotliDecompress,
  zstd: createZstdDecompress,
};

/** How {@link readBody} reads. */
export interface BodyOptions {
  /** Cap on decoded bytes; Infinity for streams that are stored window by window. */
  readonly maxBytes: number;
  readonly stalls: StallWatch;
}

/**
 * The length that a request announces.
 * @returns undefined when it announces none
 * @throws WeirError `invalid_header` when it is no number of bytes
 */
export function contentLength(headers: Headers): number | undefined {
  const text = headers.get("content-length");
  if (text === null) return undefined;
  if (!/^\d{1,15}$/.test(text)) {
    throw new WeirError("invalid_header", "Content-Length must be a number of bytes");
  }
  return Number(text);
}

/**
 * A body that is announced as small and sent as it is, in one piece.
 * @returns undefined for every other body; it is still unread then
 * @throws WeirError `stalled`, or `malformed_json` when the body was cut off
 */
export function readSmallBody(request: Request, stalls: StallWatch): Promise<Uint8Array> | undefined {
  const announced = contentLength(request.headers);
  const isSmall = announced !== undefined && announced <= wholeBodyBytes;
  return isSmall && !request.headers.has("content-encoding")
    ? readWhole(request, announced, stalls)
    : undefined;
}

/**
 * The chunks of a body, decoded.
 *
 * @throws WeirError `unsupported_encoding`, `bad_encoding`, `body_too_large`, `stalled`, or `malformed_json` when
 * the body was cut off before its announced end
 */
export async function* readBody(request: Request, options: BodyOptions): AsyncGenerator<Uint8Array> {
  const { maxBytes } = options;
  const encoding = (request.headers.get("content-encoding") ?? "identity").trim().toLowerCase();
  const announced = contentLength(request.headers);
  if (encoding === "identity") {
    if (announced !== undefined && announced > maxBytes) throw tooLarge(maxBytes);
    yield* capped(readChunks(request, announced, options.stalls), maxBytes);
    return;
  }
  const decoder = Object.hasOwn(decoders, encoding) ? decoders[encoding] : undefined;
  if (decoder === undefined) {
    throw new WeirError(
      "unsupported_encoding",
      "Content-Encoding must be gzip, deflate, br, zstd or identity",
      {
        headers: { "accept-encoding": "gzip, deflate, br, zstd" },
      },
    );
  }
  yield* capped(decode(readChunks(request, announced, options.stalls), decoder()), maxBytes);
}

function tooLarge(maxBytes: number): WeirError {
  return new WeirError("body_too_large", `The body is too large: the limit is ${maxBytes} bytes`);
}

function cutOff(cause?: unknown): WeirError {
  return new WeirError("malformed_json", "The body was cut off before its announced end", { cause });
}

async function readWhole(request: Request, announced: number, stalls: StallWatch): Promise<Uint8Array> {
  if (announced === 0) return new Uint8Array(0);
  const bytes = await new Promise<Uint8Array>((resolve, reject) => {
    const watch = stalls.watch((reason) => reject(new WeirError("stalled", reason)));
    request.bytes().then((whole) => {
      watch[Symbol.dispose]();
      resolve(whole);
    }, (error) => {
      watch[Symbol.dispose]();
      reject(cutOff(error));
    });
  });
  if (bytes.length !== announced) throw cutOff();
  return bytes;
}

async function* readChunks(
  request: Request,
  announced: number | undefined,
  stalls: StallWatch,
): AsyncGenerator<Uint8Array> {
  if (request.body === null) return;
  const reader = request.body.getReader();
  using watch = stalls.watch((reason) => void reader.cancel(reason).catch(() => undefined));
  let received = 0;
  try {
    for (;;) {
      const { value, done } = await readNext(reader, watch);
      if (done) break;
      watch.alive();
      received += value.length;
      yield value;
    }
    if (announced !== undefined && received !== announced) throw cutOff();
  } finally {
    // What was not read is of no use: the reply is known already.
    reader.cancel().catch(() => undefined);
  }
}

async function readNext(
  reader: ReadableStreamDefaultReader<Uint8Array>,
  watch: Watch,
): Promise<ReadableStreamReadResult<Uint8Array>> {
  try {
    const result = await reader.read();
    if (watch.reason !== undefined) throw new WeirError("stalled", watch.reason);
    return result;
  } catch (error) {
    if (watch.reason !== undefined) throw new WeirError("stalled", watch.reason, { cause: error });
    throw cutOff(error);
  }
}

async function* capped(chunks: AsyncIterable<Uint8Array>, maxBytes: number): AsyncGenerator<Uint8Array> {
  let total = 0;
  for await (const chunk of chunks) {
    total += chunk.length;
    if (total > maxBytes) throw tooLarge(maxBytes);
    yield chunk;
  }
}

/** Pulls chunks through a decoder; its own buffers are small, so a bomb is met by the cap above, not by memory. */
async function* decode(chunks: AsyncIterable<Uint8Array>, decoder: Transform): AsyncGenerator<Uint8Array> {
  let failure: unknown;
  const feed = (async () => {
    for await (const chunk of chunks) {
      if (decoder.destroyed) return;
      if (!decoder.write(chunk)) await drained(decoder);
    }
    decoder.end();
  })().catch((error) => {
    failure = error;
    decoder.destroy(error instanceof Error ? error : undefined);
  });
  try {
    for await (const chunk of decoder) yield chunk as Uint8Array;
    await feed;
  } catch (error) {
    if (failure instanceof WeirError) throw failure;
    throw new WeirError("bad_encoding", "The body is not what its Content-Encoding says", { cause: error });
  } finally {
    decoder.destroy();
  }
}

function drained(decoder: Transform): Promise<void> {
  return new Promise((resolve) => {
    const done = (): void => {
      decoder.off("drain", done);
      decoder.off("close", done);
      resolve();
    };
    decoder.on("drain", done);
    decoder.on("close", done);
  });
}

/** Chunks that are here already, as a body. */
// deno-lint-ignore require-await -- bodies are read as they come
export async function* inPieces(chunks: readonly Uint8Array[]): AsyncGenerator<Uint8Array> {
  yield* chunks;
}
