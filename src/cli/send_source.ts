/**
 * Rows of a file, cut into batches without holding the file.
 * @module
 */

import { createHash } from "node:crypto";
import { WeirError } from "../base/errors.ts";
import { JsonRows } from "../parse/json_rows.ts";
import { NdjsonRows } from "../parse/ndjson_rows.ts";
import type { RowLimits, RowSource, RowWindow } from "../parse/window.ts";

/** Rows that go into one request. */
export interface RowBatch {
  /** Position of the first row in the file, from 0. */
  readonly firstRow: number;
  readonly rows: number;
  /** `{"events":[...]}`. */
  readonly body: Uint8Array<ArrayBuffer>;
  /** Bytes of the file read so far. */
  readonly readBytes: number;
}

/** A file of rows. */
export interface RowFile extends Disposable {
  /** Tells this file, at this state, from others; undefined for standard input. */
  readonly id: string | undefined;
  /** As given on the command line; undefined for standard input. */
  readonly path: string | undefined;
  /** Bytes; undefined for standard input. */
  readonly size: number | undefined;
  /**
   * The rows from number `skip` on.
   * @throws SourceError when the file is not JSON or NDJSON
   */
  batches(skip: number): AsyncGenerator<RowBatch>;
}

/** The file does not hold rows. */
export class SourceError extends Error {
  override readonly name = "SourceError";
}

const chunkBytes = 262_144;
/** A request's body stays below this, however many rows it may hold. */
const maxBodyBytes = 4 * 1024 * 1024;

const limits: RowLimits = {
  maxRows: Infinity,
  maxRowBytes: 8 * 1024 * 1024,
  maxDepth: 128,
  maxEnvelopeBytes: 65_536,
  windowRows: 50,
  windowBytes: 262_144,
  maxBodyBytes: Infinity,
};

/** Opens a file of rows, or standard input for `-`. */
export async function openSource(path: string, batchRows: number): Promise<RowFile> {
  if (path === "-") {
    const batches = (skip: number): AsyncGenerator<RowBatch> => cut(Deno.stdin, { skip, batchRows });
    return { id: undefined, path: undefined, size: undefined, batches, [Symbol.dispose]: () => {} };
  }
  const file = await Deno.open(path);
  const { size, mtime, ino } = await file.stat();
  const id = createHash("sha256").update(JSON.stringify([size, mtime?.getTime(), ino])).digest("hex").slice(
    0,
    32,
  );
  const batches = (skip: number): AsyncGenerator<RowBatch> => cut(file, { skip, batchRows });
  return { id, path, size, batches, [Symbol.dispose]: () => file.close() };
}

interface Reader {
  read(into: Uint8Array): Promise<number | null>;
}

async function* cut(reader: Reader, of: { skip: number; batchRows: number }): AsyncGenerator<RowBatch> {
  const batch = new BatchBuilder();
  let readBytes = 0;
  try {
    for await (const { window, read } of windowsOf(reader)) {
      readBytes = read;
      for (let i = 0; i < window.count; i++) {
        if (window.firstIndex + i < of.skip) continue;
        const row = window.bytes.subarray(window.start(i), window.end(i));
        if (batch.rows >= of.batchRows || (batch.rows > 0 && batch.bytes + row.length > maxBodyBytes)) {
          yield batch.take(readBytes);
        }
        if (batch.rows === 0) batch.firstRow = window.firstIndex + i;
        batch.add(row);
      }
    }
    if (batch.rows > 0) yield batch.take(readBytes);
  } catch (error) {
    if (error instanceof WeirError) throw new SourceError(error.message, { cause: error });
    throw error;
  }
}

async function* windowsOf(reader: Reader): AsyncGenerator<{ window: RowWindow; read: number }> {
  let source: RowSource | undefined;
  let closing: Uint8Array | undefined;
  let read = 0;
  for (;;) {
    const chunk = new Uint8Array(chunkBytes);
    const size = await reader.read(chunk);
    if (size === null) break;
    if (size === 0) continue;
    const bytes = chunk.subarray(0, size);
    read += size;
    if (source === undefined) {
      const form = formOf(bytes);
      source = form === "ndjson"
        ? new NdjsonRows({ limits })
        : new JsonRows({ rowsKey: ["events", "payload"], limits });
      if (form === "array") {
        closing = new TextEncoder().encode("}");
        for (const window of source.push(new TextEncoder().encode('{"events":'))) yield { window, read };
      }
    }
    for (const window of source.push(bytes)) yield { window, read };
  }
  if (source === undefined) return;
  if (closing !== undefined) { for (const window of source.push(closing)) yield { window, read }; }
  for (const window of source.finish()) yield { window, read };
}

/** An array, an object that holds the rows, or one row a line: told by the file's first bytes. */
function formOf(bytes: Uint8Array): "array" | "object" | "ndjson" {
  const start = new TextDecoder().decode(bytes.subarray(0, 4_096)).trimStart();
  if (start.startsWith("[")) return "array";
  return /^\{\s*"(?:events|payload)"\s*:\s*\[/.test(start) ? "object" : "ndjson";
}

/** Collects rows into one body. A line that is no JSON would spoil its whole batch, so it is sent as `null`. */
class BatchBuilder {
  firstRow = 0;
  #rows: Uint8Array[] = [];
  #bytes = 0;

  get rows(): number {
    return this.#rows.length;
  }

  get bytes(): number {
    return this.#bytes;
  }

  add(row: Uint8Array): void {
    const copy = isJson(row) ? row.slice() : new TextEncoder().encode("null");
    this.#rows.push(copy);
    this.#bytes += copy.length + 1;
  }

  take(readBytes: number): RowBatch {
    const body = new Uint8Array(this.#bytes + 13);
    const encoder = new TextEncoder();
    let at = encoder.encodeInto('{"events":[', body).written;
    this.#rows.forEach((row, i) => {
      if (i > 0) body[at++] = 0x2c;
      body.set(row, at);
      at += row.length;
    });
    at += encoder.encodeInto("]}", body.subarray(at)).written;
    const batch = { firstRow: this.firstRow, rows: this.#rows.length, body: body.subarray(0, at), readBytes };
    this.#rows = [];
    this.#bytes = 0;
    return batch;
  }
}

function isJson(row: Uint8Array): boolean {
  try {
    JSON.parse(new TextDecoder("utf-8", { fatal: true, ignoreBOM: true }).decode(row));
    return true;
  } catch {
    return false;
  }
}
