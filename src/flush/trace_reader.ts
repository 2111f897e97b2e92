/**
 * Requests put together again from what the journal holds and what lies in parts, flushed or not.
 * @module
 */

import { join } from "node:path";
import { missingIndexes } from "../base/missing_indexes.ts";
import type { Catalog, RequestLine } from "../catalog/catalog.ts";
import { compareKeys } from "../catalog/listed_requests.ts";
import type { RequestName } from "../catalog/checkpoint.ts";
import { batchStride, metaStride, type RequestPlan } from "../index/plan.ts";
import type { TraceIndex } from "../index/trace_index.ts";
import { segmentPath } from "../journal/segment.ts";
import { skipBlanks } from "./json_members.ts";
import { journalDir, parsePartName } from "./layout.ts";
import { parseHead, RequestFields } from "./request_line.ts";
import { gather, type Stretch, StretchReader } from "./stored_bytes.ts";

/** A flush or retention may move what is being looked for; then it is looked up again, so many times. */
const maxTries = 5;
/** Each costs a file and a buffer of at most 1 MiB. */
const maxOpenFiles = 8;

const encoder = new TextEncoder();
const openBracket = encoder.encode("[");
const closeBracket = encoder.encode("]");
const comma = encoder.encode(",");

/** Where {@link TraceReader} looks. */
export interface TraceSources {
  readonly dataDir: string;
  readonly indexes: { readonly traces: Pick<TraceIndex, "get" | "requestsOf"> };
  readonly catalog: Pick<Catalog, "requestLines" | "requests">;
}

/** One batch of a request. */
export interface StoredBatch {
  readonly index: number;
  /** Bytes of its events, without brackets. */
  readonly bytes: number;
  /** Did the client leave the index out? */
  readonly assumed: boolean;
  /** Where its events lie, without brackets. */
  readonly at: { readonly stretch: Stretch; readonly start: number };
}

/** Reads requests as of now: what was acknowledged can be read. */
export class TraceReader {
  readonly #sources: TraceSources;

  constructor(sources: TraceSources) {
    this.#sources = sources;
  }

  /** The request ids of a session by the time of their first entry: in the same order before and after a flush. */
  rids(app: string, sid: string): string[] {
    const { catalog, indexes } = this.#sources;
    const times = new Map(catalog.requests.ofSession(app, sid).map(({ rid, firstT }) => [rid, firstT]));
    for (const { rid, firstT } of indexes.traces.requestsOf(app, sid)) {
      times.set(rid, Math.min(firstT, times.get(rid) ?? Infinity));
    }
    return [...times].map(([rid, t]) => ({ t, sid, rid })).sort(compareKeys).map(({ rid }) => rid);
  }

  /** The requests of a session, one after the other. Their events are read when asked for. */
  async *readTraces(app: string, sid: string): AsyncGenerator<StoredRequest, void, undefined> {
    for (const rid of this.rids(app, sid)) {
      const request = await this.readRequest({ app, sid, rid });
      if (request) yield request;
    }
  }

  /** A request; undefined when nothing of it is stored. */
  async readRequest(name: RequestName): Promise<StoredRequest | undefined> {
    for (let tries = 1;; tries++) {
      try {
        return await this.#read(name, tries === maxTries);
      } catch (error) {
        if (!(error instanceof Deno.errors.NotFound) || tries >= maxTries) throw error;
      }
    }
  }

  /** @param isLastTry Parts that are not there will not come; their batches count as missing. */
  async #read(name: RequestName, isLastTry: boolean): Promise<StoredRequest | undefined> {
    const { catalog, indexes, dataDir } = this.#sources;
    // Both in one turn of the event loop: what leaves the index is in the catalog.
    const open = indexes.traces.get(name.app, name.sid, name.rid);
    const lines = catalog.requestLines(name.app, name.sid, name.rid);
    if (open === undefined && lines.length === 0) return undefined;
    const fields = new RequestFields();
    const batches = new Map<number, StoredBatch>();
    for (const line of lines) {
      const added = addLine(line, { dataDir, fields, batches });
      await (isLastTry ? added.catch(passIfNotFound) : added);
    }
    if (open) await addOpen(open, { dataDir, fields, batches });
    return new StoredRequest(name, {
      fields,
      batches: [...batches.values()].sort((a, b) => a.index - b.index),
      total: Math.max(open?.total ?? -1, ...lines.map((line) => line.total)),
      replaced: lines.reduce((sum, line) => sum + line.replaced, open?.replaced ?? 0),
      firstT: Math.min(open?.firstT ?? Infinity, ...lines.map((line) => line.firstT)),
      lastT: Math.max(open?.lastT ?? -Infinity, ...lines.map((line) => line.lastT)),
      again: () => this.readRequest(name),
    });
  }
}

interface Gathered {
  readonly fields: RequestFields;
  readonly batches: readonly StoredBatch[];
  readonly total: number;
  readonly replaced: number;
  readonly firstT: number;
  readonly lastT: number;
  /** Looks the request up anew. */
  readonly again: () => Promise<StoredRequest | undefined>;
}

/** One request as it was when it was looked up. */
export class StoredRequest {
  readonly app: string;
  readonly sid: string;
  readonly rid: string;
  /** Metadata, merged over everything that is stored. */
  readonly fields: Readonly<Record<string, unknown>>;
  /** Ascending by index. */
  readonly batches: readonly StoredBatch[];
  /** Declared number of batches, or -1. */
  readonly total: number;
  /** Gaps below the highest index and up to `total`; the first thousand. */
  readonly missing: readonly number[];
  readonly missingCount: number;
  /** Is a total declared, and everything there? */
  readonly complete: boolean;
  /** Batches that were replaced by others with the same index. */
  readonly replaced: number;
  /** Time of the first and of the last entry, ms since the epoch. */
  readonly firstT: number;
  readonly lastT: number;
  readonly #again: Gathered["again"];

