/**
 * Traces that come in no order, over many connections, some twice: also with a crash in the middle, and with an index so
 * small that most requests are written before they are complete. `--soak` sends 100,000 requests of 20 batches.
 * @module
 */

import { assert, assertEquals, assertGreater } from "@std/assert";
import { type Daemon, startDaemon } from "../support/daemon.ts";
import { send } from "../support/http.ts";
import {
  assertAllThere,
  assertPartsHoldAllOnce,
  sendShuffled,
  type ShuffleShape,
} from "../support/shuffled_traces.ts";

const isSoak = Deno.env.has("SOAK");
const shape: ShuffleShape = {
  requests: isSoak ? 100_000 : 2_000,
  ...{ batches: 20, twice: 0.05, connections: 16, entriesPerPost: 1_000, seed: 20261120 },
};

async function flush(daemon: Daemon): Promise<void> {
  assertEquals((await send(`${daemon.adminUrl}/flush`, undefined, { method: "POST" })).status, 200);
}

function tell(what: string, facts: unknown): void {
  if (isSoak) Deno.stderr.writeSync(new TextEncoder().encode(`${what}: ${JSON.stringify(facts)}\n`));
}

Deno.test("Shuffled traces, some sent twice: every request complete, no batch twice, joined in order", async () => {
  await using daemon = await startDaemon({ config: { flush: { interval_ms: 1_000 } } });
  const { retries, seconds, entries } = await sendShuffled(() => daemon.url, shape);
  assertEquals([...retries], []);
  await assertAllThere(daemon, shape);
  await flush(daemon);
  const { lines } = await assertPartsHoldAllOnce(daemon.dataDir, shape);
  await assertAllThere(daemon, shape);
  tell("shuffled", {
    seconds,
    entriesPerSecond: entries / seconds,
    lines,
    peakRssMiB: await daemon.peakRssKb() / 1024,
  });
});

Deno.test("Shuffled traces with kill -9 and a restart in the middle lose nothing and store nothing twice", async () => {
  const options = { config: { flush: { interval_ms: 500 } } };
  await using daemon = await startDaemon(options);
  const port = Number(new URL(daemon.url).port);
  let kills = 0;
  let restarted = Promise.resolve();
  const { retries } = await sendShuffled(() => `http://127.0.0.1:${port}`, shape, (share) => {
    if (share < (kills + 1) / 4 || kills === 3) return;
    kills++;
    restarted = restarted.then(() => daemon.restart({ ...options, port }));
  });
  await restarted;
  assertEquals(kills, 3);
  assertGreater(retries.get(0) ?? 0, 0, "no POST was cut off: the test shows nothing");
  await assertAllThere(daemon, shape);
  await flush(daemon);
  await assertPartsHoldAllOnce(daemon.dataDir, shape);
  await assertAllThere(daemon, shape);
  tell("killed", { retries: [...retries] });
});

Deno.test("Shuffled traces with an index far too small for them are pushed out to parts, and still whole when read", async () => {
  const maxRequests = shape.requests / 10;
  await using daemon = await startDaemon({
    // Senders are held up while a flush makes room: on a slow machine perhaps for longer than by default.
    config: {
      ...{ flush: { interval_ms: 500 }, index: { max_requests: maxRequests } },
      limits: { admission_wait_ms: 60_000 },
    },
  });
  const { retries, seconds } = await sendShuffled(() => daemon.url, shape);
  assertEquals([...retries], [], "refused");
  await assertAllThere(daemon, shape);
  await flush(daemon);
  const { lines } = await assertPartsHoldAllOnce(daemon.dataDir, shape);
  assert(lines > 1.5 * shape.requests, `${lines} lines: hardly any request was pushed out early`);
  await assertAllThere(daemon, shape);
  tell("small index", { seconds, lines });
});
