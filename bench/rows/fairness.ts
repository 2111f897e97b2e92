/**
 * How long a small request waits while large bodies stream in.
 * @module
 */

import { offer, startWeir } from "../arms.ts";
import { type Comparison, figure, median } from "../comparison.ts";
import type { LatencySummary } from "../latencies.ts";
import { inRounds, type Pace, type Row } from "../row.ts";

/** 2000 events and just under the limit of 10 MiB. */
const large = { kind: "batch", events: 2000, fillerBytes: 4900 } as const;

/** So many that a request never waits for a connection of its own. */
const connections = 256;

/** p99 of single events beside large batches over p99 alone. */
export const fairnessRow: Row = {
  name: "fairness",
  async run(pace): Promise<Comparison[]> {
    const rounds = await inRounds("fairness", pace, async () => ({
      alone: await smallRequests(false, pace),
      beside: await smallRequests(true, pace),
    }));
    const ms = (pick: (round: (typeof rounds)[number]) => number): string =>
      figure(median(rounds.map(pick)), " ms");
    return [{
      row: "fairness",
      what: "small request while batches of 10 MiB stream in, p99",
      against: "alone",
      unit: "x",
      better: "less",
      bar: 3,
      goal: 1.5,
      values: rounds.map(({ alone, beside }) => beside.p99 / alone.p99),
      detail: `p99 ${ms(({ beside }) => beside.p99)} and ${ms(({ alone }) => alone.p99)}, ` +
        `p50 ${ms(({ beside }) => beside.p50)} and ${ms(({ alone }) => alone.p50)}`,
    }];
  },
};

async function smallRequests(withLarge: boolean, pace: Pace): Promise<LatencySummary> {
  await using weir = await startWeir();
  const durationMs = pace.armMs / 2;
  const job = { url: weir.url, warmupMs: pace.warmupMs };
  const [small, big] = await Promise.all([
    offer({ ...job, body: { kind: "single" }, connections, rate: 500, durationMs }),
    // A little longer, so that no small request is alone at the end.
    withLarge ? offer({ ...job, body: large, connections: 2, durationMs: durationMs + 1000 }) : undefined,
  ]);
  const errors = small.errors + (big?.errors ?? 0);
  if (errors > 0) throw new Error(`Cannot compare: ${JSON.stringify([small.statuses, big?.statuses])}`);
  return small.latency;
}
