/**
 * Whether the journal takes frames, and why not; each change is told once, in the log and in the metrics.
 * @module
 */

import type { Log } from "../base/log.ts";
import type { Metrics } from "../base/metrics.ts";
import { WeirError } from "../base/errors.ts";
import { errorCode } from "./files.ts";

/** How a journal is. Once `failed`, always `failed`. */
export class JournalHealth {
  readonly #log: Log;
  readonly #metrics: Metrics;
  #state: "ok" | "full" | "failed" = "ok";
  #reason: string | undefined;

  constructor({ log, metrics }: { readonly log: Log; readonly metrics: Metrics }) {
    this.#log = log;
    this.#metrics = metrics;
    metrics.gauge("weir_journal_failed").set(0);
  }

  get state(): "ok" | "full" | "failed" {
    return this.#state;
  }

  /** Why it is not `ok`; undefined when it is. */
  get reason(): string | undefined {
    return this.#reason;
  }

  /** What who wanted something stored is told of a journal that failed. */
  get failure(): WeirError {
    return new WeirError("journal_failed", `Cannot store the rows: the journal failed: ${this.#reason}`);
  }

  /** A frame was stored, or a segment was begun. */
  noteRoom(segment: number): void {
    if (this.#state !== "full") return;
    this.#log.info("The journal has room again", { segment });
    this.#state = "ok";
    this.#reason = undefined;
  }

  /** A write found no room. */
  noteFull(segment: number, error: unknown): void {
    if (this.#state === "ok") this.#log.error("The disk is full", { segment, reason: errorCode(error) });
    this.#state = "full";
    this.#reason = `write: ${errorCode(error)}`;
  }

  /** No segment could be begun; frames go on into the current one. */
  noteNoSegment(segment: number, { code }: WeirError): void {
    // A full disk was told already, and is tried again and again.
    if (this.#state === "ok") this.#log.error("Cannot begin a segment", { segment, code });
  }

  /** What happened cannot be mended while the daemon runs. */
  noteFailure(segment: number, { step, error }: { readonly step: string; readonly error: unknown }): void {
    this.#state = "failed";
    this.#reason = `${step}: ${errorCode(error)}`;
    this.#metrics.gauge("weir_journal_failed").set(1);
    this.#log.error("The journal failed", { segment, reason: this.#reason });
  }
}
