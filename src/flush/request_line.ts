/**
 * What a request's line says besides its events: metadata merged field by field, and which batches there are.
 * Used by the flush that writes the line and by the reader that puts a request together again.
 * @module
 */

import { missingIndexes } from "../base/missing_indexes.ts";
import { listedColumns, type ListedValues } from "../catalog/listed_requests.ts";
import { JsonMembers } from "./json_members.ts";

/** Of a text in a list. */
export const maxListedCharacters = 1000;

const encoder = new TextEncoder();
const names = {
  t: encoder.encode("t"),
  index: encoder.encode("index"),
  fields: encoder.encode("fields"),
};

/** One field of the metadata, with what decides between two values of it. */
export interface FieldValue {
  /** The value as it was sent: JSON text. */
  readonly json: string;
  /** Time of the entry, ms since the epoch. */
  readonly t: number;
  /** Batch index that the entry came with, or -1. */
  readonly index: number;
}

/**
 * The metadata of a request (contract `backend`, Decisions): each field keeps the value with the greatest
 * (t, index); of equal ones the later arrival. What is absent never clears, an explicit null does.
 */
export class RequestFields {
  readonly #values = new Map<string, FieldValue>();

  /** Takes a value, if it is not older than the one that is there. Calls come in order of arrival. */
  add(name: string, value: FieldValue): void {
    const known = this.#values.get(name);
    if (known && (value.t < known.t || (value.t === known.t && value.index < known.index))) return;
    this.#values.set(name, value);
  }

  /** Takes all fields of a `request` line of the journal. */
  addRecord(line: Uint8Array): void {
    let t = 0, index = -1, fieldsAt = -1;
    const members = new JsonMembers(line);
    while (members.next()) {
      if (members.is(names.t)) t = members.number();
      else if (members.is(names.index)) index = members.number();
      else if (members.is(names.fields)) fieldsAt = members.valueStart;
    }
    if (fieldsAt < 0) return;
    const fields = new JsonMembers(line, fieldsAt);
    while (fields.next()) this.add(fields.key(), { json: fields.json(), t, index });
  }

  /** Takes what a line in a part says: its front, as bytes and parsed. */
  addHead(bytes: Uint8Array, head: RequestHead): void {
    const sources = new Map(head.merged.flatMap((source) => source.fields.map((name) => [name, source])));
    const members = new JsonMembers(bytes);
    while (members.next()) {
      const name = members.key();
      const source = sources.get(name);
      if (source) this.add(name, { json: members.json(), t: source.t, index: source.index });
    }
  }

  /** What lists show of them; long texts are cut. */
  listed(): ListedValues {
    const values: ListedValues = {};
    for (const column of listedColumns) {
      const known = this.#values.get(column);
      if (known === undefined) continue;
      const value = JSON.parse(known.json);
      const listed = typeof value === "string" ? value.slice(0, maxListedCharacters) : value;
      values[column] = [listed, known.t, known.index];
    }
    return values;
  }

  /** Name and value, in the order in which the fields were first seen. */
  entries(): IterableIterator<[string, FieldValue]> {
    return this.#values.entries();
  }
}

/** What a request's line says of itself before the events. */
export interface RequestSummary {
  readonly app: string;
  readonly sid: string;
  readonly rid: string;
  /** Position among the request's lines in parts, from 0. */
  readonly part: number;
  /** Declared number of batches, or -1. */
  readonly total: number;
  /** Batches of this line that replaced others with the same index. */
  readonly replaced: number;
  readonly firstT: number;
  readonly lastT: number;
  /** Last place in the journal that is in this line. */
  readonly through: { readonly segment: number; readonly offset: number };
  /** Indexes of the batches in this line and in earlier ones, ascending. */
  readonly indexes: Float64Array;
  readonly batches: readonly BatchSummary[];
}

/** One batch of a line. */
export interface BatchSummary {
  readonly index: number;
  /** Bytes of its events, without brackets; 0 when there are none. */
  readonly bytes: number;
  readonly hash: number;
  /** Did the client leave the index out? */
  readonly assumed: boolean;
}

