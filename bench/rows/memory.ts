/**
 * What a body's size costs in memory: nothing, it should be.
 * @module
 */

import { runBench, startWeir } from "../arms.ts";
import { type Comparison, figure, median } from "../comparison.ts";
import { inRounds, type Row } from "../row.ts";
import type { StreamResult } from "../stream.ts";

const miB = 2 ** 20;

/** Peak memory under one long NDJSON body over that under a short one. */
export const memoryRow: Row = {
  name: "memory",
  async run(pace): Promise<Comparison[]> {
    const largeBytes = pace.quick ? 128 * miB : 1024 * miB;
    const size = `${largeBytes / miB} MiB`;
    const rounds = await inRounds("memory", pace, async () => ({
      small: await streamOnce(miB),
      large: await streamOnce(largeBytes),
    }));
    return [{
      row: "memory",
      what: `one NDJSON body of ${size}, as fast as it is taken: peak RSS over`,
      against: "a body of 1 MiB",
      unit: " MiB",
      better: "less",
      bar: 64,
      goal: 32,
      values: rounds.map(({ small, large }) => large.peakMiB - small.peakMiB),
      detail: `peak ${figure(median(rounds.map(({ large }) => large.peakMiB)), " MiB")}, ` +
        `${figure(median(rounds.map(({ large }) => large.miBPerSecond)), " MiB/s")}`,
    }];
  },
};

interface Streamed {
  readonly peakMiB: number;
  readonly miBPerSecond: number;
}

async function streamOnce(leastBytes: number): Promise<Streamed> {
  await using weir = await startWeir();
  const result = await runBench("stream.ts", [weir.url, String(leastBytes)], 300_000) as StreamResult;
  if (result.status !== 202 || result.accepted !== result.events) {
    throw new Error(`Of ${result.events} events ${result.accepted} were accepted, status ${result.status}`);
  }
  const peakMiB = await weir.daemon.peakRssKb() / 1024;
  return { peakMiB, miBPerSecond: result.bytes / miB / result.seconds };
}
