/**
 * One entry of dialect `backend` and the records it becomes.
 * @module
 */

import { assumedIndexBytes, type TracePlace, type Unit } from "../../base/record.ts";
import { effectiveBatches, type ReadyBatch, type SentBatch, sentBatches } from "./batches.ts";
import { type EntryScene, type ReadyEntry, type SentEntry, sentTime } from "./entry_source.ts";
import { type Events, hashOf, readEvents } from "./events.ts";
import { describesRequest, writeFields } from "./metadata.ts";
import { EntryRefusal } from "./refusal.ts";
import { requestIdOf } from "./request_id.ts";
import { checkEntry } from "./schema.ts";
import type { Span } from "./spans.ts";
import { hasSideData, writeSideData } from "./side_data.ts";
import { mendSurrogates } from "../surrogates.ts";

/** A batch with its events as they are stored. */
interface Batch extends ReadyBatch {
  readonly events: Events;
}

/**
 * Adds the records of an entry to the unit: the metadata of its request, its batches, its changes and its mail.
 * @throws EntryRefusal; records may have been added by then, and must be taken back
 */
export function writeEntry(sent: SentEntry, scene: EntryScene, unit: Unit): void {
  const entry = checkEntry(sent.value, scene.maxItems);
  const batches = sentBatches(entry, sent.span);
  const rid = requestIdOf(entry) ?? batches.find((batch) => batch.rid !== undefined)?.rid;
  const ready: ReadyEntry = { ...sent, ...scene, entry, rid, sentT: sentTime(entry.t) };
  if (rid !== undefined) writeTraces(ready, { rid, batches }, unit);
  else if (batches.length > 0 || describesRequest(entry) || !hasSideData(ready)) {
    throw new EntryRefusal("no_request_id", "Entry must name its request, such as by request.rid");
  }
  writeSideData(ready, unit);
}

function writeTraces(
  ready: ReadyEntry,
  of: { rid: string; batches: readonly SentBatch[] },
  unit: Unit,
): void {
  const { entry } = ready;
  const batches = effectiveBatches(of.batches.map((batch): Batch => ({
    rid: batch.rid ?? of.rid,
    index: batch.index,
    total: batch.total,
    events: readEvents(batch, ready),
  }))).filter(({ events, index, total }) => !events.isEmpty || index >= 0 || total >= 0);
  if (describesRequest(entry) || entry.actionId !== undefined) {
    const indexes = batches.filter(({ rid }) => rid === of.rid).map(({ index }) => index);
    writeRequest(ready, { rid: of.rid, index: Math.max(-1, ...indexes) }, unit);
  }
  for (const batch of batches) writeBatch(ready, batch, unit);
}

/** Metadata, with what its record needs of the entry or event that it came in. */
export type RequestSource =
  & Pick<ReadyEntry, "app" | "sid" | "arrivedAt" | "hasUnicodeEscape" | "entry" | "sentT">
  & { readonly span: Pick<Span, "member"> };

/** Adds the record of a request's metadata. */
export function writeRequest(
  ready: RequestSource,
  at: { rid: string; index: number },
  unit: Unit,
): void {
  const { writer } = unit;
  const t = ready.sentT ?? ready.arrivedAt;
  const start = writer.length;
  writeHead("request", ready, { rid: at.rid, unit });
  writer.ascii(`${at.index},"t":${t},"fields":`);
  writeFields(writer, ready.entry, ready.span);
  writer.ascii("}");
  if (ready.hasUnicodeEscape) mendSurrogates(writer.view(), start, writer.length);
  unit.close(placeOf(ready, { kind: "request", ...at }));
}

function writeBatch(ready: ReadyEntry, batch: Batch, unit: Unit): void {
  const { writer } = unit;
  const { rid, index, total, events: { bytes } } = batch;
  const assumed = index < 0;
  const hash = hashOf(bytes);
  const t = ready.sentT ?? ready.arrivedAt;
  const start = writer.length;
  writeHead("batch", ready, { rid, unit });
  const indexOffset = assumed ? writer.length - start : 0;
  writer.ascii(
    (assumed ? " ".repeat(assumedIndexBytes) : String(index)) + `,"t":${t}` +
      (total >= 0 ? `,"total":${total}` : "") + (assumed ? `,"index_assumed":true` : "") +
      `,"hash":${hash},"events":`,
  );
  const eventsOffset = writer.length - start;
  const eventsLength = bytes.length;
  writer.raw(bytes);
  writer.ascii("}");
  unit.close(
    placeOf(ready, {
      kind: "batch",
      rid,
      index,
      indexOffset,
      total,
      hash,
      assumed,
      eventsOffset,
      eventsLength,
    }),
  );
}

/** Up to and with the name of the index. */
function writeHead(
  kind: TracePlace["kind"],
  { app, sid }: Pick<ReadyEntry, "app" | "sid">,
  to: { rid: string; unit: Unit },
): void {
  to.unit.writer.text(
    `{"kind":"${kind}","app":${JSON.stringify(app)},"sid":"${sid}","rid":${JSON.stringify(to.rid)},"index":`,
  );
}

/** The place of a record; what is not given is as metadata has it. */
function placeOf(
  { app, sid, sentT, arrivedAt }: Pick<ReadyEntry, "app" | "sid" | "sentT" | "arrivedAt">,
  of: Pick<TracePlace, "kind" | "rid" | "index"> & Partial<TracePlace>,
): TracePlace {
  return {
    family: "traces",
    app,
    sid,
    t: sentT ?? arrivedAt,
    indexOffset: 0,
    total: -1,
    hash: 0,
    assumed: false,
    eventsOffset: 0,
    eventsLength: 0,
    ...of,
  };
}
