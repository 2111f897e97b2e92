/**
 * One batch to the daemon, tried again where that may help.
 * @module
 */

import { createHash } from "node:crypto";
import type { Rejection } from "../base/outcome.ts";
import type { RowBatch } from "./send_source.ts";

/** What the daemon said of a batch. */
export interface Verdict {
  readonly accepted: number;
  readonly duplicates: number;
  readonly rejected: readonly Rejection[];
}

/** Where a batch goes. */
export interface Target {
  readonly url: URL;
  readonly headers: Readonly<Record<string, string>>;
  /** Of the file, for an Idempotency-Key that a later run makes again; undefined for standard input. */
  readonly fileId: string | undefined;
}

/** The batch could not be delivered. */
export class DeliveryError extends Error {
  override readonly name = "DeliveryError";
}

const waitsMs = [250, 500, 1_000, 2_000, 4_000, 8_000];
const timeoutMs = 60_000;

/**
 * Posts a batch; a repeat after a lost reply stores nothing twice, thanks to its Idempotency-Key.
 * @throws DeliveryError when the daemon refuses the batch as a whole, or stays out of reach
 */
export async function postBatch(batch: RowBatch, target: Target): Promise<Verdict> {
  const key = createHash("sha256").update(`${target.fileId ?? ""}:${batch.firstRow}:`).update(batch.body)
    .digest("hex");
  const headers = { ...target.headers, "idempotency-key": key };
  for (let attempt = 0;; attempt++) {
    const answer = await post(batch, { url: target.url, headers });
    if ("verdict" in answer) return answer.verdict;
    if (!answer.retryable || attempt >= waitsMs.length) throw new DeliveryError(answer.message);
    const waitMs = Math.max(waitsMs[attempt] * (0.75 + Math.random() / 2), (answer.retryAfterS ?? 0) * 1_000);
    await new Promise((resolve) => setTimeout(resolve, waitMs));
  }
}

type Answer = { verdict: Verdict } | { message: string; retryable: boolean; retryAfterS?: number };

async function post(batch: RowBatch, to: { url: URL; headers: Record<string, string> }): Promise<Answer> {
  let response: Response;
  let text: string;
  try {
    response = await fetch(to.url, {
      method: "POST",
      headers: to.headers,
      body: batch.body,
      signal: AbortSignal.timeout(timeoutMs),
    });
    text = await response.text();
  } catch (error) {
    return {
      message: `${to.url.host} cannot be reached: ${error instanceof Error ? error.message : error}`,
      retryable: true,
    };
  }
  const reply = readJson(text);
  if (response.ok && typeof reply.accepted === "number") {
    const { accepted, duplicates = 0, rejected = [] } = reply as unknown as Verdict;
    return { verdict: { accepted, duplicates, rejected } };
  }
  return {
    message: `HTTP ${response.status}: ${typeof reply.message === "string" ? reply.message : "no message"}`,
    retryable: response.ok || response.status === 429 || response.status >= 500,
    retryAfterS: Number(response.headers.get("retry-after")) || undefined,
  };
}

function readJson(text: string): Record<string, unknown> {
  try {
    const value: unknown = JSON.parse(text);
    return value !== null && typeof value === "object" ? value as Record<string, unknown> : {};
  } catch {
    return {};
  }
}
