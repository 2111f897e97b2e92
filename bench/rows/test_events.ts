/**
 * What batching saves: test events through EventBuffer against one request an event.
 * @module
 */

import { runBench, startWeir } from "../arms.ts";
import { type Comparison, figure, median } from "../comparison.ts";
import type { EventJob, EventLoad } from "../event_load.ts";
import { inRounds, type Pace, type Row } from "../row.ts";

const timeoutMs = 600_000;

/** Time of one request an event over that of EventBuffer, for a run's events and for many. */
export const testEventsRow: Row = {
  name: "test-events",
  async run(pace): Promise<Comparison[]> {
    const counts = [1_600, pace.quick ? 20_000 : 100_000];
    const comparisons: Comparison[] = [];
    for (const events of counts) comparisons.push(await compare(events, pace));
    return comparisons;
  },
};

async function compare(events: number, pace: Pace): Promise<Comparison> {
  const rounds = await inRounds(`test-events ${events}`, pace, async () => ({
    buffer: await send(events, "buffer"),
    single: await send(events, "single"),
  }));
  const last = rounds[rounds.length - 1];
  const seconds = (mode: "buffer" | "single"): string =>
    figure(median(rounds.map((round) => round[mode].ms)) / 1_000, " s");
  const megabytes = (load: EventLoad): string => figure(load.bytes / 1e6, " MB");
  return {
    row: "test-events",
    what: `${events.toLocaleString("en")} test events, one request each`,
    against: "through EventBuffer",
    unit: "x",
    better: "more",
    bar: 2,
    goal: 5,
    values: rounds.map(({ buffer, single }) => single.ms / buffer.ms),
    detail:
      `one by one: ${seconds("single")}, ${last.single.requests} requests, ${megabytes(last.single)}; ` +
      `buffered: ${seconds("buffer")}, ${last.buffer.requests} requests, ${megabytes(last.buffer)}`,
  };
}

async function send(events: number, mode: EventJob["mode"]): Promise<EventLoad> {
  await using weir = await startWeir();
  const job: EventJob = { url: weir.url, events, mode };
  return await runBench("event_load.ts", [JSON.stringify(job)], timeoutMs) as EventLoad;
}
