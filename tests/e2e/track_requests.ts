/**
 * Rows of dialect `track` as tests send them, and what came of them.
 * @module
 */

import { assertEquals } from "@std/assert";
import { createHash } from "node:crypto";
import type { Daemon } from "../support/daemon.ts";
import { openRaw, type Reply, requestHead, send } from "../support/http.ts";
import { readRows } from "../support/parts.ts";

/** An event of the device "device", unless `properties` say otherwise. */
export function event(name: string, properties: Record<string, unknown> = {}): Record<string, unknown> {
  return { type: "track", payload: { name, properties: { __deviceId: "device", ...properties } } };
}

/** Writes everything that waits into parts. */
export async function flush(daemon: Daemon): Promise<void> {
  const { status, text } = await send(`${daemon.adminUrl}/flush`, undefined, { method: "POST" });
  assertEquals(status, 200, text);
}

/** All events there are, in the order of their parts, after a flush. */
export async function storedEvents(daemon: Daemon): Promise<Record<string, unknown>[]> {
  await flush(daemon);
  return await readRows(daemon.dataDir, "events");
}

/** The names of {@link storedEvents}, sorted. */
export async function storedNames(daemon: Daemon): Promise<string[]> {
  return (await storedEvents(daemon)).map(({ name }) => name as string).sort();
}

/** What {@link postAlone} takes besides the body. */
export interface PostOptions {
  /** Beside Content-Type application/json, which they may replace. */
  headers?: Record<string, string>;
  /** Content-Length; undefined for a chunked body, whose framing `body` then brings along. @default the truth */
  announced?: number | undefined;
  /** Close the sending direction behind the body. @default false */
  cut?: boolean;
}

/**
 * Posts bytes on a connection of their own.
 * @returns undefined when the daemon closed the connection without a reply
 */
export async function postAlone(
  url: string,
  body: string | Uint8Array,
  options: PostOptions = {},
): Promise<Reply | undefined> {
  const bytes = typeof body === "string" ? new TextEncoder().encode(body) : body;
  const announced = "announced" in options ? options.announced : bytes.length;
  using connection = await openRaw(url);
  await connection.write(requestHead(url, announced, options.headers));
  await connection.write(bytes);
  if (options.cut) await connection.closeWrite();
  return await connection.readReply();
}

/** The user agent of a browser: its events have sessions. */
export const chrome =
  "Mozilla/5.0 (X11; Linux x86_64) AppleWebKit/537.36 (KHTML, like Gecko) Chrome/128.0.0.0 Safari/537.36";

/** A verdict on a batch. */
export interface BatchReply {
  readonly accepted: number;
  readonly rejected: { index: number; reason: string; error: string }[];
}

/** Posts rows as one batch, which must be taken as such. */
export async function postBatch(
  daemon: Daemon,
  events: unknown[],
  headers: Record<string, string> = {},
): Promise<BatchReply> {
  const { status, json } = await send(`${daemon.url}/track/batch`, { events }, { headers });
  assertEquals(status, 202);
  return json as BatchReply;
}

/** Posts one row by itself; a text goes as it is. */
export function postOne(daemon: Daemon, row: unknown, headers: Record<string, string> = {}): Promise<Reply> {
  return send(`${daemon.url}/track`, row, { headers });
}

/** Length of a session's bucket, in ms. */
export const bucketMs = 30 * 60_000;

/** The session id by section 2.3 of the contract, written down a second time. */
export function sessionOf(deviceId: string, time: number, project = "default"): string {
  const bucket = Math.floor((time - 5_000) / bucketMs);
  const digest = createHash("sha256").update(`sess:v1:${project}:${deviceId}:${bucket}`).digest();
  return digest.subarray(0, 16).toString("base64url");
}

/** A time in the middle of a bucket, some hours ago, so that no edge of one is near. */
export function quietTime(hoursAgo: number): number {
  return Math.floor((Date.now() - hoursAgo * 3_600_000) / bucketMs) * bucketMs + bucketMs / 2;
}
