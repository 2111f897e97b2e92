/**
 * `deno task bench`: measures against the baselines and writes docs/BENCHMARKS.md.
 *
 *     deno task bench                              everything, more than an hour
 *     deno task bench --only batch2000,single      these rows
 *     deno task bench --arm-seconds 8              shorter arms
 *     deno task bench --quick                      3 rounds of 3 s, for development; the report goes to bench/out/
 *
 * @module
 */

import { parseArgs } from "node:util";
import { outFolder } from "./arms.ts";
import type { Comparison } from "./comparison.ts";
import { describeMachine } from "./machine.ts";
import { renderReport } from "./report.ts";
import type { Pace, Row } from "./row.ts";
import { fairnessRow } from "./rows/fairness.ts";
import { generatorRow } from "./rows/generator.ts";
import { latencyRow } from "./rows/latency.ts";
import { memoryRow } from "./rows/memory.ts";
import { overloadRow } from "./rows/overload.ts";
import { parserRow } from "./rows/parser.ts";
import { announcedRow, redisRow } from "./rows/redis.ts";
import { reporterRow } from "./rows/reporter.ts";
import { testEventsRow } from "./rows/test_events.ts";
import { throughputRows } from "./rows/throughput.ts";
import { traceFilesRow } from "./rows/trace_files.ts";
import { tracesRow } from "./rows/traces.ts";
import { trpcProxyRow } from "./rows/trpc_proxy.ts";

const rows: Row[] = [
  ...throughputRows,
  redisRow,
  announcedRow,
  latencyRow,
  parserRow,
  memoryRow,
  overloadRow,
  tracesRow,
  traceFilesRow,
  fairnessRow,
  trpcProxyRow,
  testEventsRow,
  reporterRow,
  generatorRow,
];

const docs = new URL("../docs/", import.meta.url);

if (import.meta.main) Deno.exitCode = await bench(Deno.args);

/** Runs the chosen rows; 1 when one of them failed, 2 when the arguments are wrong. */
async function bench(args: string[]): Promise<number> {
  const { values: flags } = parseArgs({
    args,
    options: {
      quick: { type: "boolean", default: false },
      only: { type: "string" },
      "arm-seconds": { type: "string", default: "30" },
    },
  });
  const wanted = flags.only?.split(",") ?? rows.map((row) => row.name);
  if (!(Number(flags["arm-seconds"]) >= 1)) {
    say(`Cannot run: --arm-seconds must be at least 1: current value is ${flags["arm-seconds"]}`);
    return 2;
  }
  const unknown = wanted.filter((name) => !rows.some((row) => row.name === name));
  if (unknown.length > 0) {
    say(`Cannot run ${unknown.join(", ")}: the rows are ${rows.map((row) => row.name).join(", ")}`);
    return 2;
  }
  await Deno.mkdir(outFolder, { recursive: true });
  const raw: { row: string; raw: unknown }[] = [];
  const pace: Pace = {
    rounds: flags.quick ? 3 : 5,
    armMs: flags.quick ? 3000 : Number(flags["arm-seconds"]) * 1000,
    warmupMs: flags.quick ? 500 : 2000,
    quick: flags.quick,
    say,
    keep: (row, result) => raw.push({ row, raw: result }),
  };

  const machine = await describeMachine();
  machine.forEach(say);
  const comparisons: Comparison[] = [];
  const failures: [string, string][] = [];
  for (const row of rows.filter((row) => wanted.includes(row.name))) {
    try {
      comparisons.push(...await row.run(pace));
    } catch (error) {
      // The other rows are still worth having; the report names this one.
      const text = error instanceof Error ? error.message : String(error);
      failures.push([row.name, text]);
      say(`${row.name} failed: ${text}`);
    }
  }

  const left = rows.filter((row) => !wanted.includes(row.name)).map((row) => row.name);
  const date = new Date().toISOString();
  const report = renderReport(comparisons, {
    machine,
    date: date.slice(0, 10),
    command: ["deno task bench", ...args].join(" "),
    rounds: pace.rounds,
    armMs: pace.armMs,
    notes: await Deno.readTextFile(new URL("benchmark_notes.md", docs)),
    failures,
    left,
  });
  await Deno.writeTextFile(flags.quick ? `${outFolder}report.md` : new URL("BENCHMARKS.md", docs), report);
  const figures = JSON.stringify({ date, args, comparisons, failures, raw }, undefined, 1);
  await Deno.writeTextFile(`${outFolder}${date.replaceAll(":", "-")}.json`, figures);
  say(report);
  return failures.length === 0 ? 0 : 1;
}

function say(text: string): void {
  Deno.stdout.writeSync(new TextEncoder().encode(text + "\n"));
}
