/**
 * What a trace batch costs when many requests are open, against few.
 * @module
 */

import { offer, startWeir } from "../arms.ts";
import { type Comparison, figure, median } from "../comparison.ts";
import { inRounds, type Pace, type Row } from "../row.ts";

const few = 1000;
/** Nothing is written early in this row: neither for its age nor for the size of what is held. */
const config = {
  traces: { idle_ms: 3_600_000 },
  index: { max_requests: 4_000_000, max_bytes: "4GiB" },
  journal: { max_held_bytes: "64GiB" },
};

/** Time of one trace batch with 1,000,000 open requests over that with 1,000. */
export const tracesRow: Row = {
  name: "traces",
  async run(pace): Promise<Comparison[]> {
    const many = 1_000_000;
    const rounds = await inRounds("traces", pace, async () => ({
      few: await batchesPerSecond(few, pace),
      many: await batchesPerSecond(many, pace),
    }));
    return [{
      row: "traces",
      what: `time of a trace batch with ${many.toLocaleString("en")} open requests`,
      against: "with 1,000",
      unit: "x",
      better: "less",
      bar: 1.2,
      goal: 1.05,
      values: rounds.map((round) => round.few / round.many),
      detail: `batches: ${figure(median(rounds.map((round) => round.many)), "/s")} and ` +
        figure(median(rounds.map((round) => round.few)), "/s"),
    }];
  },
};

/** Batches a second that go to open requests in turn, ten in a body. */
async function batchesPerSecond(open: number, pace: Pace): Promise<number> {
  await using weir = await startWeir({ config });
  const perBody = 500;
  const filled = await offer({
    url: weir.url,
    body: { kind: "trace", openRequests: open, firstIndex: 0, entries: perBody },
    connections: 4,
    warmupMs: 0,
    durationMs: 300_000,
    requests: open / perBody,
  });
  if (filled.ok !== open / perBody) {
    throw new Error(`Cannot open the requests: ${JSON.stringify(filled.statuses)}`);
  }
  const result = await offer({
    url: weir.url,
    body: { kind: "trace", openRequests: open, firstIndex: 1, entries: 10 },
    connections: 16,
    warmupMs: pace.warmupMs,
    durationMs: pace.armMs / 2,
  });
  if (result.errors > 0) throw new Error(`Cannot compare: ${JSON.stringify(result.statuses)}`);
  return result.rps * 10;
}
