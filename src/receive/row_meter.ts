/**
 * Counts rows by what became of them.
 * @module
 */

import type { Count, Metrics } from "../base/metrics.ts";
import type { Outcomes } from "../base/outcome.ts";

/** The row metrics of one dialect. */
export class RowMeter {
  readonly #dialect: string;
  readonly #metrics: Metrics;
  readonly #bytes: Count;
  readonly #outcomes = new Map<string, Count>();

  constructor(dialect: string, metrics: Metrics) {
    this.#dialect = dialect;
    this.#metrics = metrics;
    this.#bytes = metrics.count("weir_body_bytes_total", { dialect });
  }

  /** Adds the outcomes of rows that are stored, or refused for good. */
  count({ accepted, duplicates, rejected }: Outcomes): void {
    if (accepted > duplicates) this.#outcome("accepted").inc(accepted - duplicates);
    if (duplicates > 0) this.#outcome("duplicate").inc(duplicates);
    for (const { reason } of rejected) this.#outcome(reason).inc(1);
  }

  /** Adds decoded bytes of bodies. */
  countBytes(bytes: number): void {
    this.#bytes.inc(bytes);
  }

  #outcome(outcome: string): Count {
    let count = this.#outcomes.get(outcome);
    if (count === undefined) {
      count = this.#metrics.count("weir_rows_total", { dialect: this.#dialect, outcome });
      this.#outcomes.set(outcome, count);
    }
    return count;
  }
}
