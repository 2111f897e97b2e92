/**
 * Sends test events, through EventBuffer or one request an event, and prints what it took.
 *
 *     deno run ... bench/event_load.ts '{"url":"http://..","events":1600,"mode":"buffer"}'
 *
 * @module
 */

import { TestEventClient } from "../src/client/mod.ts";

/** What is to be sent. */
export interface EventJob {
  readonly url: string;
  readonly events: number;
  /** `buffer`: EventBuffer with its defaults; `single`: one request an event, so many at once as the original had. */
  readonly mode: "buffer" | "single";
}

/** What it took. */
export interface EventLoad {
  readonly ms: number;
  readonly requests: number;
  readonly bytes: number;
}

/** Calls in flight of the original reporter: 46 with an instant server. */
const inFlight = 46;

if (import.meta.main) {
  const text = JSON.stringify(await sendEvents(JSON.parse(Deno.args[0])));
  Deno.stdout.writeSync(new TextEncoder().encode(text));
}

async function sendEvents(job: EventJob): Promise<EventLoad> {
  const started = performance.now();
  const { requests, bytes } = job.mode === "buffer" ? await sendBuffered(job) : await sendSingly(job);
  return { ms: performance.now() - started, requests, bytes };
}

async function sendBuffered({ url, events }: EventJob): Promise<Omit<EventLoad, "ms">> {
  const client = new TestEventClient({ url, runId: crypto.randomUUID(), maxEvents: events + 1, gzip: false });
  for (let i = 0; i < events; i++) client.report("step.begin", messageOf(client.runId, i));
  const { undelivered, dropped } = await client.stop({ deadlineMs: 600_000 });
  if (undelivered + dropped > 0) {
    throw new Error(`${undelivered} events were not delivered, ${dropped} dropped`);
  }
  return { requests: client.stats.requests, bytes: client.stats.sentBytes };
}

async function sendSingly({ url, events }: EventJob): Promise<Omit<EventLoad, "ms">> {
  const runId = crypto.randomUUID();
  let next = 0, bytes = 0;
  const sender = async (): Promise<void> => {
    for (let i = next++; i < events; i = next++) {
      const row = {
        id: `e${i}`,
        seq: i + 1,
        type: "step.begin",
        runId,
        executionId: runId,
        time: Date.now(),
      };
      const body = JSON.stringify({ events: [{ ...row, data: messageOf(runId, i) }] });
      bytes += body.length;
      const headers = { "content-type": "application/json" };
      const response = await fetch(`${url}/v1/test-events/batch`, { method: "POST", headers, body });
      if (response.status !== 202) throw new Error(`The daemon answered ${response.status}`);
      await response.body?.cancel();
    }
  };
  await Promise.all(Array.from({ length: inFlight }, sender));
  return { requests: events, bytes };
}

/** A step as a reporter tells it. */
function messageOf(runId: string, i: number): Record<string, unknown> {
  const test = `test-${i % 100}`;
  return {
    step: {
      ...{ id: `${test}-0-${i}`, run_id: runId, test_case_id: test, title: `step ${i}`, type: "test.step" },
      ...{
        category: "test.step",
        status: "RUNNING",
        start_time: new Date().toISOString(),
        worker_index: "0",
      },
      location: "tests/shop/checkout.spec.ts:42:7",
    },
  };
}
