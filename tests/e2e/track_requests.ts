/**
 * Rows of dialect `track` as tests send them, and what came of them.
 * @module
 */

import { assertEquals } from "@std/assert";
import type { Daemon } from "../support/daemon.ts";
import { send } from "../support/http.ts";
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
