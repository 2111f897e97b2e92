/**
 * Rows of dialect `track` as tests send them, and what came of them.
 * @module
 */

import { assertEquals } from "@std/assert";
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
