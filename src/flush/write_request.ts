/**
 * Writes one request's line: metadata, which batches there are, and their events joined, streamed from the journal.
 * @module
 */

import { unionOf } from "../catalog/listed_requests.ts";
import { batchStride, metaStride, type RequestPlan } from "../index/plan.ts";
import type { ExtentReader } from "./extents.ts";
import type { FlushTools } from "./flush_tools.ts";
import { skipBlanks } from "./json_members.ts";
import { type BatchSummary, formatHead, RequestFields } from "./request_line.ts";

const comma = new Uint8Array([0x2c]);
const lineEnd = new TextEncoder().encode("]}\n");
const metaShape = { stride: metaStride, first: 0 };
const innerShape = { stride: 4, first: 1 };
/** Bytes looked at to tell whether a batch has events; what begins with more blanks is looked at further. */
const peekBytes = 64;
const maxPeekBytes = 256 * 1024;

/** Writes the line into the open part and lists it under that part's id. */
export function writeRequest(request: RequestPlan, part: number, tools: FlushTools): void {
  const { writer, extents, parts } = tools;
  const fields = new RequestFields();
  for (let i = 0; i < request.metas.length; i += metaStride) {
    const [segment, offset, length] = request.metas.subarray(i, i + metaShape.stride);
    fields.addRecord(extents.readOne(segment, offset, length));
  }
  const earlier = writer.earlierLines(request);
  const batches = batchesOf(request, extents);
  const total = earlier.reduce((most, line) => Math.max(most, line.total), request.total);
  const through = lastPlace(request);
  const { app, sid, rid, replaced } = request;
  // Numbers that JSON cannot hold would make the line unreadable.
  const [firstT, lastT] = [request.firstT, request.lastT].map((t) => Number.isFinite(t) ? t : 0);
  const indexes = unionOf([...earlier.map((line) => line.batches), pairsOf(batches)]);
  const head = formatHead(fields, {
    app,
    sid,
    rid,
    part: earlier.length,
    total,
    replaced,
    firstT,
    lastT,
    through,
    indexes,
    batches,
  });
  const offset = parts.beginLine();
  parts.write(head);
  writeEvents(request, batches, tools);
  parts.write(lineEnd);
  const length = parts.endLine() - offset;
  writer.addRequestLine(part, request, {
    offset,
    length,
    headBytes: head.length,
    firstT,
    lastT,
    total,
    replaced,
    through,
    batches: pairsOf(batches),
    values: fields.listed(),
  });
}

/** The batches' inner bytes, joined with commas. */
function writeEvents(
  request: RequestPlan,
  batches: readonly BatchSummary[],
  { extents, parts }: FlushTools,
): void {
  // For each batch that has events: its number in the plan, segment, offset and length without the brackets.
  const inner: number[] = [];
  batches.forEach(({ bytes }, i) => {
    const at = i * batchStride;
    if (bytes > 0) inner.push(i, request.batches[at + 1], request.batches[at + 2] + 1, bytes);
  });
  let last = 0;
  extents.read(Float64Array.from(inner), innerShape, (bytes, i) => {
    if (i !== last) parts.write(comma);
    last = i;
    parts.write(bytes);
  });
}

function batchesOf(request: RequestPlan, extents: ExtentReader): BatchSummary[] {
  const batches: BatchSummary[] = [];
  for (let i = 0; i < request.batches.length; i += batchStride) {
    const [index, segment, offset, length, hash, assumed] = request.batches.subarray(i, i + batchStride);
    const bytes = isBlank(extents, { segment, offset: offset + 1, length: length - 2 }) ? 0 : length - 2;
    batches.push({ index, bytes, hash, assumed: assumed === 1 });
  }
  return batches;
}

/** A batch of blanks alone has no events: joined with others it must not leave a comma. */
function isBlank(extents: ExtentReader, at: { segment: number; offset: number; length: number }): boolean {
  let { offset, length } = at;
  for (let size = peekBytes; length > 0; size = maxPeekBytes) {
    const bytes = extents.readOne(at.segment, offset, Math.min(size, length));
    if (skipBlanks(bytes, 0) < bytes.length) return false;
    offset += bytes.length;
    length -= bytes.length;
  }
  return true;
}

function pairsOf(batches: readonly BatchSummary[]): Float64Array {
  const pairs = new Float64Array(batches.length * 2);
  batches.forEach(({ index, hash }, i) => pairs.set([index, hash], i * 2));
  return pairs;
}

function lastPlace(request: RequestPlan): { segment: number; offset: number } {
  let segment = 0, offset = 0;
  const look = (s: number, o: number): void => {
    if (s > segment || (s === segment && o > offset)) [segment, offset] = [s, o];
  };
  for (let i = 0; i < request.batches.length; i += batchStride) {
    look(request.batches[i + 1], request.batches[i + 2]);
  }
  for (let i = 0; i < request.metas.length; i += metaStride) look(request.metas[i], request.metas[i + 1]);
  return { segment, offset };
}
