/**
 * Rows of a file, cut into batches without holding the file.
 * @module
 */

import { createHash, randomUUID } from "node:crypto";
import { WeirError } from "../base/errors.ts";
import { JsonRows } from "../parse/json_rows.ts";
import { NdjsonRows } from "../parse/ndjson_rows.ts";
import type { RowLimits, RowSource, RowWindow } from "../parse/window.ts";
import { BatchBuilder, type RowBatch } from "./send_batch.ts";
import { FormFinder, type RowForm, rowsKeys } from "./send_form.ts";

/** A file of rows. */
export interface RowFile extends Disposable {
  /** Tells this file, at this state, from others; another one for each run where it can be read only once. */
  readonly id: string;
  /** As given on the command line; undefined where a later run can't read the same rows again. */
  readonly path: string | undefined;
  /** Bytes; undefined where that is not known. */
  readonly size: number | undefined;
  /**
   * The rows from number `skip` on, at most `batchRows` together.
   * @throws SourceError when the file is not JSON or NDJSON
   */
  batches(of: { skip: number; batchRows: number }): AsyncGenerator<RowBatch>;
}

/** The file does not hold rows. */
export class SourceError extends Error {
  override readonly name = "SourceError";
}

const encoder = new TextEncoder();
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

/**
 * Opens a file of rows, or standard input for `-`.
 * @throws SourceError when it is a folder, and what opening a file throws
 */
export async function openSource(path: string): Promise<RowFile> {
  if (path === "-") {
    return { ...readOnce(), batches: (of) => cut(Deno.stdin, of), [Symbol.dispose]: () => {} };
  }
  const file = await Deno.open(path);
  const batches: RowFile["batches"] = (of) => cut(file, of);
  const close = { [Symbol.dispose]: () => file.close() };
  const { size, mtime, ino, isFile, isDirectory } = await file.stat();
  if (isFile) return { id: digest([size, mtime?.getTime(), ino]), path, size, batches, ...close };
  if (!isDirectory) return { ...readOnce(), batches, ...close };
  file.close();
  throw new SourceError("it is a folder");
}

/** A pipe: what came out of it once never does again, so its batches are no repeats of an earlier run's. */
function readOnce(): Pick<RowFile, "id" | "path" | "size"> {
  return { id: randomUUID(), path: undefined, size: undefined };
}

function digest(facts: unknown): string {
  return createHash("sha256").update(JSON.stringify(facts)).digest("hex").slice(0, 32);
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
        const position = window.firstIndex + i;
        if (position < of.skip) continue;
        const row = window.bytes.subarray(window.start(i), window.end(i));
        const isFull = batch.rows >= of.batchRows || batch.bytes + row.length > maxBodyBytes;
        if (batch.rows > 0 && isFull) yield batch.take(readBytes);
        batch.add(row, position);
      }
    }
    if (batch.rows > 0) yield batch.take(readBytes);
  } catch (error) {
    if (error instanceof WeirError) throw new SourceError(error.message, { cause: error });
    throw error;
  }
}

async function* windowsOf(reader: Reader): AsyncGenerator<{ window: RowWindow; read: number }> {
  const chunks = new Chunks(reader);
  const { form, start } = await readStart(chunks);
  const source: RowSource = form === "ndjson"
    ? new NdjsonRows({ limits })
    : new JsonRows({ rowsKey: rowsKeys, limits });
  // An array is read as the member of an object around it.
  const [before, behind] = form === "array" ? ['{"events":', "}"] : ["", ""];
  for (const chunk of [encoder.encode(before), ...start]) {
    for (const window of source.push(chunk)) yield { window, read: chunks.readBytes };
  }
  for (let chunk = await chunks.next(); chunk !== undefined; chunk = await chunks.next()) {
    for (const window of source.push(chunk)) yield { window, read: chunks.readBytes };
  }
  for (const window of source.push(encoder.encode(behind))) yield { window, read: chunks.readBytes };
  for (const window of source.finish()) yield { window, read: chunks.readBytes };
}

/** Reads until the form is known; a file that ends before is one row without a line break, or none. */
async function readStart(chunks: Chunks): Promise<{ form: RowForm; start: Uint8Array[] }> {
  const finder = new FormFinder(limits);
  const start: Uint8Array[] = [];
  for (;;) {
    const chunk = await chunks.next();
    if (chunk === undefined) return { form: "ndjson", start };
    const form = finder.feed(chunk);
    // White space in front of everything belongs to no row, however much of it there is.
    if (finder.hasBegun) start.push(chunk);
    if (form !== undefined) return { form, start };
  }
}

/** What a reader gives, in pieces that are not empty and without a byte order mark. */
class Chunks {
  readBytes = 0;
  readonly #reader: Reader;
  #hasBegun = false;

  constructor(reader: Reader) {
    this.#reader = reader;
  }

  /** @returns undefined at the end */
  async next(): Promise<Uint8Array | undefined> {
    if (this.#hasBegun) return await this.#read();
    this.#hasBegun = true;
    let start: Uint8Array = new Uint8Array(0);
    while (start.length < 3) {
      const more = await this.#read();
      if (more === undefined) break;
      start = start.length === 0 ? more : Uint8Array.from([...start, ...more]);
    }
    return start.length === 0 ? undefined : withoutMark(start);
  }

  async #read(): Promise<Uint8Array | undefined> {
    const chunk = new Uint8Array(chunkBytes);
    for (;;) {
      const size = await this.#reader.read(chunk);
      if (size === null) return undefined;
      this.readBytes += size;
      if (size > 0) return chunk.subarray(0, size);
    }
  }
}

/** @throws SourceError for the mark of UTF-16 */
function withoutMark(start: Uint8Array): Uint8Array {
  const [a, b, c] = start;
  if ((a === 0xff && b === 0xfe) || (a === 0xfe && b === 0xff)) {
    throw new SourceError("it must be UTF-8: it begins with the mark of UTF-16");
  }
  return a === 0xef && b === 0xbb && c === 0xbf ? start.subarray(3) : start;
}
