/**
 * What becomes of claims over Redis, counted: starts of sessions, rows with an identity, Idempotency-Keys.
 * @module
 */

import type { Metrics } from "../base/metrics.ts";
import type { ClaimAnswer } from "./claims.ts";

/** Counts under `weir_claims_total`. */
export class ClaimCounts {
  readonly #taken: { inc(count: number): void };
  readonly #takenOver: { inc(count: number): void };
  readonly #lost: { inc(count: number): void };
  readonly #done: { inc(count: number): void };

  constructor(metrics: Metrics) {
    const counter = metrics.counter("weir_claims_total");
    this.#taken = counter.labels({ event: "taken" });
    this.#takenOver = counter.labels({ event: "taken_over" });
    this.#lost = counter.labels({ event: "lost" });
    this.#done = counter.labels({ event: "done" });
  }

  /** Final answers to claims. */
  answered(answers: readonly ClaimAnswer[]): void {
    let taken = 0, takenOver = 0;
    for (const answer of answers) {
      if (answer.state !== "taken") continue;
      if (answer.takenOver) takenOver++;
      else taken++;
    }
    this.#taken.inc(taken);
    this.#takenOver.inc(takenOver);
    this.#lost.inc(answers.length - taken - takenOver);
  }

  /** So many of them are stored, and that is told. */
  done(count: number): void {
    this.#done.inc(count);
  }
}
