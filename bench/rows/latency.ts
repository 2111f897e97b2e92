/**
 * How long an acknowledgement takes at half of what the daemon can do, against the disk alone; and how many
 * acknowledgements share one sync when it is saturated.
 * @module
 */

import { freshFolder, offer, removeFolder, runBench, startWeir, type WeirArm } from "../arms.ts";
import { type Comparison, figure, median } from "../comparison.ts";
import type { LatencySummary } from "../latencies.ts";
import { inRounds, type Pace, type Row } from "../row.ts";

const connections = 64;

/** Acknowledgement latency and acknowledgements per sync. */
export const latencyRow: Row = {
  name: "ack",
  async run(pace): Promise<Comparison[]> {
    const rounds = await inRounds("ack", pace, async () => {
      await using weir = await startWeir();
      const load = { url: weir.url, body: { kind: "single" } as const, connections, warmupMs: pace.warmupMs };
      const saturated = await offer({ ...load, durationMs: pace.armMs / 3 });
      const { acksPerSync, frameBytes } = await groupCommit(weir);
      const rate = Math.round(saturated.rps / 2);
      const half = await offer({ ...load, durationMs: pace.armMs / 3, rate });
      return { acksPerSync, rate, half: half.latency, disk: await diskAlone(frameBytes, pace) };
    });
    const common = { row: "ack", against: "bare write + fdatasync loop", unit: "x", better: "less" } as const;
    const middle = (pick: (round: (typeof rounds)[number]) => number): number => median(rounds.map(pick));
    const ms = (value: number): string => figure(value, " ms");
    return [
      {
        ...common,
        what: "acknowledgement of one event at half load, p50",
        bar: 5,
        goal: 3,
        values: rounds.map(({ half, disk }) => half.p50 / disk.p50),
        detail: `weir ${ms(middle((r) => r.half.p50))} at ${middle((r) => r.rate)} requests/s, ` +
          `disk ${ms(middle((r) => r.disk.p50))}`,
      },
      {
        ...common,
        what: "the same, p99",
        bar: undefined,
        goal: 4,
        values: rounds.map(({ half, disk }) => half.p99 / disk.p99),
        detail: `weir ${ms(middle((r) => r.half.p99))}, disk ${ms(middle((r) => r.disk.p99))}`,
      },
      {
        row: "ack",
        what: "acknowledgements per sync at saturation, 64 connections",
        against: "",
        unit: "",
        better: "more",
        bar: 8,
        goal: 8,
        values: rounds.map((round) => round.acksPerSync),
        detail: "",
      },
    ];
  },
};

async function groupCommit(weir: WeirArm): Promise<{ acksPerSync: number; frameBytes: number }> {
  const frames = await weir.metric("weir_journal_frames_total");
  const syncs = await weir.metric("weir_journal_syncs_total");
  const bytes = await weir.metric("weir_journal_bytes_total");
  return { acksPerSync: frames / syncs, frameBytes: Math.round(bytes / frames) };
}

async function diskAlone(bytes: number, pace: Pace): Promise<LatencySummary> {
  const folder = await freshFolder();
  try {
    const args = [`${folder}/loop`, String(bytes), String(pace.armMs / 3)];
    return await runBench("arms/fsync_loop.ts", args, pace.armMs + 60_000) as LatencySummary;
  } finally {
    await removeFolder(folder);
  }
}
