/**
 * What becomes of claims over Redis, counted: starts of sessions, rows with an identity, Idempotency-Keys.
 * @module
 */

import type { Metrics } from "../base/metrics.ts";
import type { RedisAnswer } from "./redis_link.ts";

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

  /** Final answers to claims: state, fence, whether the owner before is gone. */
  answered(answers: readonly RedisAnswer[]): void {
    let taken = 0, takenOver = 0;
    for (const [state, , isTakenOver] of answers) {
      if (state === "taken" && isTakenOver === 1) takenOver++;
      else if (state === "taken") taken++;
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
