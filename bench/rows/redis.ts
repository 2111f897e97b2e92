/**
 * What sharing sessions costs: the daemon with Redis against itself without; and one batch of 2000 events against
 * the time that the batch route it stands in for was announced with.
 * @module
 */

import { startRedis } from "../../tests/support/redis.ts";
import type { Comparison } from "../comparison.ts";
import { figure, median } from "../comparison.ts";
import { inRounds, type Row } from "../row.ts";
import { batchTime, measureWeir } from "./throughput.ts";

const load = { body: { kind: "batch", events: 2000 }, connections: 4 } as const;
/** "2000 events in about 1.3 s" (contract `track`, 1.7). */
const announcedMs = 1_300;

/** `/track/batch` with 25 devices a batch, with Redis and without. */
export const redisRow: Row = {
  name: "redis",
  async run(pace): Promise<Comparison[]> {
    const rounds = await inRounds("redis", pace, async () => {
      const alone = await measureWeir(load, pace);
      await using redis = await startRedis();
      return { shared: await measureWeir(load, pace, { config: { redis: { url: redis.url } } }), alone };
    });
    const perSecond = (rps: number[]): string => `${Math.round(median(rps) * 2_000).toLocaleString("en")}/s`;
    return [{
      row: "redis",
      what: "POST /track/batch of 2000 events of 25 devices, sessions shared over Redis",
      against: "weir without Redis",
      unit: "x",
      better: "more",
      bar: 0.7,
      goal: 0.9,
      values: rounds.map(({ shared, alone }) => shared / alone),
      detail: `events: with Redis ${perSecond(rounds.map(({ shared }) => shared))}, ` +
        `without ${perSecond(rounds.map(({ alone }) => alone))}`,
    }];
  },
};

/** One client that sends one batch after the other. */
export const announcedRow: Row = {
  name: "announced",
  async run(pace): Promise<Comparison[]> {
    const rounds = await inRounds("announced", pace, async () => ({ ms: await batchTime(pace) }));
    return [{
      row: "announced",
      what: "one batch of 2000 events, from its first byte to its verdict, synced",
      against: "about 1.3 s, as announced for OpenPanel's batch route",
      unit: "x",
      better: "more",
      bar: 1,
      goal: 10,
      values: rounds.map(({ ms }) => announcedMs / ms),
      detail: `weir: ${figure(median(rounds.map(({ ms }) => ms)), " ms")}`,
    }];
  },
};
