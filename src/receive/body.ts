/**
 * Bodies: bytes as they arrive, decoded, under a cap on decoded bytes, with an eye on stalling clients.
 * @module
 */

import { WeirError } from "../base/errors.ts";
import { decoded } from "./decode.ts";
import type { Inflow } from "./inflow.ts";
import type { StallWatch, Watch } from "./stall_watch.ts";

/**
 * Bodies announced as no larger than this are read in one go, which is cheaper than a stream. Nobody sees their bytes
 * come one by one, so they must be here as a whole before a body would count as stalled: 16 KiB is 0.5 KiB/s then.
 * Larger ones that are read so are waited for as many times as long.
 */
const wholeBodyBytes = 16 * 1024;

/** Chunks of bodies are no larger than this, whatever the buffer. */
const chunkBytes = 64 * 1024;

/** How {@link readBody} reads. */
export interface BodyOptions {
  /** Cap on decoded bytes; Infinity for streams that are stored window by window. */
  readonly maxBytes: number;
  readonly stalls: StallWatch;
  /** Leaves content codings as they are; the cap is on the bytes sent then. @default false */
  readonly asSent?: boolean;
  /** Bodies announced as no larger than this are small to {@link readSmallBody}. @default 16 KiB */
  readonly smallBytes?: number;
  /** What the request is known to announce. @default its {@link contentLength} */
  readonly announced?: number;
  /** Told of each read of {@link readBody}, of bytes as they are sent. @default nobody is */
  readonly inflow?: Inflow;
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
 * @throws WeirError `body_too_large`, `stalled`, `draining`, or `malformed_json` when the body was cut off
 */
export function readSmallBody(request: Request, options: BodyOptions): Promise<Uint8Array> | undefined {
  const { smallBytes = wholeBodyBytes, announced = contentLength(request.headers) } = options;
  if (announced === undefined || announced > smallBytes || codingOf(request.headers) !== "identity") {
    return undefined;
  }
  if (announced > options.maxBytes) throw tooLarge(options.maxBytes);
  return readWhole(request, announced, options.stalls);
}

/** The Content-Encoding in lower case; `identity` where there is none. */
export function codingOf(headers: Headers): string {
  return headers.get("content-encoding")?.trim().toLowerCase() || "identity";
}

/**
 * The chunks of a body, decoded. A chunk may be overwritten once the one after the next is asked for.
 *
 * @throws WeirError `unsupported_encoding`, `bad_encoding`, `body_too_large`, `stalled`, `draining`, or
 * `malformed_json` when the body was cut off before its announced end
 */
export async function* readBody(request: Request, options: BodyOptions): AsyncGenerator<Uint8Array> {
  const { maxBytes } = options;
  const coding = options.asSent ? "identity" : codingOf(request.headers);
  const { announced = contentLength(request.headers) } = options;
  if (coding === "identity" && announced !== undefined && announced > maxBytes) throw tooLarge(maxBytes);
  const chunks = readChunks(request, announced, options);
  yield* capped(coding === "identity" ? chunks : decoded(coding, chunks), maxBytes);
}

function tooLarge(maxBytes: number): WeirError {
  return new WeirError("body_too_large", `The body is too large: the limit is ${maxBytes} bytes`);
}

function cutOff(cause?: unknown): WeirError {
  return new WeirError("malformed_json", "The body was cut off before its announced end", { cause });
}

function readWhole(request: Request, announced: number, stalls: StallWatch): Promise<Uint8Array> {
  if (announced === 0) return Promise.resolve(new Uint8Array(0));
  return new Promise((resolve, reject) => {
    const watch = stalls.watch(reject, Math.ceil(announced / wholeBodyBytes));
    request.bytes().then((bytes) => {
      watch[Symbol.dispose]();
      if (bytes.length === announced) resolve(bytes);
      else reject(cutOff());
    }, (error) => {
      watch[Symbol.dispose]();
      reject(cutOff(error));
    });
  });
}

async function* readChunks(
  request: Request,
  announced: number | undefined,
  { stalls, inflow }: BodyOptions,
): AsyncGenerator<Uint8Array> {
  if (request.body === null) return;
  const reader = chunkReader(request.body);
  using watch = stalls.watch(() => void reader.cancel().catch(() => undefined));
  let received = 0;
  try {
    for (;;) {
      watch.wait();
      inflow?.wait();
      const { value, done } = await readNext(reader, watch);
      inflow?.rest();
      if (done) break;
      received += value.length;
      watch.rest();
      yield value;
    }
    if (announced !== undefined && received !== announced) throw cutOff();
  } finally {
    inflow?.rest();
    // What was not read is of no use: the reply is known already.
    reader.cancel().catch(() => undefined);
  }
}

async function readNext(
  reader: ChunkReader,
  watch: Watch,
): Promise<ReadableStreamReadResult<Uint8Array<ArrayBuffer>>> {
  try {
    const result = await reader.read();
    if (watch.refusal !== undefined) throw watch.refusal;
    return result;
  } catch (error) {
    throw watch.refusal ?? cutOff(error);
  }
}

type ChunkReader = Pick<ReadableStreamDefaultReader<Uint8Array<ArrayBuffer>>, "read" | "cancel">;

/**
 * Reads into two buffers in turn where the body allows it: fresh ones for each chunk are garbage faster than they are
 * collected. Bodies that are here already as a whole are no byte streams, and small.
 */
function chunkReader(body: ReadableStream<Uint8Array<ArrayBuffer>>): ChunkReader {
  let reader: ReadableStreamBYOBReader;
  try {
    reader = body.getReader({ mode: "byob" });
  } catch (error) {
    if (!(error instanceof TypeError)) throw error;
    return body.getReader();
  }
  let next = new ArrayBuffer(chunkBytes);
  let last = new ArrayBuffer(chunkBytes);
  return {
    async read(): Promise<ReadableStreamReadResult<Uint8Array<ArrayBuffer>>> {
      const result = await reader.read(new Uint8Array(next));
      if (result.value !== undefined) [next, last] = [last, result.value.buffer];
      return result as ReadableStreamReadResult<Uint8Array<ArrayBuffer>>;
    },
    cancel: (reason) => reader.cancel(reason),
  };
}

async function* capped(chunks: AsyncIterable<Uint8Array>, maxBytes: number): AsyncGenerator<Uint8Array> {
  let total = 0;
  for await (const chunk of chunks) {
    total += chunk.length;
    if (total > maxBytes) throw tooLarge(maxBytes);
    yield chunk;
  }
}

/** Chunks that are here already, as a body. */
export async function* inPieces(chunks: readonly Uint8Array[]): AsyncGenerator<Uint8Array> {
  yield* chunks;
}
