/**
 * What a server says about trace files, read with suspicion: a file counts as written only where a reply says so
 * of that very file.
 * @module
 */

import type { DeliveryReply, DeliveryResult } from "./delivery.ts";

/** What a server says of one file. */
export type Word =
  | { readonly isWritten: true; readonly path?: string; readonly bytes?: number }
  | {
    readonly isWritten: false;
    readonly code: string;
    readonly message: string;
    /** Undefined where the server does not say. */
    readonly isRetryable?: boolean;
  };

/** A reply that broke off within its JSON is worth another try; one that is something else is not. */
export function isCutOff({ status, text }: DeliveryReply): boolean {
  return status >= 200 && status < 300 && /^\s*\{/.test(text) && parseObject(text) === undefined;
}

/**
 * The word on each of `count` files, by their position in the batch; undefined where the reply has none for it.
 * @returns undefined when it is no reply to a batch at all
 */
export function readBatchReply({ text }: DeliveryReply, count: number): (Word | undefined)[] | undefined {
  const results = parseObject(text)?.results;
  if (!Array.isArray(results)) return undefined;
  const words = new Array<Word | undefined>(count).fill(undefined);
  for (const [position, result] of results.entries()) {
    if (!isObject(result)) continue;
    const index = result.index ?? position;
    if (typeof index !== "number" || !(index in words)) continue;
    const word = readWord(result);
    // Of two that contradict each other, the worse one counts.
    if (words[index]?.isWritten !== false) words[index] = word;
  }
  return words;
}

/**
 * A refusal of a whole batch, which is the word on each of its files. Some servers answer 500 when they failed after
 * writing; only those that name an error code are known not to.
 */
export function readRefusal({ status, text }: DeliveryReply): Word | undefined {
  const reply = status < 400 ? undefined : parseObject(text);
  return reply?.success === false && typeof reply.code === "string" ? readWord(reply) : undefined;
}

/** The word on the one file of a single write; undefined when the reply is none. */
export function readSingleReply({ text }: DeliveryReply): Word | undefined {
  const reply = parseObject(text);
  return typeof reply?.success === "boolean" ? readWord(reply) : undefined;
}

/** Why there is no word on a file, for people and programs. */
export function describeFailure(result: DeliveryResult): { code: string; message: string } {
  if (result.kind === "no_reply") {
    const { reason, error } = result;
    return { code: reason, message: error instanceof Error ? error.message : String(error ?? reason) };
  }
  const { status, text } = result.reply;
  const reply = parseObject(text);
  const code = typeof reply?.code === "string" ? reply.code : `http_${status}`;
  if (typeof reply?.error === "string") return { code, message: reply.error };
  return {
    code: result.ok ? "bad_reply" : code,
    message: `The server answered ${status} with something else`,
  };
}

function readWord(result: Record<string, unknown>): Word {
  const { success, filePath, path, size, bytesWritten, error, code, retryable } = result;
  if (success === true) {
    const bytes = [size, bytesWritten].find((value) => typeof value === "number");
    const written = [filePath, path].find((value) => typeof value === "string");
    return { isWritten: true, bytes, path: written };
  }
  return {
    isWritten: false,
    code: typeof code === "string" ? code : "write_failed",
    message: typeof error === "string" ? error : "The server did not write the file",
    isRetryable: typeof retryable === "boolean" ? retryable : undefined,
  };
}

function parseObject(text: string): Record<string, unknown> | undefined {
  try {
    const value: unknown = JSON.parse(text);
    return isObject(value) ? value : undefined;
  } catch {
    return undefined;
  }
}

function isObject(value: unknown): value is Record<string, unknown> {
  return value !== null && typeof value === "object" && !Array.isArray(value);
}
