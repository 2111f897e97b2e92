/**
 * What the tRPC proxy costs: the same calls to the upstream directly, through a plain proxy, and through the daemon.
 * @module
 */

import { type Arm, offer, startArm, startWeir } from "../arms.ts";
import { type Comparison, figure, median } from "../comparison.ts";
import { inRounds, type Pace, type Row } from "../row.ts";

const prefix = "/api/trpc";

/** Requests a second, and p99 in ms. */
interface Measured {
  readonly rps: number;
  readonly p99: number;
}

/** Row of the tRPC proxy. */
export const trpcProxyRow: Row = {
  name: "trpc",
  async run(pace): Promise<Comparison[]> {
    const rounds = await inRounds("trpc", pace, async () => {
      await using upstream = await startArm("trpc_upstream");
      const direct = await measure(upstream, pace);
      const plain = await measureOwn(await startArm("pass_through", [upstream.url]), pace);
      const routes = [{ prefix, upstream: upstream.url }];
      const weir = await measureOwn(await startWeir({ config: { trpc: { routes } } }), pace);
      return { direct, plain, weir };
    });
    const text = (name: string, of: (round: typeof rounds[number]) => Measured): string =>
      `${name} ${Math.round(median(rounds.map((round) => of(round).rps))).toLocaleString("en")}/s, p99 ` +
      figure(median(rounds.map((round) => of(round).p99)), " ms");
    const detail = [
      text("weir", ({ weir }) => weir),
      text("plain proxy", ({ plain }) => plain),
      text("upstream directly", ({ direct }) => direct),
    ].join("; ");
    const common = { row: "trpc", against: "plain pass-through proxy", unit: "x", detail };
    return [
      {
        ...common,
        what: "tRPC proxy, batch of one call, 16 connections, requests/s",
        better: "more",
        bar: 0.8,
        goal: 1,
        values: rounds.map(({ weir, plain }) => weir.rps / plain.rps),
      },
      {
        ...common,
        what: "the same, p99",
        better: "less",
        bar: 1.25,
        goal: 1,
        values: rounds.map(({ weir, plain }) => weir.p99 / plain.p99),
      },
    ];
  },
};

async function measureOwn(arm: Arm, pace: Pace): Promise<Measured> {
  await using server = arm;
  return await measure(server, pace);
}

async function measure({ url }: Arm, pace: Pace): Promise<Measured> {
  const { warmupMs, armMs: durationMs } = pace;
  const result = await offer({ url, body: { kind: "trpc" }, connections: 16, warmupMs, durationMs });
  if (result.errors > 0) {
    throw new Error(`Cannot compare: ${result.errors} requests failed: ${JSON.stringify(result.statuses)}`);
  }
  return { rps: result.rps, p99: result.latency.p99 };
}
