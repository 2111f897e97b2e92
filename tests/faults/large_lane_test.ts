/**
 * Nothing starves a small request: it is answered while large bodies are on their way to a slow disk.
 * @module
 */

import { assert, assertEquals } from "@std/assert";
import type { Health } from "../../src/admin/health.ts";
import { type Daemon, startDaemon } from "../support/daemon.ts";
import { type Reply, send } from "../support/http.ts";

/** A little below the limit of 10 MiB, members around the rows included. */
const bodyBytes = 10_000_000;

function event(properties: Record<string, unknown>): Record<string, unknown> {
  return { type: "track", payload: { name: "e", properties } };
}

function largeBody(name: string): string {
  const pad = "x".repeat(bodyBytes / 100);
  return JSON.stringify({ events: Array.from({ length: 100 }, (_, n) => event({ name, n, pad })) });
}

/** Bytes of frames that are not stored. */
async function queuedBytes(daemon: Daemon): Promise<number> {
  const { json } = await send(`${daemon.adminUrl}/healthz`);
  const { checks } = json as Health;
  return Number(checks.find(({ name }) => name === "journal")!.figures!.queued_bytes);
}

Deno.test("A small request is answered before two batches of 10 MB that a slow disk takes piece by piece", async () => {
  await using daemon = await startDaemon({
    config: { flush: { interval_ms: 3_600_000, journal_bytes: "1GiB" } },
    env: { WEIR_FAULTS: "journal.piece:slow" },
  });
  // The session has begun: nothing depends on the large ones.
  assertEquals((await send(`${daemon.url}/track`, event({ n: -1 }))).status, 200);
  let answered = 0;
  const large = ["a", "b"].map(async (name): Promise<Reply> => {
    const reply = await send(`${daemon.url}/track/batch`, largeBody(name));
    answered++;
    return reply;
  });
  const replies = Promise.all(large);
  // Where an assertion fails first, nobody waits for them any longer.
  replies.catch(() => undefined);
  while (await queuedBytes(daemon) < 2 * bodyBytes) assertEquals(answered, 0, "both are to be under way");
  for (let n = 0; n < 5; n++) {
    assertEquals((await send(`${daemon.url}/track`, event({ n }))).status, 200);
    assertEquals(answered, 0, `small request ${n} waited for a large one`);
  }
  assert(await queuedBytes(daemon) >= 2 * bodyBytes, "both are still under way");
  for (const { status, json } of await replies) {
    assertEquals([status, (json as { accepted: number }).accepted], [202, 100]);
  }
});
