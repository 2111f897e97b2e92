/**
 * Trace files: a batch against the same files written one by one over one kept connection, both durable.
 * @module
 */

import { startDaemon } from "../../tests/support/daemon.ts";
import { freshFolder, removeFolder, runBench } from "../arms.ts";
import { type Comparison, figure, median } from "../comparison.ts";
import { inRounds, type Pace, type Row } from "../row.ts";
import type { SetCost, TraceFilesResult } from "../trace_files.ts";

/** Of batches there are few in a second: with a shorter warm-up, half of what is measured is code not yet compiled. */
const leastWarmupMs = 3_000;
const bars = [{ count: 2, bar: 0.6 }, { count: 10, bar: 0.25 }] as const;

/** Time of a batch of 2 and of 10 files over that of single writes. */
export const traceFilesRow: Row = {
  name: "trace_files",
  async run(pace): Promise<Comparison[]> {
    const comparisons: Comparison[] = [];
    const folder = await freshFolder();
    await using _ = { [Symbol.asyncDispose]: () => removeFolder(folder) };
    for (const { count, bar } of bars) {
      const rounds = await inRounds(`trace_files, ${count} files`, pace, (round) => {
        const dataDir = `${folder}/${count}-${round}`;
        return oneRound(count, { pace, dataDir });
      });
      comparisons.push({
        row: "trace_files",
        what: `write-batch of ${count} new files of 20 KB, JSON and text in turn, synced`,
        against: `${count} single writes, one kept connection`,
        unit: "x",
        better: "less",
        bar,
        goal: bar,
        values: rounds.map(({ single, batch }) => batch.ms / single.ms),
        detail: `${describe(rounds.map(({ batch }) => batch))}; against ${
          describe(rounds.map(({ single }) => single))
        }`,
      });
    }
    return comparisons;
  },
};

/**
 * One daemon. What it wrote is left until all rounds are over: where ext4 has no journal, making a file looks through
 * every inode that was freed within the last minute or so, and the round after would pay for it.
 */
async function oneRound(
  count: number,
  { pace, dataDir }: { pace: Pace; dataDir: string },
): Promise<TraceFilesResult> {
  await using weir = await startDaemon({ dataDir });
  const warmupMs = Math.max(pace.warmupMs, leastWarmupMs);
  const args = [weir.url, count, pace.armMs, warmupMs].map(String);
  return await runBench("trace_files.ts", args, pace.armMs + warmupMs + 60_000) as TraceFilesResult;
}

function describe(costs: readonly SetCost[]): string {
  const middle = (pick: (cost: SetCost) => number): number => median(costs.map(pick));
  const kB = (bytes: number): string => figure(bytes / 1_000, " kB");
  const { requests } = costs[0];
  return `${figure(middle(({ ms }) => ms), " ms")}, ${requests} request${requests === 1 ? "" : "s"}, ` +
    `${kB(middle(({ sentBytes }) => sentBytes))} out, ${
      kB(middle(({ receivedBytes }) => receivedBytes))
    } back`;
}
