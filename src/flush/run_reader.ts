/**
 * Reads test runs as of now: what was acknowledged can be read, flushed or not.
 * @module
 */

import { join } from "node:path";
import { runOwner, runSession, type StoredTestEvent } from "../base/test_runs.ts";
import type { Catalog, RequestLine } from "../catalog/catalog.ts";
import { batchStride, type RequestPlan } from "../index/plan.ts";
import type { TraceIndex } from "../index/trace_index.ts";
import { segmentPath } from "../journal/segment.ts";
import { ArraySplitter } from "./array_splitter.ts";
import { journalDir, parsePartName } from "./layout.ts";
import { RunFold } from "./run_fold.ts";
import { parseEvent } from "./run_line.ts";
import type { RunModel, RunSummary } from "./run_model.ts";
import { Reorder, SendOrder } from "./send_order.ts";
import { gather, readStretch, type Stretch, StretchReader } from "./stored_bytes.ts";

/** A flush may move what is being read; then it is looked up again, so many times without a step ahead. */
const maxTries = 5;
/** Events between two turns for others. */
const eventsPerTurn = 2_000;
const maxSummaries = 1_000;
/** An event lies in brackets of its own. */
const bracket = 1;

/** Where {@link RunReader} looks. */
export interface RunSources {
  readonly dataDir: string;
  readonly indexes: { readonly traces: Pick<TraceIndex, "get" | "requestsOf" | "watch"> };
  readonly catalog: Pick<Catalog, "requestLines" | "requests">;
}

/** An event with its bytes as they are stored. */
export interface ReadEvent {
  readonly event: StoredTestEvent;
  /** Valid until the next one is asked for. */
  readonly bytes: Uint8Array;
}

/** A run by the names it is kept under. */
export interface RunName {
  readonly project: string;
  readonly runId: string;
}

/** A page of runs. */
export interface RunPage {
  readonly runs: RunSummary[];
  readonly total: number;
}

/** Reads runs. */
export class RunReader {
  readonly #sources: RunSources;
  /** Summaries of runs that were folded, with how many events they had then. */
  readonly #summaries = new Map<string, { events: number; summary: RunSummary }>();

  constructor(sources: RunSources) {
    this.#sources = sources;
  }

  /** Runs of a project, the youngest first. */
  async list(project: string, { limit, offset }: { limit: number; offset: number }): Promise<RunPage> {
    const { catalog, indexes } = this.#sources;
    const owner = runOwner(project);
    const times = new Map(
      catalog.requests.ofSession(owner, runSession).map(({ rid, firstT }) => [rid, firstT]),
    );
    for (const { rid, firstT } of indexes.traces.requestsOf(owner, runSession)) {
      times.set(rid, Math.min(firstT, times.get(rid) ?? Infinity));
    }
    const ids = [...times].sort(([a, s], [b, t]) => t - s || (a < b ? -1 : 1)).map(([rid]) => rid);
    const runs: RunSummary[] = [];
    for (const runId of ids.slice(offset, offset + limit)) {
      const summary = await this.summary({ project, runId });
      if (summary) runs.push(summary);
    }
    return { runs, total: ids.length };
  }

