/**
 * How far a file has come: a bar on a terminal, a summary at the end.
 * @module
 */

import type { CliIo } from "./io.ts";
import type { Verdict } from "./send_post.ts";
import type { RowBatch } from "./send_batch.ts";

/** Refused rows that are shown one by one. */
const maxShown = 10;
const redrawMs = 100;
const barWidth = 24;

/** Counts what was sent. */
export class Progress {
  rows = 0;
  accepted = 0;
  duplicates = 0;
  rejected = 0;
  readonly #io: CliIo;
  readonly #totalBytes: number | undefined;
  readonly #start = performance.now();
  readonly #shown: string[] = [];
  #drawnAt = 0;

  constructor(options: { io: CliIo; totalBytes: number | undefined }) {
    this.#io = options.io;
    this.#totalBytes = options.totalBytes;
  }

  /** A batch was answered. */
  add(batch: RowBatch, verdict: Verdict): void {
    this.rows += batch.rows;
    this.accepted += verdict.accepted;
    this.duplicates += verdict.duplicates;
    this.rejected += verdict.rejected.length;
    for (const { index, reason, error } of verdict.rejected) {
      if (this.#shown.length >= maxShown) break;
      this.#shown.push(`  row ${batch.firstRow + index}: ${reason}: ${error}`);
    }
    if (this.#io.isTty && performance.now() - this.#drawnAt >= redrawMs) this.#draw(batch.readBytes);
  }

  /** Writes the summary. */
  end(): void {
    const seconds = (performance.now() - this.#start) / 1_000;
    if (this.#io.isTty) this.#io.stderr("\r\x1b[K");
    this.#io.stdout(
      `${this.rows} rows in ${seconds.toFixed(1)} s (${
        Math.round(this.rows / Math.max(seconds, 0.001))
      } rows/s): ` +
        `${this.accepted} accepted, ${this.duplicates} of them known before, ${this.rejected} rejected\n`,
    );
    if (this.#shown.length > 0) this.#io.stdout(this.#shown.join("\n") + "\n");
    if (this.rejected > this.#shown.length) {
      this.#io.stdout(`  and ${this.rejected - this.#shown.length} more\n`);
    }
  }

  #draw(readBytes: number): void {
    this.#drawnAt = performance.now();
    const rate = Math.round(this.rows / Math.max((this.#drawnAt - this.#start) / 1_000, 0.001));
    const share = this.#totalBytes ? Math.min(readBytes / this.#totalBytes, 1) : undefined;
    const filled = Math.round((share ?? 0) * barWidth);
    const bar = share === undefined
      ? ""
      : `[${"#".repeat(filled)}${"-".repeat(barWidth - filled)}] ${(share * 100).toFixed(0)} % `;
    this.#io.stderr(`\r\x1b[K${bar}${this.rows} rows, ${rate} rows/s, ${this.rejected} rejected`);
  }
}
