/**
 * Rows that compare how much goes through: the arms of a round run one after the other, each against a server
 * that was just started, and the ratio is taken within the round.
 * @module
 */

import { type Arm, offer, startArm, startStoring, startWeir } from "../arms.ts";
import type { DaemonOptions } from "../../tests/support/daemon.ts";
import type { BodyPlan } from "../bodies.ts";
import { type Comparison, figure, median } from "../comparison.ts";
import type { LoadResult } from "../load.ts";
import { inRounds, type Pace, type Row } from "../row.ts";

interface Rival {
  readonly label: string;
  readonly bar: number;
  readonly goal: number;
  /** Requests a second that it answers. */
  measure(pace: Pace): Promise<number>;
}

interface ThroughputOptions {
  readonly name: string;
  readonly what: string;
  readonly body: BodyPlan;
  readonly connections: number;
  /** Tells what no durable server can exceed, too. @default false */
  readonly withFloor?: boolean;
  readonly rivals: (load: Load) => Rival[];
}

interface Load {
  readonly body: BodyPlan;
  readonly connections: number;
}

/** Rows whose figure is a ratio of throughputs. */
export const throughputRows: Row[] = [
  throughputRow({
    name: "batch2000",
    what: "POST /track/batch, 2000 events a body, synced before the reply",
    body: { kind: "batch", events: 2000 },
    connections: 8,
    withFloor: true,
    rivals: (load) => [bare(load, 0.5, 1.25)],
  }),
  throughputRow({
    name: "batch10",
    what: "the same, 10 events a body",
    body: { kind: "batch", events: 10 },
    connections: 16,
    withFloor: true,
    rivals: (load) => [bare(load, 0.35, 1.25), naive(load, 4, 8)],
  }),
  throughputRow({
    name: "single",
    what: "POST /track, one event, 16 connections",
    body: { kind: "single" },
    connections: 16,
    withFloor: true,
    rivals: (load) => [bare(load, 0.3, 0.8)],
  }),
  throughputRow({
    name: "insert_ids",
    what: "2000 events a body, each with an insert id",
    body: { kind: "batch", events: 2000, insertIds: true },
    connections: 8,
    rivals: () => [withoutInsertIds()],
  }),
];

function throughputRow(options: ThroughputOptions): Row {
  const { name, what } = options;
  const events = options.body.kind === "batch" ? options.body.events : 1;
  const rivals = options.rivals(options);
  return {
    name,
    async run(pace): Promise<Comparison[]> {
      const rounds = await inRounds(name, pace, async () => {
        const against: number[] = [];
        for (const rival of rivals) against.push(await rival.measure(pace));
        const floor = options.withFloor
          ? (await loadArm(await startStoring("floor"), options, pace)).rps
          : undefined;
        return { weir: await measureWeir(options, pace), against, floor };
      });
      const floors = rounds.map(({ floor }) => floor).filter((floor) => floor !== undefined);
      const perSecond = (rps: number[]): string =>
        `${Math.round(median(rps) * events).toLocaleString("en")}/s`;
      return rivals.map((rival, i) => ({
        row: name,
        what,
        against: rival.label,
        unit: "x",
        better: "more",
        bar: rival.bar,
        goal: rival.goal,
        values: rounds.map((round) => round.weir / round.against[i]),
        detail: `events: weir ${perSecond(rounds.map((round) => round.weir))}, ` +
          `${rival.label} ${perSecond(rounds.map((round) => round.against[i]))}` +
          (floors.length > 0 ? `; floor ${perSecond(floors)}` : ""),
      }));
    },
  };
}

function bare(load: Load, bar: number, goal: number): Rival {
  return {
    label: "bare",
    bar,
    goal,
    measure: async (pace) => (await loadArm(await startArm("bare"), load, pace)).rps,
  };
}

function naive(load: Load, bar: number, goal: number): Rival {
  return {
    label: "naive",
    bar,
    goal,
    measure: async (pace) => (await loadArm(await startStoring("naive"), load, pace)).rps,
  };
}

function withoutInsertIds(): Rival {
  return {
    label: "weir without insert ids",
    bar: 0.8,
    goal: 0.9,
    measure: (pace) => measureWeir({ body: { kind: "batch", events: 2000 }, connections: 8 }, pace),
  };
}

async function loadArm(arm: Arm, load: Load, pace: Pace): Promise<LoadResult> {
  await using server = arm;
  const result = await offer({
    url: server.url,
    body: load.body,
    connections: load.connections,
    warmupMs: pace.warmupMs,
    durationMs: pace.armMs,
  });
  if (result.errors > 0) {
    throw new Error(`Cannot compare: ${result.errors} requests failed: ${JSON.stringify(result.statuses)}`);
  }
  return result;
}

/** The median time of one batch of 2000 events, in ms, where one client sends one after the other. */
export async function batchTime(pace: Pace): Promise<number> {
  await using weir = await startWeir();
  const shared: Arm = { url: weir.url, [Symbol.asyncDispose]: () => Promise.resolve() };
  const result = await loadArm(shared, { body: { kind: "batch", events: 2000 }, connections: 1 }, pace);
  return result.latency.p50;
}

/** The daemon's requests a second, after a look at its own count: every acknowledged event must be in it. */
export async function measureWeir(load: Load, pace: Pace, options: DaemonOptions = {}): Promise<number> {
  await using weir = await startWeir(options);
  const shared: Arm = { url: weir.url, [Symbol.asyncDispose]: () => Promise.resolve() };
  const result = await loadArm(shared, load, pace);
  const events = load.body.kind === "batch" ? load.body.events : 1;
  const counted = await weir.metric("weir_rows_total", { outcome: "accepted" });
  if (counted < result.okInAll * events) {
    throw new Error(
      `The daemon counted ${counted} accepted rows, but acknowledged ${result.okInAll * events}`,
    );
  }
  const peak = figure(await weir.daemon.peakRssKb() / 1024, " MiB");
  pace.say(
    `  weir: ${Math.round(result.rps)} requests/s, p99 ${
      figure(result.latency.p99, " ms")
    }, peak RSS ${peak}`,
  );
  return result.rps;
}
