/**
 * Writes sets of trace files over one kept connection: each set once as single writes, once as a batch, in turn.
 * Arguments: url of the daemon, files in a set, ms to measure, ms to warm up. Prints a {@link TraceFilesResult} as JSON.
 * @module
 */

import { HttpConnection } from "./http_connection.ts";

/** What one way of writing a set costs; means. */
export interface SetCost {
  readonly ms: number;
  readonly requests: number;
  readonly sentBytes: number;
  readonly receivedBytes: number;
}

/** Both ways. */
export interface TraceFilesResult {
  readonly single: SetCost;
  readonly batch: SetCost;
  readonly sets: number;
}

const fileBytes = 20_000;
/** Sets that are made before anything is measured. */
const madeSets = 20;
/** As many digits as the number in {@link fileSet}'s names has, so that the next set only needs other digits. */
const digits = 8;
const encoder = new TextEncoder();

interface TraceFile {
  readonly traceData: unknown;
  readonly fileName: string;
}

/** One JSON file and one text file in turn, 20 KB each when written. */
function fileSet(count: number): TraceFile[] {
  return Array.from({ length: count }, (_, i) => {
    const stem = `trace_${"0".repeat(digits)}_${i}`;
    return i % 2 === 0
      ? { traceData: jsonTrace(), fileName: `${stem}.json` }
      : { traceData: textTrace(), fileName: `${stem}.txt` };
  });
}

function jsonTrace(): unknown {
  const spans: unknown[] = [];
  const trace = { timestamp: "2026-11-20T12:00:00.000Z", actionId: "core:go", spans };
  while (JSON.stringify(trace, undefined, 2).length < fileBytes) {
    spans.push({
      name: "resolve target",
      at: spans.length * 3,
      durationMs: 1.25,
      data: { actor: "actor-7", found: true },
    });
  }
  return trace;
}

function textTrace(): string {
  return '12:00:00.000  resolve target  actor-7  found "the well"\n'.repeat(400).slice(0, fileBytes);
}

/** Puts a number into the names of a request's files: each set is of new files, as names carry a time in practice. */
function renumber(request: Uint8Array, places: readonly number[], number: number): void {
  const text = encoder.encode(String(number).padStart(digits, "0"));
  for (const at of places) request.set(text, at);
}

function namePlaces(request: Uint8Array): number[] {
  const text = new TextDecoder("latin1").decode(request);
  return [...text.matchAll(/trace_(?=\d+_)/g)].map(({ index }) => index + "trace_".length);
}

function request(url: string, path: string, body: unknown): Uint8Array {
  const bytes = encoder.encode(JSON.stringify(body));
  const head = `POST ${path} HTTP/1.1\r\nhost: ${new URL(url).host}\r\ncontent-type: application/json\r\n` +
    `content-length: ${bytes.length}\r\n\r\n`;
  const whole = new Uint8Array(head.length + bytes.length);
  whole.set(encoder.encode(head));
  whole.set(bytes, head.length);
  return whole;
}

/** Runs both ways in turn until the time is over. */
async function measure(
  url: string,
  count: number,
  of: { forMs: number; warmupMs: number },
): Promise<TraceFilesResult> {
  const connection = new HttpConnection(url);
  // Made before anything is measured: it is the daemon that counts.
  const files = fileSet(count);
  const sets = Array.from({ length: madeSets }, () => ({
    single: files.map((file) => request(url, "/api/traces/write", { ...file, outputDirectory: "single" })),
    batch: [request(url, "/api/traces/write-batch", { traces: files, outputDirectory: "batch" })],
  }));
  const places = { single: sets[0].single.map(namePlaces), batch: sets[0].batch.map(namePlaces) };
  const sums = { single: { ms: 0, sent: 0, received: 0 }, batch: { ms: 0, sent: 0, received: 0 } };
  const start = performance.now();
  let measured = 0;
  for (let i = 0; performance.now() - start < of.warmupMs + of.forMs || measured < 10; i++) {
    const isWarm = performance.now() - start >= of.warmupMs;
    for (const way of i % 2 === 0 ? ["single", "batch"] as const : ["batch", "single"] as const) {
      const requests = sets[i % sets.length][way];
      for (const [k, bytes] of requests.entries()) renumber(bytes, places[way][k], i);
      const before = connection.receivedBytes;
      const from = performance.now();
      for (const bytes of requests) {
        const { status } = await connection.exchange(bytes);
        if (status !== 200) throw new Error(`Cannot compare: a write was answered with ${status}`);
      }
      if (!isWarm) continue;
      sums[way].ms += performance.now() - from;
      sums[way].sent += requests.reduce((sum, { length }) => sum + length, 0);
      sums[way].received += connection.receivedBytes - before;
    }
    if (isWarm) measured++;
  }
  connection.close();
  const cost = (way: "single" | "batch"): SetCost => ({
    ms: sums[way].ms / measured,
    requests: sets[0][way].length,
    sentBytes: sums[way].sent / measured,
    receivedBytes: sums[way].received / measured,
  });
  return { single: cost("single"), batch: cost("batch"), sets: measured };
}

if (import.meta.main) {
  const [url, count, forMs, warmupMs] = Deno.args;
  const result = await measure(url, Number(count), { forMs: Number(forMs), warmupMs: Number(warmupMs) });
  Deno.stdout.writeSync(encoder.encode(JSON.stringify(result)));
}
