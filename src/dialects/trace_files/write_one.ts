/**
 * POST /api/traces/write: one file.
 * @module
 */

import { WeirError } from "../../base/errors.ts";
import type { RowWindow } from "../../parse/window.ts";
import type { DirectIngest, Reply } from "../dialect.ts";
import { defaultDirectory } from "./directories.ts";
import { FlawedRow, type Item, readItem } from "./item.ts";
import { reportOne } from "./report.ts";
import type { WriteContext } from "./write_context.ts";
import { writeItems } from "./write_items.ts";

/** One single write. */
export class WriteOne implements DirectIngest {
  readonly #context: WriteContext;
  #item: Item | FlawedRow = new FlawedRow("missing", true);

  constructor(context: WriteContext) {
    this.#context = context;
  }

  get scope(): string {
    return this.#context.app;
  }

  get heldBytes(): number {
    return this.#item instanceof FlawedRow ? 0 : this.#item.bytes?.length ?? 0;
  }

  take(window: RowWindow): void {
    this.#item = readItem(window, 0, this.#context.services.config);
  }

  async finish(): Promise<Reply> {
    const { store } = this.#context;
    const item = this.#item;
    if (item instanceof FlawedRow) {
      throw new WeirError("invalid_body", "Missing required fields: traceData and fileName", {
        details: item.missing ? "traceData must not be null, fileName must not be empty" : item.text,
      });
    }
    const directory = item.directory ?? defaultDirectory;
    store.segments(directory);
    const [file] = await writeItems([item], () => directory, { store });
    reportOne(file, this.#context);
    const { problem, path, fileName, bytes } = file;
    if (problem !== undefined) throw problem;
    const message = "Trace file written successfully";
    const size = bytes;
    return {
      status: 200,
      body: JSON.stringify({
        success: true,
        message,
        path,
        filePath: path,
        fileName,
        size,
        bytesWritten: bytes,
      }),
    };
  }
}
