/**
 * Bodies for the middlewares: whole, decoded and capped, on any runtime with web streams.
 * @module
 */

import { tooLargeFailure } from "./body_kind.ts";
import { TrpcFailure } from "./failure.ts";

const codings: Record<string, "gzip" | "deflate"> = { gzip: "gzip", "x-gzip": "gzip", deflate: "deflate" };

/** The Content-Encoding in lower case; `identity` where there is none. */
export function contentCoding(header: string | null | undefined): string {
  return header?.trim().toLowerCase() || "identity";
}

/**
 * Collects a body.
 * @throws TrpcFailure PAYLOAD_TOO_LARGE, UNSUPPORTED_MEDIA_TYPE for a coding that is not known, BAD_REQUEST for a body
 * that is not what its coding says; and what `chunks` throws
 */
export async function collectBody(
  chunks: AsyncIterable<Uint8Array<ArrayBuffer>>,
  { coding, maxBytes }: { coding: string; maxBytes: number },
): Promise<Uint8Array<ArrayBuffer>> {
  if (coding === "identity") return await collect(chunks, maxBytes);
  if (!Object.hasOwn(codings, coding)) {
    throw new TrpcFailure("UNSUPPORTED_MEDIA_TYPE", "Content-Encoding must be gzip, deflate or identity");
  }
  let failed: unknown;
  const source = streamOf(chunks, (error) => failed = error);
  try {
    return await collect(source.pipeThrough(new DecompressionStream(codings[coding])), maxBytes);
  } catch (error) {
    if (error instanceof TrpcFailure) throw error;
    throw failed ?? new TrpcFailure("BAD_REQUEST", "The body is not what its Content-Encoding says");
  }
}

async function collect(
  chunks: AsyncIterable<Uint8Array<ArrayBuffer>>,
  maxBytes: number,
): Promise<Uint8Array<ArrayBuffer>> {
  const kept: Uint8Array[] = [];
  let size = 0;
  for await (const chunk of chunks) {
    size += chunk.length;
    if (size > maxBytes) throw tooLargeFailure(maxBytes);
    kept.push(chunk);
  }
  const whole = new Uint8Array(size);
  let at = 0;
  for (const chunk of kept) {
    whole.set(chunk, at);
    at += chunk.length;
  }
  return whole;
}

/** `ReadableStream.from()`, which not every runtime has, with an ear for what the source throws. */
function streamOf(
  chunks: AsyncIterable<Uint8Array<ArrayBuffer>>,
  onError: (error: unknown) => void,
): ReadableStream<Uint8Array<ArrayBuffer>> {
  const iterator = chunks[Symbol.asyncIterator]();
  return new ReadableStream({
    async pull(controller): Promise<void> {
      try {
        const { value, done } = await iterator.next();
        if (done) controller.close();
        else controller.enqueue(value);
      } catch (error) {
        onError(error);
        controller.error(error);
      }
    },
    async cancel(): Promise<void> {
      await iterator.return?.();
    },
  });
}
