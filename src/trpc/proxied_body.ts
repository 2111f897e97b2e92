/**
 * Bodies on their way through the proxy: read whole where they must be looked at, else passed on as they come.
 * @module
 */

import type { Lease } from "../receive/admission.ts";
import { codingOf, contentLength, readBody, readSmallBody } from "../receive/body.ts";
import type { StallWatch } from "../receive/stall_watch.ts";
import { judgeBody, type PassedVerdict, tooLargeFailure } from "./body_kind.ts";
import type { TrpcCall } from "./call.ts";
import type { RequestBody } from "./connection.ts";
import type { Cut, SilenceLimit } from "./cut.ts";
import type { TrpcRules } from "./normalize.ts";

/** A body, ready to be sent. */
export interface ProxiedBody {
  readonly sent: RequestBody;
  /** The header line that says where it ends; "" where there is no body. */
  readonly lengthLine: string;
  readonly verdict: PassedVerdict;
  /** Was a content coding undone? */
  readonly isDecoded: boolean;
}

interface ReadingOptions {
  readonly maxBytes: number;
  readonly stalls: StallWatch;
  readonly lease: Lease;
}

/** Memory for each byte that is looked at: itself, its text, and the values in it. */
const heldPerByte = 3;

const encoder = new TextEncoder();

/**
 * Reads a body whole and judges it.
 * @throws TrpcFailure, and WeirError where it is too large, late, cut off, or not what its coding says
 */
export async function readInput(
  request: Request,
  options: ReadingOptions & { call: TrpcCall; rules: TrpcRules },
): Promise<ProxiedBody> {
  const { call, rules } = options;
  const bytes = await readSmallBody(request, options) ?? await readLarge(request, options);
  const isDecoded = codingOf(request.headers) !== "identity";
  let verdict = judgeBody(bytes, call, rules);
  const sent = verdict.action === "normalized" ? encoder.encode(verdict.text) : bytes;
  if (isDecoded) {
    const steps = verdict.action === "normalized" ? verdict.steps : [];
    verdict = { action: "normalized", text: "", steps: ["decoded", ...steps] };
  }
  return { sent: { kind: "bytes", bytes: sent }, lengthLine: lengthLine(sent.length), verdict, isDecoded };
}

/**
 * Passes a body on without a look at it. What fails in reading it cuts the exchange.
 * @throws TrpcFailure when it announces more than its cap
 */
export function streamOpaque(
  request: Request,
  options: ReadingOptions & { cut: Cut; silence: SilenceLimit },
): ProxiedBody {
  const verdict = { action: "unchanged" } as const;
  const length = contentLength(request.headers);
  const hasMeaning = request.method === "POST" || request.method === "PUT" || request.method === "PATCH";
  // The runtime shows an empty stream where methods such as OPTIONS came without a body.
  const isAnnounced = length !== undefined || request.headers.has("transfer-encoding");
  if (request.body === null || (!hasMeaning && !isAnnounced)) {
    return { sent: { kind: "none" }, lengthLine: hasMeaning ? lengthLine(0) : "", verdict, isDecoded: false };
  }
  if (length !== undefined && length > options.maxBytes) throw tooLargeFailure(options.maxBytes);
  return {
    sent: { kind: "stream", chunks: passing(request, options), length },
    lengthLine: length === undefined ? "transfer-encoding: chunked\r\n" : lengthLine(length),
    verdict,
    isDecoded: false,
  };
}

async function* passing(
  request: Request,
  { maxBytes, stalls, cut, silence }: ReadingOptions & { cut: Cut; silence: SilenceLimit },
): AsyncGenerator<Uint8Array> {
  try {
    // While the client is waited for, the upstream is not to blame.
    silence.rest();
    for await (const chunk of readBody(request, { maxBytes, stalls, asSent: true })) {
      silence.arm();
      yield chunk;
      silence.rest();
    }
    silence.arm();
  } catch (error) {
    cut.fire(error as Error);
    throw error;
  }
}

async function readLarge(request: Request, options: ReadingOptions): Promise<Uint8Array> {
  const { lease } = options;
  const chunks: Uint8Array[] = [];
  let size = 0;
  const announced = contentLength(request.headers) ?? 0;
  lease.hold(heldPerByte * Math.min(announced, options.maxBytes));
  for await (const chunk of readBody(request, options)) {
    // Chunks are overwritten by those after them.
    chunks.push(chunk.slice());
    size += chunk.length;
    if (size > announced) lease.hold(heldPerByte * size);
  }
  const whole = new Uint8Array(size);
  let at = 0;
  for (const chunk of chunks) {
    whole.set(chunk, at);
    at += chunk.length;
  }
  return whole;
}

function lengthLine(bytes: number): string {
  return `content-length: ${bytes}\r\n`;
}
