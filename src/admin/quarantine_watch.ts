/**
 * Whether something was set aside as damaged, and still waits for a person.
 * @module
 */

import type { Clock } from "../base/clock.ts";
import { countQuarantined } from "../flush/quarantine_limits.ts";
import type { Check } from "./health.ts";

/** Health is asked for often, and reading a folder blocks. */
const staleMs = 10_000;

/** Looks into quarantine/ when it is asked, at most every ten seconds. */
export class QuarantineWatch {
  readonly #dataDir: string;
  readonly #clock: Clock;
  #lookedAt = -Infinity;
  #files = 0;

  constructor(dataDir: string, clock: Clock) {
    this.#dataDir = dataDir;
    this.#clock = clock;
  }

  /** Degraded while files lie there. */
  check(): Check {
    const now = this.#clock.monotonic();
    if (now - this.#lookedAt >= staleMs) {
      this.#lookedAt = now;
      this.#files = countQuarantined(this.#dataDir);
    }
    const figures = { files: this.#files };
    if (this.#files === 0) return { name: "quarantine", state: "ok", figures };
    return { name: "quarantine", state: "degraded", reason: "Damaged files were set aside", figures };
  }
}
