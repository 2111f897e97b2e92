/**
 * docs/BENCHMARKS.md: the figures, what they were measured on, and the notes of docs/benchmark_notes.md.
 * @module
 */

import { type Comparison, figure, median, verdict, worst } from "./comparison.ts";

/** What stands around the table. */
export interface ReportFacts {
  readonly machine: readonly string[];
  readonly date: string;
  readonly command: string;
  readonly rounds: number;
  readonly armMs: number;
  readonly notes: string;
  /** Rows that ended with an error: name and text. */
  readonly failures: readonly (readonly [string, string])[];
  /** Names of rows that were not asked for. */
  readonly left: readonly string[];
}

/** The page as Markdown. */
export function renderReport(comparisons: readonly Comparison[], facts: ReportFacts): string {
  const rows = comparisons.map((comparison) => {
    const { what, against, unit, better, bar, goal, values, detail } = comparison;
    const wanted = (value: number): string => (better === "more" ? ">= " : "<= ") + figure(value, unit);
    const met = { goal: "goal", bar: "bar", no: "**no**", short: "goal missed" }[verdict(comparison)];
    const measured = `${figure(median(values), unit)} (${figure(worst(comparison), unit)})`;
    return [what, against, measured, bar === undefined ? "none" : wanted(bar), wanted(goal), met, detail];
  });
  const failed = facts.failures.map(([name, error]) => `- \`${name}\`: ${error}\n`).join("");
  return [
    "# Benchmarks\n",
    "Written by `deno task bench`; do not edit. Every figure is taken within a round, in which the arms run one " +
    "after the other, each against a server that was just started, with an empty data folder, its default " +
    "settings and load from a second process. The table shows the median of the rounds and, in brackets, the " +
    "worst of them. `bare` only parses the body as JSON; `naive` parses, checks, appends and syncs each request; " +
    "`floor` looks at nothing, and writes and syncs the bodies of requests together before it answers " +
    "(bench/arms/).\n",
    facts.machine.map((line) => `- ${line}\n`).join("") +
    `- date: ${facts.date}\n- command: \`${facts.command}\`\n` +
    `- ${facts.rounds} rounds, ${facts.armMs / 1000} s for each arm of a throughput row\n`,
    table(["what", "against", "measured (worst)", "bar", "goal", "met", "behind it"], rows),
    ...(failed ? [`## Rows that failed\n`, failed] : []),
    ...(facts.left.length > 0 ? [`Not run this time: ${facts.left.join(", ")}.\n`] : []),
    facts.notes,
  ].join("\n");
}

function table(heads: string[], rows: string[][]): string {
  const line = (cells: string[]): string =>
    `| ${cells.map((cell) => cell.replaceAll("|", "\\|")).join(" | ")} |\n`;
  return line(heads) + line(heads.map(() => "---")) + rows.map(line).join("");
}
