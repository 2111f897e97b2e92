/**
 * POST /api/traces/write-batch: several files, in either of the two shapes that clients send.
 * @module
 */

import { WeirError } from "../../base/errors.ts";
import type { RowWindow } from "../../parse/window.ts";
import type { ClosedBody, DirectIngest, Reply } from "../dialect.ts";
import { defaultDirectory } from "./directories.ts";
import type { RealDirectory } from "./file_root.ts";
import { FlawedRow, type Item, readDirectory, readItem } from "./item.ts";
import { batchReply, batchResults, reportBatch } from "./report.ts";
import { writeItems, type Written } from "./write_items.ts";
import type { WriteContext } from "./write_context.ts";

/** Keys that may hold the list: `files` with a directory for each, `traces` with one for all. */
export const listKeys = ["traces", "files"] as const;

type ListKey = (typeof listKeys)[number];

/** One batch. Contents are held until the body has proven good; of a body that has not, nothing more is held. */
export class WriteBatch implements DirectIngest {
  readonly #context: WriteContext;
  #items: Item[] = [];
  #flaws: [number, FlawedRow][] = [];
  #heldBytes = 0;

  constructor(context: WriteContext) {
    this.#context = context;
  }

  get scope(): string {
    return this.#context.app;
  }

  get heldBytes(): number {
    return this.#heldBytes;
  }

  take(window: RowWindow): void {
    const { config } = this.#context.services;
    for (let i = 0; i < window.count; i++) {
      const index = window.firstIndex + i;
      const item = readItem(window, i, config);
      if (item instanceof FlawedRow) this.#flaws.push([index, item]);
      else this.#items.push(item);
      if (this.#flaws.length > 0) this.#forget();
      else this.#heldBytes += (item as Item).bytes?.length ?? 0;
    }
  }

  async finish({ envelope, rowsKey }: ClosedBody): Promise<Reply> {
    const { services: { clock }, store } = this.#context;
    const start = clock.monotonic();
    const key = (rowsKey ?? (envelope.files === undefined ? "traces" : "files")) as ListKey;
    const directoryOf = this.#check(envelope, key);
    // The path of a whole batch is refused before anything is written; in the other shape, each item has its own.
    const found = key === "traces" ? await this.#lookAhead(directoryOf) : undefined;
    let early: { files: readonly Written[]; results: string } | undefined;
    const expect = (files: readonly Written[]): void =>
      void (early = { files, results: batchResults(files) });
    const files = await writeItems(this.#items, directoryOf, { store, found, expect });
    const results = early?.files === files ? early.results : batchResults(files);
    const durationMs = clock.monotonic() - start;
    reportBatch(files, durationMs, this.#context);
    return { status: 200, body: batchReply(files, durationMs, results) };
  }

  /**
   * Checks list and items, in this order.
   * @returns where an item belongs
   * @throws WeirError `invalid_body`, `validation`
   */
  #check(envelope: ClosedBody["envelope"], key: ListKey): (item: Item) => string {
    if (this.#items.length + this.#flaws.length === 0) {
      throw new WeirError("invalid_body", `Missing or empty ${key} array`, {
        details: `Request body must contain a non-empty array of ${key}`,
      });
    }
    const top = readDirectory(envelope.outputDirectory);
    const flaws = key === "files" ? [...this.#flaws, ...this.#homeless(top)] : this.#flaws;
    if (flaws.length > 0 || top instanceof FlawedRow) {
      const details = flaws.toSorted(([a], [b]) => a - b).map(([index, flaw]) => nameFlaw(index, flaw, key));
      if (top instanceof FlawedRow) details.unshift(top.text);
      throw new WeirError("validation", "Validation failed", { details });
    }
    const common = top ?? defaultDirectory;
    return key === "files" ? ({ directory }) => directory ?? common : () => common;
  }

  /** Items of the shape `files` that say nowhere where they belong. */
  #homeless(top: string | undefined | FlawedRow): [number, FlawedRow][] {
    if (top !== undefined) return [];
    const flaw = new FlawedRow("missing required fields", true);
    return this.#items.filter(({ directory }) => directory === undefined).map(({ index }) => [index, flaw]);
  }

  /** Finds the one directory of the batch, if it is there. @throws WeirError `invalid_directory` */
  async #lookAhead(directoryOf: (item: Item) => string): Promise<Map<string, RealDirectory>> {
    const named = directoryOf(this.#items[0]);
    try {
      const directory = await this.#context.store.find(named);
      return new Map(directory && [[named, directory]]);
    } catch (error) {
      if (error instanceof WeirError) throw error;
      // What else the disk says is said again of each file.
      return new Map();
    }
  }

  #forget(): void {
    for (const item of this.#items) item.bytes = undefined;
    this.#heldBytes = 0;
  }
}

function nameFlaw(index: number, { text, missing }: FlawedRow, key: ListKey): string {
  const fields = key === "files" ? "traceData, fileName, outputDirectory" : "traceData, fileName";
  return `${key === "files" ? "File" : "Trace"} ${index}: ${text}${missing ? ` (${fields})` : ""}`;
}
