/**
 * How far a file was sent, remembered beside it.
 * @module
 */

import { describeError } from "../base/log.ts";
import type { RowFile } from "./send_source.ts";

/** How far a run came. */
export interface SentState {
  /** Rows that were answered. */
  readonly rows: number;
  /** Of these, rows that were refused. */
  readonly rejected: number;
  /** Rows a request: a run that goes on must cut the same batches, or the daemon would not know them again. */
  readonly batchRows: number;
}

/** Time between two writes, in ms. What was answered since is sent again, and recognised. */
const writeEveryMs = 500;

/** The note beside one file. Nothing is remembered where a later run could not go on anyway. */
export class StateFile {
  readonly #id: string;
  readonly #path: string | undefined;
  readonly #warn: (text: string) => void;
  #latest: SentState | undefined;
  #writtenAt = performance.now();
  #failed = false;

  /** @param warn Told once, when nothing can be written beside the file. */
  constructor(file: RowFile, warn: (text: string) => void) {
    this.#id = file.id;
    this.#path = file.path && `${file.path}.weir-sent`;
    this.#warn = warn;
  }

  /** How far an earlier run came; undefined when nothing is remembered, or the file has changed since. */
  async read(): Promise<SentState | undefined> {
    if (this.#path === undefined) return undefined;
    try {
      const { id, ...state } = JSON.parse(await Deno.readTextFile(this.#path)) as
        & { id?: unknown }
        & SentState;
      const counts = [state.rows, state.rejected, state.batchRows];
      return id === this.#id && counts.every((count) => Number.isSafeInteger(count)) ? state : undefined;
    } catch (error) {
      if (error instanceof Deno.errors.NotFound || error instanceof SyntaxError) return undefined;
      throw error;
    }
  }

  /** Remembers how far the run came; the disk may learn of it a little later. */
  async note(state: SentState): Promise<void> {
    this.#latest = state;
    if (performance.now() - this.#writtenAt >= writeEveryMs) await this.save();
  }

  /** Writes what was noted. */
  async save(): Promise<void> {
    if (this.#path === undefined || this.#latest === undefined || this.#failed) return;
    this.#writtenAt = performance.now();
    try {
      await Deno.writeTextFile(`${this.#path}.tmp`, JSON.stringify({ id: this.#id, ...this.#latest }) + "\n");
      await Deno.rename(`${this.#path}.tmp`, this.#path);
    } catch (error) {
      this.#failed = true;
      this.#warn(`Cannot remember how far this run came: ${describeError(error)}\n`);
    }
  }

  /** Forgets. */
  async clear(): Promise<void> {
    this.#latest = undefined;
    if (this.#path === undefined) return;
    await Deno.remove(this.#path).catch((error) => {
      if (!(error instanceof Deno.errors.NotFound)) throw error;
    });
  }
}
