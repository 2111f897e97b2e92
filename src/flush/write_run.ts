/**
 * Writes one test run's line: the run as all its events tell it, then the events that no line holds yet.
 * @module
 */

import { join } from "node:path";
import { eventHash, projectOf, type StoredTestEvent } from "../base/test_runs.ts";
import { batchStride, type RequestPlan } from "../index/plan.ts";
import { ArraySplitter } from "./array_splitter.ts";
import type { FlushTools } from "./flush_tools.ts";
import { parsePartName } from "./layout.ts";
import { RunFold } from "./run_fold.ts";
import { formatRunHead, parseEvent, runLineEnd } from "./run_line.ts";
import type { RunModel } from "./run_model.ts";
import { Reorder, SendOrder } from "./send_order.ts";
import { readStretchSync } from "./stored_bytes_sync.ts";

const comma = new Uint8Array([0x2c]);
/** An event lies in brackets of its own. */
const bracket = 1;

/** Writes the line into the open part and lists it under that part's id. */
export function writeRun(run: RequestPlan, part: number, tools: FlushTools): void {
  const { writer, parts } = tools;
  const earlier = writer.earlierPlaces(run);
  const own = ownExtents(run);
  const model = foldRun(run, earlier, tools);
  const pairs = new Float64Array(own.length / extentShape.stride * 2);
  eachOwn(own, tools, (bytes, i) => {
    const { n, id } = parseEvent(bytes);
    pairs.set([n, eventHash(id)], i * 2);
  });
  const events = pairs.length / 2;
  let eventBytes = Math.max(0, events - 1) * comma.length;
  for (let i = 0; i < events; i++) eventBytes += own[i * extentShape.stride + 2];
  const through = lastPlace(run);
  const [firstT, lastT] = [run.firstT, run.lastT].map((t) => Number.isFinite(t) ? t : 0);
  const head = formatRunHead(model, {
    project: projectOf(run.app),
    part: earlier.length,
    firstT,
    lastT,
    through,
    events,
    eventBytes,
  });
  const offset = parts.beginLine();
  parts.write(head);
  let last = 0;
  tools.extents.read(own, extentShape, (bytes, i) => {
    if (i !== last) parts.write(comma);
    last = i;
    parts.write(bytes);
  });
  parts.write(runLineEnd);
  const length = parts.endLine() - offset;
  writer.addRequestLine(part, run, {
    ...{ offset, length, headBytes: head.length, firstT, lastT, total: -1, replaced: 0 },
    ...{ through, batches: pairs, values: {} },
  });
}

const extentShape = { stride: 3, first: 0 };

/** Segment, offset and length of each event, by arrival. */
function ownExtents(run: RequestPlan): Float64Array {
  const extents: number[] = [];
  for (let i = 0; i < run.batches.length; i += batchStride) {
    const [, segment, offset, length] = run.batches.subarray(i, i + 4);
    extents.push(segment, offset + bracket, length - 2 * bracket);
  }
  return Float64Array.from(extents);
}

type EarlierPlaces = ReturnType<FlushTools["writer"]["earlierPlaces"]>;

/** The run as all its events tell it. They are gone through twice where they did not arrive as they were sent. */
function foldRun(run: RequestPlan, earlier: EarlierPlaces, tools: FlushTools): RunModel {
  const order = new SendOrder();
  const inOrder = new RunFold(run.rid);
  eachEvent(run, earlier, tools, (event) => {
    order.add({ sender: event.execution_id ?? "", seq: event.seq });
    inOrder.add(event);
  });
  const positions = order.positions();
  if (positions === undefined) return inOrder.finish();
  const fold = new RunFold(run.rid);
  const reorder = new Reorder<StoredTestEvent>(positions);
  eachEvent(run, earlier, tools, (event, bytes) => {
    for (const next of reorder.push(event, bytes)) fold.add(next);
  });
  for (const next of reorder.finish()) fold.add(next);
  return fold.finish();
}

function eachEvent(
  run: RequestPlan,
  earlier: EarlierPlaces,
  tools: FlushTools,
  take: (event: StoredTestEvent, bytes: number) => void,
): void {
  for (const place of earlier) {
    try {
      for (const event of eventsOf(place, tools.dataDir)) take(parseEvent(event), event.length);
    } catch {
      // A lost or damaged part costs the summary some events; it must not keep new ones from being written.
      continue;
    }
  }
  eachOwn(ownExtents(run), tools, (bytes) => take(parseEvent(bytes), bytes.length));
}

/** The events of an earlier line. */
function* eventsOf(
  { path, offset, length, headBytes }: EarlierPlaces[number],
  dataDir: string,
): Generator<Uint8Array, void, undefined> {
  const compression = parsePartName(path.slice(path.lastIndexOf("/") + 1))?.compression ?? "none";
  const splitter = new ArraySplitter();
  let left = headBytes;
  for (const piece of readStretchSync({ path: join(dataDir, path), compression, offset, length })) {
    const bytes = piece.subarray(left);
    left = Math.max(0, left - piece.length);
    yield* splitter.push(bytes);
  }
}

/** Hands on each event as a whole. */
function eachOwn(own: Float64Array, tools: FlushTools, take: (bytes: Uint8Array, i: number) => void): void {
  let pieces: Uint8Array[] = [];
  let held = 0;
  tools.extents.read(own, extentShape, (bytes, i) => {
    const length = own[i * extentShape.stride + 2];
    if (bytes.length === length) return take(bytes, i);
    pieces.push(bytes.slice());
    held += bytes.length;
    if (held < length) return;
    const whole = new Uint8Array(length);
    pieces.reduce((at, piece) => (whole.set(piece, at), at + piece.length), 0);
    pieces = [];
    held = 0;
    take(whole, i);
  });
}

function lastPlace(run: RequestPlan): { segment: number; offset: number } {
  let segment = 0, offset = 0;
  for (let i = 0; i < run.batches.length; i += batchStride) {
    const [, s, o] = run.batches.subarray(i, i + 3);
    if (s > segment || (s === segment && o > offset)) [segment, offset] = [s, o];
  }
  return { segment, offset };
}
