/**
 * One request of very many events: taken in batches, read whole and exported, in bounded memory. `--soak` sends 1,000,000
 * events in 10,000 batches.
 * @module
 */

import { assertEquals, assertLess } from "@std/assert";
import { type Daemon, startDaemon } from "../support/daemon.ts";
import { send } from "../support/http.ts";

const isSoak = Deno.env.has("SOAK");
const batches = isSoak ? 10_000 : 2_000;
const eventsPerBatch = 100;
const batchesPerPost = 20;
const maxGrowthKb = 128 * 1024;
const path = "/v1/sessions/S1/requests/R";

/** 50 calls that nest five deep. */
function batchOf(index: number): string {
  const events = [];
  for (let i = 0; i < eventsPerBatch / 10; i++) {
    const first = (index * eventsPerBatch + i * 10) / 2;
    const call = (depth: number, type: string): unknown => ({
      ...{ t: 1_763_600_000_000 + index, type, fn: `step${depth}`, file: "/app/src/steps.js", line: depth },
      ...{
        depth,
        spanId: first + depth,
        parentSpanId: depth === 1 ? null : first + depth - 1,
        args: [index, i, "…"],
      },
    });
    for (let depth = 1; depth <= 5; depth++) events.push(call(depth, "enter"));
    for (let depth = 5; depth >= 1; depth--) events.push(call(depth, "exit"));
  }
  return JSON.stringify(events);
}

/** Reads a reply to its end without keeping it; how much resident memory grew meanwhile, and what `look` made of it. */
async function readThrough(
  daemon: Daemon,
  query: string,
  look: (piece: Uint8Array) => void,
): Promise<{ bytes: number; growthKb: number; seconds: number }> {
  const before = await daemon.rssKb();
  const start = performance.now();
  const response = await fetch(`${daemon.url}${path}${query}`);
  assertEquals(response.status, 200);
  let bytes = 0, peakKb = before, looked = start;
  for await (const piece of response.body!) {
    bytes += piece.length;
    look(piece);
    if (performance.now() - looked < 50) continue;
    peakKb = Math.max(peakKb, await daemon.rssKb());
    looked = performance.now();
  }
  return { bytes, growthKb: peakKb - before, seconds: (performance.now() - start) / 1000 };
}

function occurrences(text: string): { look: (piece: Uint8Array) => void; count: () => number } {
  const wanted = new TextEncoder().encode(text);
  let count = 0, matched = 0;
  return {
    look: (piece) => {
      for (const byte of piece) {
        matched = byte === wanted[matched] ? matched + 1 : byte === wanted[0] ? 1 : 0;
        if (matched < wanted.length) continue;
        count++;
        matched = 0;
      }
    },
    count: () => count,
  };
}

Deno.test("A request of very many events is read and exported without being held", async () => {
  await using daemon = await startDaemon({ config: { traces: { idle_ms: 3_600_000 } } });
  let next = 0;
  const work = async (): Promise<void> => {
    for (let first = next; first < batches; first = next) {
      next += batchesPerPost;
      const entries = Array.from({ length: batchesPerPost }, (_, i) => ({
        ...{ trace: batchOf(first + i), t: 1_763_600_000_000 + first },
        traceBatch: { rid: "R", index: first + i, total: batches },
      }));
      const { status } = await send(`${daemon.url}/v1/sessions/S1/backend`, { entries });
      assertEquals(status, 201);
    }
  };
  await Promise.all([1, 2, 3, 4].map(work));
  const calls = batches * eventsPerBatch / 2;
  for (const isFlushed of [false, true]) {
    if (isFlushed) await send(`${daemon.adminUrl}/flush`, undefined, { method: "POST" });
    const forms: [string, string, number][] = [
      ["", `"type":"enter"`, calls],
      ["?format=ndjson", `"type":"enter"`, calls],
      ["?format=chrome", `"ph":"B"`, calls],
      ["?format=speedscope", `"type":"O"`, calls],
      ["?format=otlp", `"parentSpanId"`, calls],
    ];
    for (const [query, wanted, expected] of forms) {
      const found = occurrences(wanted);
      const { bytes, growthKb, seconds } = await readThrough(daemon, query, found.look);
      assertEquals(found.count(), expected, query);
      assertLess(growthKb, maxGrowthKb, `${query} grew by ${growthKb} KiB`);
      if (!isSoak) continue;
      const facts = { query, isFlushed, mb: bytes / 1e6, growthMiB: growthKb / 1024, seconds };
      Deno.stderr.writeSync(new TextEncoder().encode(JSON.stringify(facts) + "\n"));
    }
  }
});
