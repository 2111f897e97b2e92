/**
 * One figure of the report: rounds, their median and worst, and the bars they are held against.
 * @module
 */

/** A figure measured once a round. */
export interface Comparison {
  /** Word for `--only`, shared by figures of one row. */
  readonly row: string;
  readonly what: string;
  readonly against: string;
  /** After the figure: "x" for a ratio, else a unit with its space. */
  readonly unit: string;
  /** Is more better? */
  readonly better: "more" | "less";
  /** What it must reach; undefined where there is only a goal. */
  readonly bar: number | undefined;
  /** What it is meant to reach. */
  readonly goal: number;
  /** One a round. */
  readonly values: readonly number[];
  /** Behind the figures, such as absolute throughput. */
  readonly detail: string;
}

/** The middle value; of an even number, the mean of the two in the middle. */
export function median(values: readonly number[]): number {
  const sorted = values.toSorted((a, b) => a - b);
  const middle = sorted.length >> 1;
  return sorted.length % 2 === 1 ? sorted[middle] : (sorted[middle - 1] + sorted[middle]) / 2;
}

/** The value furthest from better. */
export function worst(comparison: Comparison): number {
  return comparison.better === "more" ? Math.min(...comparison.values) : Math.max(...comparison.values);
}

/** Which bar the median reaches; `short` of its goal is one that has no bar. */
export function verdict(comparison: Comparison): "goal" | "bar" | "no" | "short" {
  const reached = median(comparison.values);
  const reaches = (bar: number): boolean => comparison.better === "more" ? reached >= bar : reached <= bar;
  if (reaches(comparison.goal)) return "goal";
  if (comparison.bar === undefined) return "short";
  return reaches(comparison.bar) ? "bar" : "no";
}

/** A figure with its unit, three digits. */
export function figure(value: number, unit: string): string {
  const digits = Math.abs(value) >= 100 ? 0 : Math.abs(value) >= 10 ? 1 : 2;
  return value.toFixed(digits) + unit;
}