  constructor({ app, sid, rid }: RequestName, gathered: Gathered) {
    const { fields, batches, total, replaced, firstT, lastT, again } = gathered;
    this.app = app;
    this.sid = sid;
    this.rid = rid;
    this.fields = Object.fromEntries(
      [...fields.entries()].map(([name, { json }]) => [name, JSON.parse(json)]),
    );
    this.batches = batches;
    this.total = total;
    this.replaced = replaced;
    this.firstT = firstT;
    this.lastT = lastT;
    const { missing, count } = missingIndexes(Float64Array.from(batches, ({ index }) => index), total);
    this.missing = missing;
    this.missingCount = count;
    this.complete = total >= 0 && count === 0;
    this.#again = again;
  }

  /** All events, joined in the order of the batches: the bytes of one JSON array. A piece is valid until the next. */
  async *events(): AsyncGenerator<Uint8Array, void, undefined> {
    await using files = new OpenFiles();
    yield openBracket;
    let isFirst = true;
    for (const batch of this.batches) {
      let isEmpty = true;
      for await (const piece of this.#inner(batch, files)) {
        // A batch may consist of blanks: then it has no events, and must not leave a comma.
        const events = isEmpty ? piece.subarray(skipBlanks(piece, 0)) : piece;
        if (events.length === 0) continue;
        if (isEmpty && !isFirst) yield comma;
        isEmpty = isFirst = false;
        yield events;
      }
    }
    yield closeBracket;
  }

  /** The events of one batch: the bytes of one JSON array. A piece is valid until the next. */
  async *batchEvents(batch: StoredBatch): AsyncGenerator<Uint8Array, void, undefined> {
    await using files = new OpenFiles();
    yield openBracket;
    yield* this.#inner(batch, files);
    yield closeBracket;
  }

  async *#inner(batch: StoredBatch, files: OpenFiles): AsyncGenerator<Uint8Array, void, undefined> {
    for (let from: StoredBatch | undefined = batch, tries = 1;; tries++) {
      try {
        return yield* (await files.reader(from.at.stretch)).range(from.at.start, from.bytes);
      } catch (error) {
        // The file was gone before the first byte: a flush has moved the batch into a part.
        if (!(error instanceof Deno.errors.NotFound) || tries >= maxTries) throw error;
        from = (await this.#again())?.batches.find(({ index }) => index === batch.index);
        if (from === undefined) throw error;
      }
    }
  }
}

/** Files that stay open from batch to batch; few, because batches that follow each other mostly lie together. */
class OpenFiles implements AsyncDisposable {
  readonly #readers = new Map<string, StretchReader>();

  async reader(stretch: Stretch): Promise<StretchReader> {
    const key = `${stretch.path}:${stretch.offset}`;
    const reader = this.#readers.get(key) ?? new StretchReader(stretch);
    this.#readers.delete(key);
    this.#readers.set(key, reader);
    if (this.#readers.size > maxOpenFiles) {
      const [[oldest, unused]] = this.#readers;
      this.#readers.delete(oldest);
      await unused[Symbol.asyncDispose]();
    }
    return reader;
  }

  async [Symbol.asyncDispose](): Promise<void> {
    for (const reader of this.#readers.values()) await reader[Symbol.asyncDispose]();
  }
}

interface Target {
  readonly dataDir: string;
  readonly fields: RequestFields;
  readonly batches: Map<number, StoredBatch>;
}

async function addLine(line: RequestLine, { dataDir, fields, batches }: Target): Promise<void> {
  const { path, offset, length, headBytes } = line;
  const compression = parsePartName(path.slice(path.lastIndexOf("/") + 1))?.compression ?? "none";
  const stretch: Stretch = { path: join(dataDir, path), compression, offset, length };
  await using reader = new StretchReader(stretch);
  const bytes = await gather(reader.range(0, headBytes), headBytes);
  const head = parseHead(bytes);
  fields.addHead(bytes, head);
  const assumed = new Set(head.index_assumed);
  let start = headBytes;
  for (const { index, bytes } of head.batches) {
    batches.set(index, { index, bytes, assumed: assumed.has(index), at: { stretch, start } });
    if (bytes > 0) start += bytes + comma.length;
  }
}

async function addOpen(open: RequestPlan, { dataDir, fields, batches }: Target): Promise<void> {
  const stretchOf = (segment: number): Stretch => ({
    path: segmentPath(journalDir(dataDir), segment),
    compression: "none",
    offset: 0,
    length: Infinity,
  });
  await using files = new OpenFiles();
  for (let i = 0; i < open.metas.length; i += metaStride) {
    const [segment, offset, length] = open.metas.subarray(i, i + metaStride);
    const reader = await files.reader(stretchOf(segment));
    fields.addRecord(await gather(reader.range(offset, length), length));
  }
  for (let i = 0; i < open.batches.length; i += batchStride) {
    const [index, segment, offset, length, , assumed] = open.batches.subarray(i, i + batchStride);
    const at = { stretch: stretchOf(segment), start: offset + openBracket.length };
    batches.set(index, { index, bytes: length - 2, assumed: assumed === 1, at });
  }
}

function passIfNotFound(error: unknown): void {
  if (!(error instanceof Deno.errors.NotFound)) throw error;
}
