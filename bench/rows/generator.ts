/**
 * Is the load generator fast enough to measure servers with? Its own limit is what it reaches against a server
 * that only counts bytes.
 * @module
 */

import { type Arm, offer, startArm } from "../arms.ts";
import { type BodyPlan, makeRequests } from "../bodies.ts";
import { type Comparison, figure, median } from "../comparison.ts";
import { inRounds, type Pace, type Row } from "../row.ts";

const loads: { what: string; body: BodyPlan; connections: number }[] = [
  { what: "2000 events a body", body: { kind: "batch", events: 2000 }, connections: 4 },
  { what: "10 events a body", body: { kind: "batch", events: 10 }, connections: 16 },
  { what: "one event", body: { kind: "single" }, connections: 16 },
];

/** The generator's limit over what the fastest baseline takes. */
export const generatorRow: Row = {
  name: "generator",
  async run(pace): Promise<Comparison[]> {
    const short: Pace = { ...pace, armMs: Math.min(pace.armMs, 5000) };
    const comparisons: Comparison[] = [];
    for (const { what, body, connections } of loads) {
      const bytes = makeRequests(body, 1, Date.now())[0]().length;
      const measure = async (arm: Arm): Promise<number> => {
        await using server = arm;
        const { warmupMs, armMs: durationMs } = short;
        return (await offer({ url: server.url, body, connections, warmupMs, durationMs })).rps;
      };
      const rounds = await inRounds("generator", short, async () => ({
        trivial: await measure(await startArm("trivial", [String(bytes)])),
        bare: await measure(await startArm("bare")),
      }));
      comparisons.push({
        row: "generator",
        what: `load generator against a server that only counts bytes, ${what}`,
        against: "against bare",
        unit: "x",
        better: "more",
        bar: 1.1,
        goal: 1.1,
        values: rounds.map(({ trivial, bare }) => trivial / bare),
        detail: `requests: ${figure(median(rounds.map(({ trivial }) => trivial)), "/s")} and ` +
          `${figure(median(rounds.map(({ bare }) => bare)), "/s")}`,
      });
    }
    return comparisons;
  },
};
