/**
 * Ten times as many senders as the daemon needs to be busy, none of which waits when it is refused.
 * @module
 */

import { offer, startWeir } from "../arms.ts";
import { type Comparison, figure, median } from "../comparison.ts";
import type { LoadResult } from "../load.ts";
import { inRounds, type Pace, type Row } from "../row.ts";

const nominalConnections = 64;
const factor = 10;

/** Goodput, refusals and memory under overload. */
export const overloadRow: Row = {
  name: "overload",
  async run(pace): Promise<Comparison[]> {
    const rounds = await inRounds("overload", pace, async () => ({
      nominal: await offerWith(nominalConnections, pace),
      over: await offerWith(nominalConnections * factor, pace),
    }));
    const common = { row: "overload", against: "own peak with 64" } as const;
    const statuses = rounds.map(({ over }) => JSON.stringify(over.statuses)).join(" ");
    return [
      {
        ...common,
        what: "640 connections of 2000-event bodies: goodput",
        unit: "x",
        better: "more",
        bar: 0.7,
        goal: 0.9,
        values: rounds.map(({ nominal, over }) => over.rps / nominal.rps),
        detail:
          `offered ${figure(median(rounds.map(({ nominal, over }) => over.offered / nominal.rps)), "x")} ` +
          `of the peak; statuses by round ${statuses}`,
      },
      {
        ...common,
        what: "the same: refusals that are no 429 or 503 with Retry-After",
        against: "",
        unit: "",
        better: "less",
        bar: 0,
        goal: 0,
        values: rounds.map(({ over }) => over.improper),
        detail: "",
      },
      {
        ...common,
        what: "the same: peak RSS",
        unit: "x",
        better: "less",
        bar: undefined,
        goal: 1.5,
        values: rounds.map(({ nominal, over }) => over.peakMiB / nominal.peakMiB),
        detail: `${figure(median(rounds.map(({ nominal }) => nominal.peakMiB)), " MiB")} and ` +
          figure(median(rounds.map(({ over }) => over.peakMiB)), " MiB"),
      },
    ];
  },
};

interface Offered {
  readonly rps: number;
  /** Replies of any kind a second. */
  readonly offered: number;
  readonly statuses: LoadResult["statuses"];
  readonly improper: number;
  readonly peakMiB: number;
}

async function offerWith(connections: number, pace: Pace): Promise<Offered> {
  await using weir = await startWeir();
  const result = await offer({
    url: weir.url,
    body: { kind: "batch", events: 2000 },
    connections,
    // So many large bodies take seconds to come round once.
    warmupMs: 3000,
    durationMs: Math.max(pace.armMs, 10_000),
  });
  const { statuses, rps } = result;
  const proper = (statuses["429"] ?? 0) + (statuses["503"] ?? 0) - result.missingRetryAfter;
  const peakMiB = await weir.daemon.peakRssKb() / 1024;
  const offered = (result.ok + result.errors) / result.seconds;
  return { rps, offered, statuses, improper: result.errors - proper, peakMiB };
}
