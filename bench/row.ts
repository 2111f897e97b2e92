/**
 * What a row of the report is, and how its rounds run.
 * @module
 */

import type { Comparison } from "./comparison.ts";

/** How long and how often. */
export interface Pace {
  readonly rounds: number;
  /** Measured time of one arm of a throughput row. */
  readonly armMs: number;
  readonly warmupMs: number;
  /** Development runs: less of everything that costs time. */
  readonly quick: boolean;
  /** Says how far it is. */
  say(text: string): void;
  /** Keeps something for the file of raw figures. */
  keep(row: string, raw: unknown): void;
}

/** One row of the report, with one or more figures. */
export interface Row {
  /** Word for `--only`. */
  readonly name: string;
  run(pace: Pace): Promise<Comparison[]>;
}

/** Runs `round` as often as the pace says, keeping what each returned. */
export async function inRounds<T>(
  name: string,
  pace: Pace,
  round: (number: number) => Promise<T>,
): Promise<T[]> {
  const results: T[] = [];
  for (let number = 1; number <= pace.rounds; number++) {
    const result = await round(number);
    results.push(result);
    pace.keep(name, { round: number, ...result });
    pace.say(`${name}, round ${number} of ${pace.rounds}: ${JSON.stringify(result)}`);
  }
  return results;
}
