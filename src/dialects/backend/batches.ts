/**
 * The batches of an entry, in whichever of the three wire dialects it speaks (contract `backend`, 0 and 3.2):
 *
 * - D0: the whole trace in `request.trace`
 * - D1: `trace` with an index beside it, or wrappers that hold events, in `request` or in the entry
 * - D2: `trace` in the entry, and beside it a `traceBatch` that says only which batch it is
 * @module
 */

import { firstGiven, indexBesideTrace, indexInWrapper, totalOf } from "./batch_index.ts";
import { EntryRefusal } from "./refusal.ts";
import { asRequestId } from "./request_id.ts";
import { type Entry, isObject, type Members } from "./schema.ts";
import type { Span } from "./spans.ts";

/** A batch as it was found in an entry; its events were not looked into. */
export interface SentBatch {
  /** The request id that stands with the batch itself, if any. */
  readonly rid: string | undefined;
  /** -1 when it was left out. */
  readonly index: number;
  /** Declared number of batches of the request, or -1. */
  readonly total: number;
  /** Should be an array, or JSON text of one. */
  readonly events: unknown;
  /** Where the events lie in the bytes of the entry. */
  locate(): Span;
}

const payloadNames = ["events", "data", "trace", "payload"] as const;

/**
 * All batches of an entry; those of `request` come first.
 * @param span The entry's own bytes.
 * @throws EntryRefusal `bad_batch_index`, `trace_not_an_array`, or `validation` for a bad request id
 */
export function sentBatches(entry: Entry, span: Span): SentBatch[] {
  const found: SentBatch[] = [];
  const { request } = entry;
  if (request) collect(request, () => span.member("request")!, found);
  collect(entry, () => span, found);
  return found;
}

/** The batches of one source: `traceBatches`, then `traceBatch`, then `trace`. */
function collect(source: Members, locate: () => Span, found: SentBatch[]): void {
  const { trace, traceBatch, traceBatches } = source;
  if (Array.isArray(traceBatches)) {
    traceBatches.forEach((wrapper, i) =>
      unwrap(wrapper, () => locate().member("traceBatches")!.element(i), found)
    );
  }
  const hasTrace = trace !== undefined && trace !== null;
  const isMetadata = hasTrace && isObject(traceBatch) && firstGiven(traceBatch, payloadNames) === undefined;
  if (!isMetadata) unwrap(traceBatch, () => locate().member("traceBatch")!, found);
  if (!hasTrace) return;
  const index = isMetadata ? indexInWrapper(traceBatch) : -1;
  found.push({
    rid: isMetadata ? asRequestId(traceBatch.rid) : undefined,
    index: index >= 0 ? index : indexBesideTrace(source),
    total: isMetadata ? totalOf(traceBatch) : -1,
    events: trace,
    locate: () => locate().member("trace")!,
  });
}

/** A wrapper that holds events, or the events themselves. */
function unwrap(wrapper: unknown, locate: () => Span, found: SentBatch[]): void {
  if (wrapper === undefined || wrapper === null) return;
  if (!isObject(wrapper)) {
    found.push({ rid: undefined, index: -1, total: -1, events: wrapper, locate });
    return;
  }
  const name = payloadNames.find((name) => wrapper[name] !== undefined && wrapper[name] !== null);
  if (name === undefined) {
    throw new EntryRefusal("trace_not_an_array", "A wrapped batch must hold an array of events");
  }
  found.push({
    rid: asRequestId(wrapper.rid),
    index: indexInWrapper(wrapper),
    total: totalOf(wrapper),
    events: wrapper[name],
    locate: () => locate().member(name)!,
  });
}

/** A batch that is ready to be stored. */
export interface ReadyBatch extends Pick<SentBatch, "index" | "total"> {
  readonly rid: string;
}

/**
 * Those of the batches that are stored, in the order in which they are: of several with one index the last, and
 * those without an index behind those that have one, so that none takes an index which is named later.
 */
export function effectiveBatches<T extends ReadyBatch>(batches: readonly T[]): T[] {
  if (batches.length < 2) return [...batches];
  const named = new Map<string, T>();
  const unnamed: T[] = [];
  for (const batch of batches) {
    if (batch.index < 0) unnamed.push(batch);
    else named.set(`${batch.index}:${batch.rid}`, batch);
  }
  return [...named.values(), ...unnamed];
}
