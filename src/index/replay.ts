/**
 * Reads the records of a journal frame back: what they are and where they belong, from their own lines.
 * @module
 */

import { Buffer } from "node:buffer";
import {
  identityKey,
  type IdentityMemo,
  type KeptReply,
  type Place,
  type RecordKind,
  recordKinds,
  type RowKind,
  rowPlace,
  type TracePlace,
} from "../base/record.ts";
import { runOwner, runSession } from "../base/test_runs.ts";
import { FrameRefusal } from "../journal/recover.ts";

/** One record of a frame. */
export interface ReplayedRecord {
  readonly place: Place;
  /** Of its line, from the start of the payload. */
  readonly offset: number;
  /** Of its line, the line break included. */
  readonly length: number;
  readonly identity: { readonly key: string; readonly memo: IdentityMemo } | undefined;
  readonly kind: RecordKind;
  /** Of a row: its line as a value. */
  readonly columns?: Columns;
}

type Columns = Record<string, unknown>;
type RecordContent = Omit<ReplayedRecord, "offset" | "length" | "kind">;

const lineBreak = 0x0a;
const kindStart = '{"kind":"';
const eventsStart = ',"events":[';
const eventsBracket = eventsStart.length - 1;

/**
 * The records of a frame's payload, in order.
 *
 * @param scope `traces`: only those of the family `traces`; `all`: all of them.
 * @throws FrameRefusal when a line is no record of ours; it says which one, and nothing of its content
 */
export function readRecords(payload: Uint8Array, scope: "all" | "traces"): ReplayedRecord[] {
  const bytes = Buffer.from(payload.buffer, payload.byteOffset, payload.byteLength);
  const found: ReplayedRecord[] = [];
  for (let offset = 0, line = 0; offset < bytes.length; line++) {
    const end = bytes.indexOf(lineBreak, offset) + 1 || bytes.length;
    const record = readRecord(bytes.subarray(offset, end), { line, scope });
    if (record) found.push({ ...record, offset, length: end - offset });
    offset = end;
  }
  return found;
}

function readRecord(
  line: Buffer,
  options: { line: number; scope: "all" | "traces" },
): RecordContent & { kind: RecordKind } | undefined {
  try {
    const kind = kindOf(line);
    if (options.scope === "traces" && recordKinds[kind].family !== "traces") return undefined;
    return { kind, ...readers[recordKinds[kind].family](line, kind) };
  } catch {
    // No cause: the texts of JSON.parse quote what they could not read.
    throw new FrameRefusal(`Cannot read back a frame: line ${options.line} is no record`);
  }
}

const readers = { rows: readRow, traces: readTrace, replies: readReply } as const;

function kindOf(line: Buffer): RecordKind {
  const end = line.indexOf('"', kindStart.length);
  const kind = line.toString("latin1", kindStart.length, end);
  if (!Object.hasOwn(recordKinds, kind)) throw new TypeError("kind");
  return kind as RecordKind;
}

function readRow(line: Buffer, kind: RecordKind): RecordContent {
  const columns = JSON.parse(line.toString()) as Columns;
  const { owner } = recordKinds[kind as RowKind];
  const name = text(columns, owner === "project" ? "project_id" : "app");
  const place = rowPlace(kind as RowKind, name, text(columns, "created_at").slice(0, 10));
  if (typeof columns.insert_id !== "string") return { place, identity: undefined, columns };
  const memo = { deviceId: textOrEmpty(columns.device_id), sessionId: textOrEmpty(columns.session_id) };
  return { place, identity: { key: identityKey(owner, name, columns.insert_id), memo }, columns };
}

/** The events are the last member, so what stands before them is a small object, and they are not parsed. */
function readTrace(line: Buffer, kind: RecordKind): RecordContent {
  if (kind === "test_event") return readTestEvent(line);
  const isBatch = kind === "batch";
  const comma = isBatch ? line.indexOf(eventsStart) : -1;
  if (isBatch && comma < 0) throw new TypeError("events");
  const head = isBatch ? line.toString("utf8", 0, comma) + "}" : line.toString();
  const columns = JSON.parse(head) as Columns;
  const eventsOffset = comma + eventsBracket;
  const place: TracePlace = {
    family: "traces",
    kind: isBatch ? "batch" : "request",
    app: text(columns, "app"),
    sid: text(columns, "sid"),
    rid: text(columns, "rid"),
    index: number(columns, "index"),
    indexOffset: 0,
    t: number(columns, "t"),
    total: columns.total === undefined ? -1 : number(columns, "total"),
    hash: isBatch ? number(columns, "hash") : 0,
    assumed: columns.index_assumed === true,
    eventsOffset: isBatch ? eventsOffset : 0,
    eventsLength: isBatch ? line.lastIndexOf("]") + 1 - eventsOffset : 0,
  };
  return { place, identity: undefined };
}

/** The daemon writes the event's number at its front, where it can be read without the event. */
function readTestEvent(line: Buffer): { place: TracePlace; identity: undefined } {
  const comma = line.indexOf(eventsStart);
  if (comma < 0) throw new TypeError("events");
  const columns = JSON.parse(line.toString("utf8", 0, comma) + "}") as Columns;
  const eventsOffset = comma + eventsBracket;
  const n = /^\[\{"n": *(\d+),/.exec(line.toString("latin1", eventsOffset, eventsOffset + 32))?.[1];
  if (n === undefined) throw new TypeError("n");
  const place: TracePlace = {
    family: "traces",
    kind: "batch",
    app: runOwner(text(columns, "app")),
    sid: runSession,
    rid: text(columns, "rid"),
    index: Number(n),
    indexOffset: 0,
    t: number(columns, "t"),
    total: -1,
    hash: number(columns, "hash"),
    assumed: true,
    eventsOffset,
    eventsLength: line.lastIndexOf("]") + 1 - eventsOffset,
  };
  return { place, identity: undefined };
}

function readReply(line: Buffer): RecordContent {
  const columns = JSON.parse(line.toString()) as Columns;
  const reply: KeptReply = {
    status: number(columns, "status"),
    contentType: text(columns, "content_type"),
    body: text(columns, "body"),
    at: number(columns, "at"),
  };
  return { place: { family: "replies", key: text(columns, "key"), reply }, identity: undefined };
}

function text(columns: Columns, name: string): string {
  const value = columns[name];
  if (typeof value !== "string") throw new TypeError(name);
  return value;
}

function textOrEmpty(value: unknown): string {
  return typeof value === "string" ? value : "";
}

function number(columns: Columns, name: string): number {
  const value = columns[name];
  if (typeof value !== "number") throw new TypeError(name);
  return value;
}