/** The front of a request's line as it stands in a part, parsed, with the events left out. */
export interface RequestHead {
  readonly head_bytes: number;
  readonly app: string;
  readonly sid: string;
  readonly rid: string;
  /** -1 where none was declared. */
  readonly total: number;
  readonly replaced: number;
  readonly index_assumed: readonly number[];
  readonly first_t: number;
  readonly last_t: number;
  /** Segment and offset. */
  readonly journal: readonly [number, number];
  readonly merged: readonly { t: number; index: number; fields: string[] }[];
  readonly batches: readonly { index: number; bytes: number; hash: number }[];
}

/** Names that a line uses itself; a field of the metadata with such a name is left out. */
export const reservedNames: ReadonlySet<string> = new Set([
  ...[
    "kind",
    "head_bytes",
    "app",
    "sid",
    "rid",
    "part",
    "first_part",
    "first_t",
    "last_t",
    "total",
    "missing",
  ],
  ...["missing_count", "complete", "replaced", "index_assumed", "journal", "merged", "batches", "events"],
]);

const headBytesDigits = 12;
const front = `{"kind":"request","head_bytes":`;
/** So many bytes of a line are enough for {@link headBytesOf}. */
export const frontBytes = front.length + headBytesDigits;

/**
 * The front of a line, up to and with the `[` of its events. The line ends with `]}` and a line break.
 */
export function formatHead(fields: RequestFields, summary: RequestSummary): Uint8Array<ArrayBuffer> {
  const { total, indexes, batches } = summary;
  const { missing, count } = missingIndexes(indexes, total);
  const own = [...fields.entries()].filter(([name]) => !reservedNames.has(name));
  const rest = {
    part: summary.part,
    first_part: summary.part === 0,
    first_t: summary.firstT,
    last_t: summary.lastT,
    total,
    missing,
    missing_count: count,
    complete: total >= 0 && count === 0,
    replaced: summary.replaced,
    index_assumed: batches.filter(({ assumed }) => assumed).map(({ index }) => index),
    journal: [summary.through.segment, summary.through.offset],
    merged: mergedFrom(own),
  };
  const text = [
    ["app", "sid", "rid"].map((name) => `,"${name}":${JSON.stringify(summary[name as "app"])}`).join(""),
    own.map(([name, { json }]) => `,${JSON.stringify(name)}:${json}`).join(""),
    "," + JSON.stringify(rest).slice(1, -1),
    `,"batches":[`,
    batches.map(({ index, bytes, hash }) => `{"index":${index},"bytes":${bytes},"hash":${hash}}`).join(","),
    `],"events":[`,
  ].join("");
  const tail = encoder.encode(text);
  const head = new Uint8Array(frontBytes + tail.length);
  encoder.encodeInto(front + String(head.length).padEnd(headBytesDigits), head);
  head.set(tail, frontBytes);
  return head;
}

/** How long the front of a line is, from its first {@link frontBytes}; NaN when it is no line of a request. */
export function headBytesOf(bytes: Uint8Array): number {
  const members = new JsonMembers(bytes);
  return members.next() && members.next() && members.key() === "head_bytes" ? members.number() : NaN;
}

/** Parses the front of a line. @throws SyntaxError */
export function parseHead(head: Uint8Array): RequestHead {
  return JSON.parse(new TextDecoder().decode(head) + "]}");
}

/** Bytes of a line's joined events, without the brackets around all of them. */
export function eventsBytes(batches: readonly { bytes: number }[]): number {
  let bytes = -1;
  for (const batch of batches) if (batch.bytes > 0) bytes += batch.bytes + 1;
  return Math.max(bytes, 0);
}

/** Which fields stem from which (t, index): mostly all from one. */
function mergedFrom(fields: [string, FieldValue][]): { t: number; index: number; fields: string[] }[] {
  const sources = new Map<string, { t: number; index: number; fields: string[] }>();
  for (const [name, { t, index }] of fields) {
    const key = `${t}/${index}`;
    const source = sources.get(key);
    if (source) source.fields.push(name);
    else sources.set(key, { t, index, fields: [name] });
  }
  return [...sources.values()];
}
