/**
 * Errors in the form that tRPC clients read, for whoever answers in the place of a tRPC server.
 * @module
 */

import type { TrpcCall } from "./call.ts";
import type { Transformer } from "./normalize.ts";

/** tRPC's words for errors, with status and JSON-RPC number. */
const errorWords = {
  PARSE_ERROR: [400, -32700],
  BAD_REQUEST: [400, -32600],
  TIMEOUT: [408, -32008],
  PAYLOAD_TOO_LARGE: [413, -32013],
  UNSUPPORTED_MEDIA_TYPE: [415, -32015],
  INTERNAL_SERVER_ERROR: [500, -32603],
  BAD_GATEWAY: [502, -32603],
  SERVICE_UNAVAILABLE: [503, -32603],
  GATEWAY_TIMEOUT: [504, -32603],
} as const satisfies Record<string, readonly [number, number]>;

/** One of tRPC's words for errors. */
export type TrpcErrorWord = keyof typeof errorWords;

/** The word for a status. @default INTERNAL_SERVER_ERROR for statuses that have none */
export function errorWordOf(status: number): TrpcErrorWord {
  if (status === 400) return "BAD_REQUEST";
  const found = Object.entries(errorWords).find(([, [known]]) => known === status);
  return (found?.[0] ?? "INTERNAL_SERVER_ERROR") as TrpcErrorWord;
}

/** A request that gets no further. Its message may be shown: no payload in it. */
export class TrpcFailure extends Error {
  override readonly name = "TrpcFailure";
  readonly word: TrpcErrorWord;

  constructor(word: TrpcErrorWord, message: string) {
    super(message);
    this.word = word;
  }

  /** HTTP status. */
  get status(): number {
    return errorWords[this.word][0];
  }
}

/** For whom an error is written. */
export interface FailureAudience {
  readonly call: TrpcCall;
  readonly transformer: Transformer;
  /** Of the request: they say whether the client reads a stream. */
  readonly headers: { get(name: string): string | null | undefined };
}

/** More copies of one error than this help nobody. */
const maxCopies = 1_000;

/**
 * The error as JSON text. A batch gets it once a call; a client that reads a stream gets the form in which it reads
 * errors: version 11 one bare object, version 10 its stream of lines.
 */
export function failureText(failure: TrpcFailure, { call, transformer, headers }: FailureAudience): string {
  const [httpStatus, number] = errorWords[failure.word];
  const copy = (path: string | undefined): string => {
    const data = { code: failure.word, httpStatus, ...(path === undefined ? {} : { path }) };
    const shape = { message: failure.message, code: number, data };
    return JSON.stringify({ error: transformer === "superjson" ? { json: shape } : shape });
  };
  if (!call.isBatch) return copy(call.paths[0]);
  if (headers.get("trpc-accept") === "application/jsonl") return copy(undefined);
  const copies = call.paths.slice(0, maxCopies).map(copy);
  if (headers.get("trpc-batch-mode") !== "stream") return `[${copies.join(",")}]`;
  return `${copies.map((text, i) => `${i === 0 ? "{" : ","}"${i}":${text}\n`).join("")}}\n`;
}
