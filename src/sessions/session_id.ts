/**
 * Session ids that every daemon computes alike, without talking (contract `track`, 2.3).
 * @module
 */

import { createHash } from "node:crypto";

/** An event this close to the start of a bucket still belongs to the one before. */
const graceMs = 5_000;

const graceOf = (timeoutMs: number): number => Math.min(graceMs, Math.floor(timeoutMs / 6));

/** The times of a bucket, ms since the epoch: from `since` on, before `until`. */
export function bucketTimes(bucket: number, timeoutMs: number): { since: number; until: number } {
  const since = bucket * timeoutMs + graceOf(timeoutMs);
  return { since, until: since + timeoutMs };
}

/** The number of the bucket that an event at `time` (ms since the epoch) falls into. */
export function sessionBucket(time: number, timeoutMs: number): number {
  const bucket = Math.floor(time / timeoutMs);
  return time - bucket * timeoutMs < graceOf(timeoutMs) ? bucket - 1 : bucket;
}

/** The session id of a device in a bucket: 22 characters of base64url. */
export function sessionId(project: string, deviceId: string, bucket: number): string {
  return createHash("sha256").update(`sess:v1:${project}:${deviceId}:${bucket}`).digest()
    .subarray(0, 16).toString("base64url");
}
