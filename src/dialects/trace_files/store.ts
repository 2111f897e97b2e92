/**
 * The folder of trace files while the daemon runs: opened and swept at start, written to by requests, thinned out
 * by retention.
 * @module
 */

import { resolve } from "node:path";
import { WeirError } from "../../base/errors.ts";
import { describeError } from "../../base/log.ts";
import { isApart } from "../../config/cross_checks.ts";
import type { Services } from "../dialect.ts";
import { FileRoot, type RealDirectory } from "./file_root.ts";
import { FileWriter } from "./file_writer.ts";
import { LateLines } from "./late_lines.ts";
import { directorySegments } from "./names.ts";
import { applyRetention, sweepTemporaries } from "./retention.ts";

/** What requests may do with the folder. */
export class TraceFileStore implements AsyncDisposable {
  readonly root: FileRoot;
  readonly writer: FileWriter;
  readonly lateLines = new LateLines();
  readonly #services: Services;
  readonly #isDurable: boolean;
  #timer: ReturnType<typeof setTimeout> | undefined;
  #running: Promise<void> = Promise.resolve();
  #isClosed = false;

  /**
   * Opens the folder, and removes what writes that were cut off have left.
   * @throws Error when it cannot be used, or the daemon has another use for it
   */
  static async open(services: Services): Promise<TraceFileStore> {
    const { config, log } = services;
    const root = await FileRoot.open(resolve(config.data_dir, config.trace_files.root));
    if (!isApart(root.path, await Deno.realPath(config.data_dir))) {
      throw new Error(
        "Cannot use trace_files.root: a link leads from it to where the daemon keeps its own files",
      );
    }
    const removed = await sweepTemporaries(root);
    if (removed > 0) log.info("Trace files that were not finished were removed", { count: removed });
    return new TraceFileStore(root, services);
  }

  private constructor(root: FileRoot, services: Services) {
    this.root = root;
    this.#services = services;
    this.#isDurable = services.config.durability === "fsync";
    this.writer = new FileWriter(root, { isDurable: this.#isDurable });
    this.#thinOutLater();
  }

  /**
   * The directory that a client names, made where it is missing.
   * @throws WeirError `invalid_directory`; Error of the system
   */
  async make(directory: string): Promise<RealDirectory> {
    const made = await this.root.enter(this.segments(directory), { make: true, isDurable: this.#isDurable });
    if (made === undefined) throw new Error("Cannot be: what is missing was made");
    return made;
  }

  /** The directory that a client names; undefined when it is not there. @throws WeirError, as {@link make} */
  find(directory: string): Promise<RealDirectory | undefined> {
    return this.root.enter(this.segments(directory), { make: false });
  }

  /** The directory's segments below the root. @throws WeirError `invalid_directory` */
  segments(directory: string): string[] {
    const segments = directorySegments(directory, this.root.path);
    if (segments === undefined) throw new WeirError("invalid_directory", "Invalid output path");
    return segments;
  }

  /** Applies retention now. */
  async thinOut(): Promise<void> {
    const { config, clock, metrics, log } = this.#services;
    const { max_trace_files: maxFiles, max_file_age_ms: maxAgeMs } = config.trace_files;
    if (maxFiles === 0 && maxAgeMs === 0) return;
    const report = await applyRetention({ maxFiles, maxAgeMs }, clock.now(), this);
    for (const reason of ["age", "count"] as const) {
      if (report[reason] === 0) continue;
      metrics.counter("weir_trace_files_removed_total").inc({ reason }, report[reason]);
      log.info("Old trace files removed", { count: report[reason], reason });
    }
  }

  async [Symbol.asyncDispose](): Promise<void> {
    this.#isClosed = true;
    clearTimeout(this.#timer);
    this.lateLines[Symbol.dispose]();
    await this.#running;
  }

  #thinOutLater(): void {
    this.#timer = setTimeout(() => {
      this.#running = this.thinOut().catch((error) => {
        this.#services.log.error("Retention of trace files failed", { error: describeError(error) });
      }).then(() => {
        if (!this.#isClosed) this.#thinOutLater();
      });
    }, this.#services.config.retention.interval_ms);
    Deno.unrefTimer(this.#timer);
  }
}