  /** What lists show of a run; undefined when nothing of it is stored. */
  async summary(name: RunName): Promise<RunSummary | undefined> {
    const events = this.#count(name);
    if (events === 0) return undefined;
    const key = JSON.stringify([name.project, name.runId]);
    const known = this.#summaries.get(key);
    if (known?.events === events) return known.summary;
    const model = await this.read(name);
    if (model === undefined) return undefined;
    const { executions: _executions, output: _output, output_count: _count, ...summary } = model;
    if (this.#summaries.size >= maxSummaries) this.#summaries.delete(this.#summaries.keys().next().value!);
    this.#summaries.set(key, { events: summary.completeness.received, summary });
    return summary;
  }

  /** A run with all that it holds; undefined when nothing of it is stored. */
  async read(name: RunName): Promise<RunModel | undefined> {
    if (this.#count(name) === 0) return undefined;
    const fold = new RunFold(name.runId);
    for await (const { event } of this.events(name)) fold.add(event);
    return fold.finish();
  }

  /** The events of a run in the order in which they were sent. */
  async *events(name: RunName): AsyncGenerator<ReadEvent, void, undefined> {
    const order = new SendOrder();
    for await (const { event } of this.arrived(name)) {
      order.add({ sender: event.execution_id ?? "", seq: event.seq });
    }
    const positions = order.positions();
    if (positions === undefined) return yield* this.arrived(name);
    const reorder = new Reorder<ReadEvent>(positions);
    for await (const { event, bytes } of this.arrived(name)) {
      yield* reorder.push({ event, bytes: bytes.slice() }, bytes.length);
    }
    yield* reorder.finish();
  }

  /** The events of a run by arrival, from number `from` on; others get their turn between them. */
  async *arrived(name: RunName, from = 0): AsyncGenerator<ReadEvent, void, undefined> {
    let next = from;
    for (let tries = 1, turns = 0;;) {
      try {
        for await (const read of this.#from(name, { from: next, passLost: tries === maxTries })) {
          yield read;
          next = read.event.n + 1;
          tries = 1;
          if (++turns % eventsPerTurn === 0) await new Promise((resolve) => setTimeout(resolve, 0));
        }
        return;
      } catch (error) {
        // A flush has moved the rest into a part, or retention removed the part.
        if (!(error instanceof Deno.errors.NotFound) || tries++ >= maxTries) throw error;
      }
    }
  }

  /** Number of the next event of a run. */
  nextNumber(name: RunName): number {
    const { open, lines } = this.#lookUp(name);
    if (open && open.batches.length > 0) return open.batches[open.batches.length - batchStride] + 1;
    const last = lines.at(-1);
    return last ? last.batches[last.batches.length - 2] + 1 : 0;
  }

  /** Calls `wake` whenever an event of the run was stored. */
  watch({ project, runId }: RunName, wake: () => void): Disposable {
    return this.#sources.indexes.traces.watch(
      { app: runOwner(project), sid: runSession, rid: runId },
      wake,
    );
  }

  #count(name: RunName): number {
    const { open, lines } = this.#lookUp(name);
    const flushed = lines.reduce((sum, { batches }) => sum + batches.length / 2, 0);
    return flushed + (open?.batches.length ?? 0) / batchStride;
  }

  /** Both in one turn of the event loop: what leaves the index is in the catalog. */
  #lookUp({ project, runId }: RunName): { open: RequestPlan | undefined; lines: RequestLine[] } {
    const { catalog, indexes } = this.#sources;
    const owner = runOwner(project);
    return {
      open: indexes.traces.get(owner, runSession, runId),
      lines: catalog.requestLines(owner, runSession, runId),
    };
  }

  async *#from(
    name: RunName,
    { from, passLost }: { from: number; passLost: boolean },
  ): AsyncGenerator<ReadEvent, void, undefined> {
    const { open, lines } = this.#lookUp(name);
    for (const line of lines) {
      if (!(line.batches[line.batches.length - 2] >= from)) continue;
      try {
        yield* this.#ofLine(line, from);
      } catch (error) {
        if (!passLost || !(error instanceof Deno.errors.NotFound)) throw error;
      }
    }
    if (open) yield* this.#ofJournal(open, from);
  }

  async *#ofLine(line: RequestLine, from: number): AsyncGenerator<ReadEvent, void, undefined> {
    const { path, offset, length, headBytes } = line;
    const compression = parsePartName(path.slice(path.lastIndexOf("/") + 1))?.compression ?? "none";
    const stretch: Stretch = { path: join(this.#sources.dataDir, path), compression, offset, length };
    const splitter = new ArraySplitter();
    let left = headBytes;
    for await (const { bytes: piece } of readStretch(stretch)) {
      const rest = piece.subarray(left);
      left = Math.max(0, left - piece.length);
      for (const bytes of splitter.push(rest)) {
        const event = parseEvent(bytes);
        if (event.n >= from) yield { event, bytes };
      }
    }
  }

  async *#ofJournal(open: RequestPlan, from: number): AsyncGenerator<ReadEvent, void, undefined> {
    let reader: StretchReader | undefined;
    let current = -1;
    try {
      for (let i = 0; i < open.batches.length; i += batchStride) {
        const [n, segment, offset, length] = open.batches.subarray(i, i + 4);
        if (n < from) continue;
        if (segment !== current) {
          await reader?.[Symbol.asyncDispose]();
          const path = segmentPath(journalDir(this.#sources.dataDir), segment);
          reader = new StretchReader({ path, compression: "none", offset: 0, length: Infinity });
          current = segment;
        }
        const size = length - 2 * bracket;
        const bytes = await gather(reader!.range(offset + bracket, size), size);
        yield { event: parseEvent(bytes), bytes };
      }
    } finally {
      await reader?.[Symbol.asyncDispose]();
    }
  }
}
