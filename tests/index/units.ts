/**
 * Units with lines of the forms that dialects write.
 * @module
 */

import {
  assumedIndexBytes,
  dayOf,
  type Identity,
  identityKey,
  identityOwner,
  type RowKind,
  rowPlace,
  Unit,
} from "../../src/base/record.ts";
import type { TraceIndex } from "../../src/index/trace_index.ts";

/** A row to add; two rows with the same `identity` object are one row's records. */
export interface RowSpec {
  readonly kind?: RowKind;
  readonly project?: string;
  readonly id: string;
  readonly at?: number;
  readonly identity?: Identity;
  /** Is the identity taken from the record, as from rows of the common shape? @default false */
  readonly isWritten?: boolean;
}

/** A batch, or with `fields` the metadata, of a request. */
export interface TraceSpec {
  readonly app?: string;
  readonly sid?: string;
  readonly rid: string;
  /** Left out: the client sent none. */
  readonly index?: number;
  readonly t: number;
  readonly total?: number;
}

export const day = Date.UTC(2026, 10, 20);

/** An identity of a project's row. */
export function identityOf(insertId: string, options: { project?: string; row?: number } = {}): Identity {
  const key = identityKey("project", options.project ?? "p", insertId);
  return { key, row: options.row ?? 0, memo: { deviceId: `d-${insertId}`, sessionId: `s-${insertId}` } };
}

export function addRow(unit: Unit, spec: RowSpec): void {
  const { kind = "event", project = "p", id, at = day, identity } = spec;
  const line: Record<string, unknown> = {
    kind,
    project_id: project,
    created_at: new Date(at).toISOString(),
    id,
  };
  if (identity) {
    line.insert_id = identity.key.slice(identityKey("project", project, "").length);
    line.device_id = identity.memo.deviceId;
    line.session_id = identity.memo.sessionId;
  }
  const text = JSON.stringify({ ...line, name: "seen é" });
  unit.writer.text(text);
  const place = rowPlace(kind, project, dayOf(at));
  if (!identity || !spec.isWritten) return unit.close(place, identity);
  unit.close(place);
  const before = text.slice(0, text.indexOf('"insert_id":"') + '"insert_id":"'.length);
  unit.identify({
    ...{ owner: identityOwner("project", project), row: identity.row, memo: identity.memo },
    at: new TextEncoder().encode(before).length,
    length: new TextEncoder().encode(line.insert_id as string).length,
  });
}

/** `content` is what tells the bytes of two batches apart. */
export function addBatch(unit: Unit, spec: TraceSpec & { content: number }): void {
  const { app = "a", sid = "S", rid, t, total, content } = spec;
  const start = unit.writer.length;
  const hash = content * 7919 + 1;
  unit.writer.text(`{"kind":"batch","app":${JSON.stringify(app)},"sid":${JSON.stringify(sid)},`);
  unit.writer.text(`"rid":${JSON.stringify(rid)},"index":`);
  const indexOffset = spec.index === undefined ? unit.writer.length - start : 0;
  unit.writer.text(spec.index === undefined ? " ".repeat(assumedIndexBytes) : String(spec.index));
  unit.writer.text(`,"t":${t}`);
  if (total !== undefined) unit.writer.text(`,"total":${total}`);
  if (spec.index === undefined) unit.writer.text(`,"index_assumed":true`);
  unit.writer.text(`,"hash":${hash},"events":`);
  const eventsOffset = unit.writer.length - start;
  unit.writer.text(JSON.stringify([{ content, fn: ']},\n"events":[é' }]));
  const eventsLength = unit.writer.length - start - eventsOffset;
  unit.writer.text("}");
  unit.close({
    family: "traces",
    kind: "batch",
    app,
    sid,
    rid,
    index: spec.index ?? -1,
    indexOffset,
    t,
    total: total ?? -1,
    hash,
    assumed: spec.index === undefined,
    eventsOffset,
    eventsLength,
  });
}

export function addMeta(unit: Unit, spec: TraceSpec): void {
  const { app = "a", sid = "S", rid, t, index = -1 } = spec;
  unit.writer.text(JSON.stringify({ kind: "request", app, sid, rid, index, t, fields: { method: "GET" } }));
  unit.close({
    family: "traces",
    kind: "request",
    app,
    sid,
    rid,
    index,
    indexOffset: 0,
    t,
    total: -1,
    hash: 0,
    assumed: false,
    eventsOffset: 0,
    eventsLength: 0,
  });
}

export function addReply(unit: Unit, key: string, at: number): void {
  const reply = { status: 202, contentType: "application/json", body: `{"accepted":1,"key":"${key}"}`, at };
  unit.writer.text(JSON.stringify({
    kind: "reply",
    key,
    status: reply.status,
    content_type: reply.contentType,
    body: reply.body,
    at,
  }));
  unit.close({ family: "replies", key, reply });
}

/** A unit of its own for what `fill` adds. */
export function unitOf(fill: (unit: Unit) => void): Unit {
  const unit = new Unit();
  fill(unit);
  return unit;
}

/** The request ids of a session of which the journal holds something, in the order in which they came. */
export function ridsOf(traces: Pick<TraceIndex, "requestsOf">, app: string, sid: string): string[] {
  return [...traces.requestsOf(app, sid)].map(({ rid }) => rid);
}
