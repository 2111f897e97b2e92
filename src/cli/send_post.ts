/**
 * One batch to the daemon, tried again where that may help.
 * @module
 */

import { createHash } from "node:crypto";
import { setTimeout as pause } from "node:timers/promises";
import type { Rejection } from "../base/outcome.ts";
import type { RowBatch } from "./send_batch.ts";

/** What the daemon said of a batch. */
export interface Verdict {
  readonly accepted: number;
  /** Of the accepted ones, those that were stored before. */
  readonly duplicates: number;
  readonly rejected: readonly Rejection[];
}

/** Where a batch goes. */
export interface Target {
  readonly url: URL;
  readonly headers: Readonly<Record<string, string>>;
  /** Of the file, for an Idempotency-Key that a later run makes again. */
  readonly fileId: string;
  /** How many times a batch is tried again. */
  readonly retries: number;
  /** Gives up, also what is under way. */
  readonly signal: AbortSignal;
}

/** The batch could not be delivered. */
export class DeliveryError extends Error {
  override readonly name = "DeliveryError";
}

const firstWaitMs = 250;
const longestWaitMs = 8_000;
/** The longest pause that a daemon can ask for with Retry-After. */
const longestAskedMs = 60_000;
const timeoutMs = 60_000;

/**
 * Posts a batch; a repeat after a lost reply stores nothing twice, thanks to its Idempotency-Key.
 * @throws DeliveryError when the daemon refuses the batch as a whole, or stays out of reach, or the signal comes
 */
export async function postBatch(batch: RowBatch, target: Target): Promise<Verdict> {
  const key = createHash("sha256").update(`${target.fileId}:${batch.firstRow}:`).update(batch.body)
    .digest("hex");
  const headers = { ...target.headers, "idempotency-key": key };
  const { signal } = target;
  for (let attempt = 0;; attempt++) {
    if (signal.aborted) throw new DeliveryError("interrupted");
    const answer = await post(batch, { ...target, headers });
    if ("accepted" in answer) return answer;
    if (signal.aborted) throw new DeliveryError("interrupted");
    if (!answer.retryable || attempt >= target.retries) throw new DeliveryError(answer.message);
    const waitMs = Math.min(firstWaitMs * 2 ** attempt, longestWaitMs) * (0.75 + Math.random() / 2);
    const askedMs = Math.min((answer.retryAfterS ?? 0) * 1_000, longestAskedMs);
    // What ends the pause early is looked at next.
    await pause(Math.max(waitMs, askedMs), undefined, { signal }).catch(() => undefined);
  }
}

type Answer = Verdict | { message: string; retryable: boolean; retryAfterS?: number };

async function post(batch: RowBatch, to: Pick<Target, "url" | "headers" | "signal">): Promise<Answer> {
  let response: Response;
  let text: string;
  try {
    response = await fetch(to.url, {
      method: "POST",
      headers: to.headers,
      body: batch.body,
      signal: AbortSignal.any([to.signal, AbortSignal.timeout(timeoutMs)]),
    });
    text = await response.text();
  } catch (error) {
    return {
      message: `${to.url.host} cannot be reached: ${error instanceof Error ? error.message : error}`,
      retryable: true,
    };
  }
  const reply = readJson(text);
  if (response.ok) {
    if (typeof reply.accepted === "number" && Array.isArray(reply.rejected)) {
      return verdictOf(reply as unknown as Reply, { batch, isRepeat: isRepeat(response) });
    }
    return { message: `${to.url} does not answer as /track/batch does`, retryable: false };
  }
  return {
    message: `HTTP ${response.status}: ${typeof reply.message === "string" ? reply.message : "no message"}`,
    retryable: response.status === 408 || response.status === 429 || response.status >= 500,
    retryAfterS: Number(response.headers.get("retry-after")) || undefined,
  };
}

type Reply = Pick<Verdict, "accepted" | "rejected"> & Partial<Verdict>;

/** Was the request not run, because one with the same Idempotency-Key had been? */
function isRepeat(response: Response): boolean {
  return response.headers.get("idempotent-replayed") === "true";
}

/** The daemon saw `null` where a row is no JSON. */
function verdictOf(
  { accepted, rejected, duplicates = 0 }: Reply,
  { batch, isRepeat }: { batch: RowBatch; isRepeat: boolean },
): Verdict {
  const named = rejected.map((rejection) =>
    batch.malformed.has(rejection.index)
      ? { index: rejection.index, reason: "malformed", error: "Not valid JSON" } as const
      : rejection
  );
  return { accepted, rejected: named, duplicates: isRepeat ? accepted : duplicates };
}

function readJson(text: string): Record<string, unknown> {
  try {
    const value: unknown = JSON.parse(text);
    return value !== null && typeof value === "object" ? value as Record<string, unknown> : {};
  } catch {
    return {};
  }
}
