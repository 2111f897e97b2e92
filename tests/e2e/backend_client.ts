/**
 * What the tests of dialect `backend` send, and how they look at what became of it.
 * @module
 */

import { assertEquals } from "@std/assert";
import type { Daemon } from "../support/daemon.ts";
import { type Reply, send } from "../support/http.ts";

/** The session that everything is sent to. */
export const path = "/v1/sessions/S1";

/** Posts entries in one body. */
export function post(
  daemon: Daemon,
  entries: unknown[],
  headers: Record<string, string> = {},
): Promise<Reply> {
  return send(`${daemon.url}${path}/backend`, { entries }, { headers });
}

/** Posts entries of which each must be accepted, one POST each. */
export async function postEach(daemon: Daemon, ...entries: unknown[]): Promise<void> {
  for (const entry of entries) {
    const { status, json } = await post(daemon, [entry]);
    assertEquals([status, json], [201, { ok: true, accepted: 1, rejected: [] }]);
  }
}

/** Reads the session's traces. */
// deno-lint-ignore no-explicit-any -- looked into as a client would
export async function tracesOf(daemon: Daemon, headers: Record<string, string> = {}): Promise<any> {
  const { status, json } = await send(`${daemon.url}${path}/traces`, undefined, { headers });
  assertEquals(status, 200);
  return json;
}

/** Flushes, and waits until that is done. */
export async function flush(daemon: Daemon): Promise<void> {
  assertEquals((await send(`${daemon.adminUrl}/flush`, undefined, { method: "POST" })).status, 200);
}

/** Index and events of each batch of the first request of the first group. */
// deno-lint-ignore no-explicit-any -- see above
export function batchesOf(traces: any): unknown[] {
  return traces.items[0].traces[0].batches.map((batch: { batchIndex: number; trace: unknown }) => [
    batch.batchIndex,
    batch.trace,
  ]);
}

/** Reads before a flush, after a crash, and after a flush must agree. */
export async function assertTraces(daemon: Daemon, expected: unknown): Promise<void> {
  assertEquals(await tracesOf(daemon), expected);
  await daemon.restart();
  assertEquals(await tracesOf(daemon), expected);
  await flush(daemon);
  assertEquals(await tracesOf(daemon), expected);
}
