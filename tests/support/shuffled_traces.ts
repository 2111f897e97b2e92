/**
 * Many requests of many batches, delivered in no order, some of them twice, over several connections; and the check that
 * each of them is there, whole, once and in order.
 * @module
 */

import { assert, assertEquals } from "@std/assert";
import type { Daemon } from "./daemon.ts";
import { send } from "./http.ts";
import { filesBelow } from "./parts.ts";

/** How much is sent. */
export interface ShuffleShape {
  readonly requests: number;
  readonly batches: number;
  /** Share of the entries that is sent twice. */
  readonly twice: number;
  readonly connections: number;
  readonly entriesPerPost: number;
  readonly seed: number;
}

/** What happened on the way. */
export interface ShuffleReport {
  /** POSTs that had to be tried again, by status; 0 where the connection broke. */
  readonly retries: Map<number, number>;
  readonly entries: number;
  readonly seconds: number;
}

const t0 = Date.UTC(2026, 10, 20, 10);
const eventsPerBatch = 2;
const sessions = 50;
const patienceMs = 120_000;

/** Sends all of it; what is not acknowledged is sent again, as a client would. */
export async function sendShuffled(
  url: () => string,
  shape: ShuffleShape,
  progress: (share: number) => void = () => {},
): Promise<ShuffleReport> {
  const { connections, entriesPerPost } = shape;
  const order = shuffledEntries(shape);
  const retries = new Map<number, number>();
  const start = performance.now();
  let next = 0;
  const work = async (): Promise<void> => {
    for (let at = next; at < order.length; at = next) {
      next += entriesPerPost;
      const entries = Array.from(order.subarray(at, at + entriesPerPost), (each) => entryOf(each, shape));
      progress(at / order.length);
      // One session a POST: the path names it.
      const bySession = Map.groupBy(entries, ({ sid }) => sid);
      for (const [sid, group] of bySession) {
        await postUntilTaken(
          () => `${url()}/v1/sessions/${sid}/backend`,
          group.map(({ entry }) => entry),
          retries,
        );
      }
    }
  };
  await Promise.all(Array.from({ length: connections }, work));
  return { retries, entries: order.length, seconds: (performance.now() - start) / 1000 };
}

/** Is every request complete, every batch there once, and the joined events in order? Reads lists, parts and samples. */
export async function assertAllThere(daemon: Daemon, shape: ShuffleShape): Promise<void> {
  const { requests, batches } = shape;
  let seen = 0;
  for (let cursor = "";;) {
    const { json } = await send(`${daemon.url}/v1/requests?order=asc&limit=1000${cursor}`);
    const { items, next } = json as { items: Record<string, unknown>[]; next: string | null };
    for (const item of items) {
      const { batches: have, total, complete, missingCount, replaced, status } = item;
      assertEquals(
        { have, total, complete, missingCount, replaced, status },
        { have: batches, total: batches, complete: true, missingCount: 0, replaced: undefined, status: 200 },
        JSON.stringify(item),
      );
      seen++;
    }
    if (next === null) break;
    cursor = `&cursor=${next}`;
  }
  assertEquals(seen, requests);
  for (let i = 0; i < Math.min(requests, 200); i++) {
    const request = Math.floor(i * requests / Math.min(requests, 200));
    const { json } = await send(`${daemon.url}/v1/sessions/${sidOf(request)}/requests/r${request}`);
    const { events } = json as { events: { n: number }[] };
    assertEquals(events.map(({ n }) => n), numbersOf(request, batches));
  }
}

/** Parts hold every batch of every request exactly once, and its events in order. Everything must be flushed. */
export async function assertPartsHoldAllOnce(
  dataDir: string,
  shape: ShuffleShape,
): Promise<{ lines: number }> {
  /** For each request, a bit for each batch. */
  const found = new Uint32Array(shape.requests);
  let lines = 0;
  for (const path of await filesBelow(dataDir, "traces")) {
    const text = await Deno.readTextFile(`${dataDir}/${path}`);
    for (const line of text.split("\n")) {
      if (line === "") continue;
      lines++;
      const { rid, batches, events } = JSON.parse(line) as {
        rid: string;
        batches: { index: number }[];
        events: { n: number }[];
      };
      const request = Number(rid.slice(1));
      for (const { index } of batches) {
        assert((found[request] & (1 << index)) === 0, `${rid} has batch ${index} twice`);
        found[request] |= 1 << index;
      }
      const numbers = numbersOf(request, shape.batches);
      const expected = batches.flatMap(({ index }) =>
        numbers.slice(index * eventsPerBatch, (index + 1) * eventsPerBatch)
      );
      assertEquals(events.map(({ n }) => n), expected);
    }
  }
  assert(found.every((bits) => bits === 2 ** shape.batches - 1), "a request is not whole");
  return { lines };
}

/** Numbers of entries: batch b of request r is r * (batches + 1) + b; the last one of a request is its metadata. */
function shuffledEntries({ requests, batches, twice, seed }: ShuffleShape): Uint32Array {
  const count = requests * (batches + 1);
  const again = Math.floor(count * twice);
  const order = new Uint32Array(count + again);
  let state = seed | 1;
  const random = (below: number): number => {
    state ^= state << 13;
    state ^= state >>> 17;
    state ^= state << 5;
    return (state >>> 0) % below;
  };
  for (let i = 0; i < count; i++) order[i] = i;
  for (let i = count; i < order.length; i++) order[i] = random(count);
  for (let i = order.length - 1; i > 0; i--) {
    const j = random(i + 1);
    [order[i], order[j]] = [order[j], order[i]];
  }
  return order;
}

function entryOf(number: number, { batches }: ShuffleShape): { sid: string; entry: unknown } {
  const request = Math.floor(number / (batches + 1));
  const batch = number % (batches + 1);
  const rid = `r${request}`;
  const t = t0 + request;
  if (batch === batches) {
    const fields = { rid, method: "GET", url: `/${request}`, status: 200, durMs: 1, key: "GET /" };
    return { sid: sidOf(request), entry: { t, request: fields } };
  }
  const first = (request * batches + batch) * eventsPerBatch;
  const trace = JSON.stringify(Array.from({ length: eventsPerBatch }, (_, i) => ({ n: first + i })));
  return { sid: sidOf(request), entry: { t, trace, traceBatch: { rid, index: batch, total: batches } } };
}

function sidOf(request: number): string {
  return `S${request % sessions}`;
}

function numbersOf(request: number, batches: number): number[] {
  const first = request * batches * eventsPerBatch;
  return Array.from({ length: batches * eventsPerBatch }, (_, i) => first + i);
}

async function postUntilTaken(
  url: () => string,
  entries: unknown[],
  retries: Map<number, number>,
): Promise<void> {
  const deadline = performance.now() + patienceMs;
  for (;;) {
    const status = await post(url(), entries);
    if (status === 201) return;
    assert(status === 0 || status === 503, `refused with ${status}`);
    assert(performance.now() < deadline, `not taken in time: ${status}`);
    retries.set(status, (retries.get(status) ?? 0) + 1);
    await new Promise((resolve) => setTimeout(resolve, 50));
  }
}

/** The status; 0 where the daemon is gone. */
async function post(url: string, entries: unknown[]): Promise<number> {
  try {
    const { status, json } = await send(url, { entries });
    if (status === 201) assertEquals((json as { accepted: number }).accepted, entries.length);
    return status;
  } catch (error) {
    if (error instanceof TypeError || error instanceof Deno.errors.ConnectionReset) return 0;
    throw error;
  }
}
