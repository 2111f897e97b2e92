/**
 * Which bodies are looked at, and how many bytes of them.
 * @module
 */

import type { TrpcCall, TrpcVersion } from "./call.ts";
import { TrpcFailure } from "./failure.ts";
import { normalizeInput, type TrpcRules, type TrpcVerdict } from "./normalize.ts";

/** What one request may hold. */
export interface TrpcLimits {
  /** Decoded bytes of a body. @default 10 MiB */
  readonly maxBodyBytes?: number;
  /** Procedures called by one batch. @default 100 */
  readonly maxCalls?: number;
}

/** @default of {@link TrpcLimits.maxBodyBytes} */
export const defaultMaxBodyBytes = 10 * 1024 * 1024;
/** @default of {@link TrpcLimits.maxCalls} */
export const defaultMaxCalls = 100;

/** Media types that version 11 hands to the procedure as they are. */
const passedTypes = ["multipart/form-data", "application/octet-stream"];

/**
 * What a body is to the server: `input` is JSON to be looked at, `opaque` passes by unread.
 * @throws TrpcFailure UNSUPPORTED_MEDIA_TYPE for what version 11 does not take
 */
export function bodyKind(
  method: string,
  contentType: string | null | undefined,
  { version }: { version: TrpcVersion },
): "input" | "opaque" {
  if (method !== "POST") return "opaque";
  const mediaType = contentType?.split(";", 1)[0].trim().toLowerCase() ?? "";
  if (mediaType === "application/json") return "input";
  // Version 10 looks at no type: what it makes of the body is up to its adapter.
  if (version === 10 || passedTypes.includes(mediaType)) return "opaque";
  throw new TrpcFailure(
    "UNSUPPORTED_MEDIA_TYPE",
    "Content-Type must be application/json, multipart/form-data or application/octet-stream",
  );
}

/** @throws TrpcFailure BAD_REQUEST when it is more than `maxCalls` */
export function checkCalls({ paths }: TrpcCall, maxCalls: number): void {
  if (paths.length <= maxCalls) return;
  throw new TrpcFailure("BAD_REQUEST", `A batch must hold ${maxCalls} calls at most: it has ${paths.length}`);
}

/** What becomes of a body that was refused by no one. */
export type PassedVerdict = Exclude<TrpcVerdict, { action: "refused" }>;

/** @throws TrpcFailure for a verdict that refuses */
export function passOrThrow(verdict: TrpcVerdict): PassedVerdict {
  if (verdict.action === "refused") throw new TrpcFailure(verdict.code, verdict.reason);
  return verdict;
}

const decoder = new TextDecoder();

/**
 * Judges a whole body. Bytes that are no UTF-8 count as the server counts them, and a byte order mark as none.
 * @throws TrpcFailure BAD_REQUEST or PARSE_ERROR
 */
export function judgeBody(body: Uint8Array, call: TrpcCall, rules: TrpcRules): PassedVerdict {
  return passOrThrow(normalizeInput(decoder.decode(body), call, rules));
}

/** The failure for a body past its cap. */
export function tooLargeFailure(maxBodyBytes: number): TrpcFailure {
  return new TrpcFailure("PAYLOAD_TOO_LARGE", `The body is too large: the limit is ${maxBodyBytes} bytes`);
}
